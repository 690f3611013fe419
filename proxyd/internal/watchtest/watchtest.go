// Package watchtest watches for a test what happens behind the code that it calls: whether something becomes true, what descriptors
// the process holds, and how many connections wait at a listener, for which it has an address where nobody else listens.
package watchtest

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long something may take that normally takes milliseconds.
const patience = 10 * time.Second

// Eventually waits until holds returns true, and fails the test when it does not become so.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// Descriptors returns how many descriptors this process has open, without those of pollers: they come with the first connection
// and stay.
func Descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range open {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(to, "anon_inode") {
			n++
		}
	}
	return n
}
