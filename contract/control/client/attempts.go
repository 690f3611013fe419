package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/pidfile"
)

// ErrNotRunning says that no proxyd runs on the run directory: there is no control socket, or nobody listens behind it, and
// nobody holds the pidfile.
var ErrNotRunning = errors.New("proxyd is not running")

// ErrNoAnswer says that a proxyd runs but has not answered: it hangs, takes too long to start, or ended meanwhile.
var ErrNoAnswer = errors.New("proxyd does not answer")

// RefusedError is what proxyd answers when it will not do what it was asked.
type RefusedError struct {
	Status int // of HTTP; 422 when proxyd keeps the previous configuration
	control.Failure
}

// Error has a line for each problem, or one line when there is none.
func (e *RefusedError) Error() string {
	if len(e.Problems) == 0 {
		return e.Failure.Error
	}
	var lines []error
	for _, problem := range e.Problems {
		lines = append(lines, fmt.Errorf("%s: %s", e.Failure.Error, problem))
	}
	return errors.Join(lines...).Error()
}

// maxCuts is how often a call is sent in all when proxyd takes it and closes the connection without an answer. That happens
// when it is replaced by another; a proxyd that dies of the call itself must not be asked for ever.
const maxCuts = 3

// outcome is what one attempt met.
type outcome int

const (
	unmet    outcome = iota // the time was over before it met anything
	silent                  // proxyd took the call and has not answered
	cut                     // it took the call and closed the connection without an answer
	starting                // nobody listens on the socket, but a process holds the pidfile
	absent                  // nobody does either
	crowded                 // the socket's queue of callers is full: proxyd has stopped accepting
	barred                  // the socket cannot be reached for another reason
)

// attempts decides whether one call is tried again, and says in the end why it failed. What it decides by is told by the
// kernel: what connecting to the socket led to, and whether a process holds the pidfile.
type attempts struct {
	client  *Client
	started time.Time
	newest  outcome
	reached bool // the attempt under way has a connection
	cuts    int  // attempts that met cut
}

// again is a retryablehttp.CheckRetry.
func (a *attempts) again(ctx context.Context, _ *http.Response, err error) (bool, error) {
	before, reached := a.newest, a.reached
	a.newest, a.reached = silent, false
	if err == nil {
		return false, nil // an answer is an answer, whatever its status
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if !reached {
			a.newest = before
		}
		return false, nil
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		held, pidErr := pidfile.Held(a.client.pidfile)
		switch {
		case pidErr != nil:
			a.newest = barred
			return false, pidErr
		case held:
			a.newest = starting
			return true, nil
		}
		a.newest = absent
		return time.Since(a.started) < a.client.Patience, nil
	case errors.Is(err, syscall.EAGAIN):
		a.newest = crowded
		return true, nil
	case errors.As(err, &dial) && dial.Op == "dial":
		a.newest = barred
		return false, nil
	}
	a.newest = cut
	a.cuts++
	return a.cuts < maxCuts, nil
}

// explain returns the error of a call whose last attempt ended with err.
func (a *attempts) explain(ctx context.Context, err error) error {
	// The kernel's own words, without the URL and the addresses that net and net/http put around them.
	reason := err
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		reason = errno
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("gave up waiting for proxyd: %w", context.Canceled)
	case a.newest == absent && a.cuts > 0:
		return fmt.Errorf("%w: it took the call and then ended: its error.log says why", ErrNoAnswer)
	case a.newest == absent:
		return fmt.Errorf("%w: nobody listens on %s", ErrNotRunning, a.client.socket)
	case a.newest == cut:
		return fmt.Errorf("%w: it closed the connection (%v): its error.log says why", ErrNoAnswer, reason)
	case a.newest == barred:
		return fmt.Errorf("cannot reach proxyd on %s: %w", a.client.socket, reason)
	case !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return fmt.Errorf("cannot read the answer of proxyd: %w", reason)
	}
	waited := time.Since(a.started)
	if waited > time.Second {
		waited = waited.Round(time.Second)
	} else {
		waited = waited.Round(10 * time.Millisecond)
	}
	switch a.newest {
	case unmet:
		return fmt.Errorf("%w: %v were over before it could be asked: allow more time", ErrNoAnswer, waited)
	case starting:
		return fmt.Errorf("%w for %v: %s holds the pidfile but has not opened %s: it hangs while it starts or stops: "+
			"look at its error.log, or restart it", ErrNoAnswer, waited, a.process(), a.client.socket)
	}
	return fmt.Errorf("%w for %v: %s hangs or is stopped: look at its error.log, or restart it", ErrNoAnswer, waited, a.process())
}

// process names the proxyd that holds the pidfile, for people.
func (a *attempts) process() string {
	if pid, err := pidfile.Read(a.client.pidfile); err == nil && pid != 0 {
		return fmt.Sprintf("process %d", pid)
	}
	return "the process behind " + a.client.socket
}
