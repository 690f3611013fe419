// Package leaktest fails a package's tests when they leave goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines that are just ending may still be seen.
const patience = 3 * time.Second

// Main runs the tests and returns the exit code: func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }.
func Main(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		if left = others(); len(left) == 0 {
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "%d goroutines are left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
	return 1
}

// others returns the stacks of all goroutines but the caller's and those of the test runner and the runtime.
func others() []string {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	var stacks []string
	for _, stack := range strings.Split(string(all), "\n\n")[1:] { // the first is the caller's
		if !strings.Contains(stack, "testing.(*M).") && !strings.Contains(stack, "os/signal.loop") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
