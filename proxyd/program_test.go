package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"section.internal/proxyd/internal/watchtest"
)

func TestMapProgram_AllOfItIsResident(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	part := regexp.MustCompile(`(?m)^\S+ r-\S+ .* ` + regexp.QuoteMeta(own) + `\n(?:[A-Z]\w+: .*\n)*`)
	amount := func(part, name string) string {
		return strings.TrimSpace(regexp.MustCompile(name + `: *(.*)`).FindStringSubmatch(part)[1])
	}
	missing := ""
	defer func() {
		if t.Failed() {
			t.Log(missing)
		}
	}()
	// The kernel may take a page back before we look.
	watchtest.Eventually(t, "all parts are resident after mapProgram", func() bool {
		err := mapProgram()
		if errors.Is(err, unix.EINVAL) {
			t.Skip("this kernel does not know MADV_POPULATE_READ")
		}
		if err != nil {
			t.Fatal(err)
		}
		smaps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		parts := part.FindAllString(string(smaps), -1)
		if len(parts) < 2 { // what is run, and what is only read
			t.Fatalf("%d parts of %s are mapped: want two at least", len(parts), own)
		}
		for _, p := range parts {
			if size, resident := amount(p, "Size"), amount(p, "Rss"); size != resident {
				missing = resident + " of " + size + " are resident:\n" + p
				return false
			}
		}
		return true
	})
}
