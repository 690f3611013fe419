package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMapProgram_AllOfItIsResident(t *testing.T) {
	err := mapProgram()
	if errors.Is(err, unix.EINVAL) {
		t.Skip("this kernel does not know MADV_POPULATE_READ")
	}
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	part := regexp.MustCompile(`(?m)^\S+ r-\S+ .* ` + regexp.QuoteMeta(own) + `\n(?:[A-Z]\w+: .*\n)*`)
	amount := func(part, name string) string {
		return strings.TrimSpace(regexp.MustCompile(name + `: *(.*)`).FindStringSubmatch(part)[1])
	}
	parts := part.FindAllString(string(smaps), -1)
	if len(parts) < 2 { // what is run, and what is only read
		t.Fatalf("%d parts of %s are mapped: want two at least", len(parts), own)
	}
	for _, p := range parts {
		if size, resident := amount(p, "Size"), amount(p, "Rss"); size != resident {
			t.Errorf("%s of %s are resident:\n%s", resident, size, p)
		}
	}
}
