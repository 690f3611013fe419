package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

const (
	// firstPause and longestPause lie between two looks at what proxyd has done: it takes about a millisecond when all is well,
	// and looking twenty times a second costs nothing when it does not.
	firstPause, longestPause = time.Millisecond, 50 * time.Millisecond
	// signalAgain is how long to wait before the signal is sent once more, since one that comes while proxyd starts may find
	// nobody who listens.
	signalAgain = time.Second
)

// process is the proxyd that writes to the logs, if there is one.
type process struct {
	pidfile string
	pid     int // that the newest signal went to; 0: none runs
}

// signal sends sig to the proxyd that has claimed the pidfile, if there is one. Signal 0 only asks whether that would do.
func (p *process) signal(sig syscall.Signal) error {
	pid, err := pidfile.Signal(p.pidfile, sig)
	p.pid = pid
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("%w: this runs as uid %d: run it as %s, or with the capability KILL", err, os.Geteuid(), p.user())
	}
	return err
}

// user says in words whose process proxyd is.
func (p *process) user() string {
	pid, err := pidfile.Read(p.pidfile)
	if err != nil || pid == 0 {
		return "the user of proxyd"
	}
	// Not the owner of the directory /proc/PID: that is root once a process has changed its user.
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return "the user of proxyd"
	}
	_, uids, _ := strings.Cut(string(status), "\nUid:")
	if fields := strings.Fields(uids); len(fields) > 0 {
		return "the user of proxyd, uid " + fields[0]
	}
	return "the user of proxyd"
}

// waitUntilUnused waits until nobody writes to the moved file any more, which then is locked against all who would. waited
// says that somebody did at first.
func (p *process) waitUntilUnused(ctx context.Context, file *os.File, deadline time.Time) (waited bool, err error) {
	started := time.Now()
	signalled := started
	unused := func() (bool, error) {
		locked, err := lockExclusive(file)
		if err != nil {
			return false, fmt.Errorf("cannot lock %s: %w", file.Name(), err)
		}
		waited = waited || !locked
		if !locked && time.Since(signalled) >= signalAgain {
			signalled = time.Now()
			if err := p.signal(syscall.SIGUSR1); err != nil {
				return false, err
			}
		}
		return locked, nil
	}
	done, err := poll(ctx, deadline, unused)
	if err != nil || done {
		return waited, err
	}
	after := time.Since(started).Round(time.Millisecond)
	if p.pid == 0 {
		return waited, fmt.Errorf("a process that is no proxyd of %s has held a lock on %s for %v (--%s): end it, or have it log elsewhere",
			p.pidfile, file.Name(), after, place.Timeout.Flag)
	}
	return waited, fmt.Errorf("proxyd, process %d, has not re-opened its logs within %v (--%s) after USR1: "+
		"it hangs, is stopped, or cannot open new files, which its own diagnostics on stderr say", p.pid, after, place.Timeout.Flag)
}

// waitForNew waits until proxyd, which has let go of the moved file, has the new one at path. It never is without a file
// unless it has ended or has been told to write none, so this waits for nothing when all is well.
func (p *process) waitForNew(ctx context.Context, path string, deadline time.Time) error {
	there := func() (bool, error) {
		if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return true, err
		}
		pid, err := pidfile.Read(p.pidfile)
		return pid == 0 || pid != p.pid, err
	}
	done, err := poll(ctx, deadline, there)
	if err == nil && !done {
		err = fmt.Errorf("proxyd, process %d, has closed its log without opening %s again: its diagnostics on stderr say why", p.pid, path)
	}
	return err
}

// poll calls f until it returns true or an error, and at the longest until the deadline, when it returns false. f is called
// once at least.
func poll(ctx context.Context, deadline time.Time, f func() (bool, error)) (bool, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if done, err := f(); done || err != nil {
			return done, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, errors.New("interrupted while waiting for proxyd")
		case <-time.After(min(pause, left)):
		}
	}
}
