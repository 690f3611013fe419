package proxydtest

import (
	"testing"
	"time"
)

// Patience is how long a test waits for something that normally takes milliseconds. It is generous because the machine may
// be busy; no test waits that long unless it fails.
const Patience = 20 * time.Second

// Eventually waits until check returns nil, and fails the test with what was awaited and check's last error if that takes
// longer than Patience.
func Eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	if err := poll(Patience, check); err != nil {
		tb.Fatalf("waited %s for %s: %v", Patience, what, err)
	}
}

// poll calls check until it returns nil, or until the time is up; then it returns check's last error.
func poll(patience time.Duration, check func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}
