package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

// state is what can be said of the proxyd of a run directory from outside. Programs read it in --json.
type state string

const (
	stateRunning     state = "running"     // and answers
	stateStarting    state = "starting"    // has claimed its pidfile, but does not listen on its control socket yet
	stateHung        state = "hung"        // takes connections on the control socket, but does not answer
	stateFailing     state = "failing"     // answers, but not what was asked for
	stateUnreachable state = "unreachable" // has run for a while, but does not listen on the control socket
	stateDenied      state = "denied"      // we may not open its files
	stateNotRunning  state = "not_running"
	stateUnknown     state = "unknown"
)

// startTakes is how long after its claim of the pidfile a proxyd without a control socket counts as starting. A start takes
// milliseconds; a starved machine may need seconds.
const startTakes = time.Minute

// absence says that proxyd did not answer, and how we know why. As a document it stands in for what was asked.
type absence struct {
	Running bool   `json:"running"` // always false
	State   state  `json:"state"`
	Reason  string `json:"reason"`
	PID     int    `json:"pid,omitempty"` // of the process that holds the pidfile, if one does
	Pidfile string `json:"pidfile"`
	Socket  string `json:"socket"`
}

func (a *absence) Error() string {
	switch a.State {
	case stateStarting:
		return "proxyd is starting: " + a.Reason
	case stateHung:
		return "proxyd hangs: " + a.Reason
	case stateFailing:
		return "proxyd fails to answer: " + a.Reason
	case stateUnreachable:
		return "proxyd cannot be reached: " + a.Reason
	case stateDenied:
		return "not permitted to ask proxyd: " + a.Reason
	case stateNotRunning:
		return "proxyd is not running: " + a.Reason
	}
	return "cannot tell whether proxyd runs: " + a.Reason
}

// ask calls proxyd and bounds the call. The error is an *absence, or says that ctx has ended.
func ask[T any](ctx context.Context, runDir string, bound time.Duration, call func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	answer, err := call(bounded)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return answer, fmt.Errorf("interrupted while proxyd was asked: %w", context.Cause(ctx))
	}
	late := bounded.Err() != nil || errors.Is(err, context.DeadlineExceeded)
	return answer, diagnose(runDir, bound, late, err)
}

// diagnose finds out why a call failed with err. It trusts the kernel alone: who holds the pidfile, and what becomes of a
// connection to the socket. late says that the call ran out of time.
func diagnose(runDir string, waited time.Duration, late bool, err error) *absence {
	a := &absence{Pidfile: place.Pidfile(runDir), Socket: place.ControlSocket(runDir)}
	if err := control.CheckSocketPath(a.Socket); err != nil {
		a.State, a.Reason = stateUnknown, err.Error()
		return a
	}
	pid, pidErr := pidfile.Read(a.Pidfile)
	held, _ := pidfile.Held(a.Pidfile)
	a.PID = pid
	socketErr := dial(a.Socket)
	runs := fmt.Sprintf("process %d", pid)
	if pid == 0 {
		runs = "the process that listens"
	}
	switch {
	case errors.Is(socketErr, fs.ErrPermission):
		a.State, a.Reason = stateDenied, denied(a.Socket)
	case errors.Is(pidErr, fs.ErrPermission):
		a.State, a.Reason = stateDenied, denied(a.Pidfile)
	case late && socketErr == nil, errors.Is(socketErr, syscall.EAGAIN): // EAGAIN: its queue is full of those who wait
		a.State = stateHung
		a.Reason = fmt.Sprintf("%s takes connections on %s but does not answer within %s", runs, a.Socket, waited)
	case socketErr == nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)):
		a.State, a.Reason = stateStarting, fmt.Sprintf("%s listens on %s only since a moment: ask again", runs, a.Socket)
	case socketErr == nil:
		a.State, a.Reason = stateFailing, fmt.Sprintf("%s says on %s: %v", runs, a.Socket, err)
	case pid != 0:
		a.State, a.Reason = withoutSocket(a, socketErr)
	case !held && (pidErr == nil || errors.Is(pidErr, pidfile.ErrForeign)):
		a.State, a.Reason = stateNotRunning, stale(a.Pidfile, pidErr)+"; "+unheard(a.Socket, socketErr)
	default:
		a.State, a.Reason = stateUnknown, pidErr.Error()+"; "+unheard(a.Socket, socketErr)
	}
	return a
}

// dial connects to the socket and hangs up.
func dial(socket string) error {
	// The kernel answers at once: a Unix socket has no network to wait for.
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// withoutSocket tells a start from a proxyd that has lost its socket.
func withoutSocket(a *absence, socketErr error) (state, string) {
	held := time.Duration(0)
	if info, err := os.Stat(a.Pidfile); err == nil {
		held = time.Since(info.ModTime())
	}
	if held < startTakes {
		return stateStarting, fmt.Sprintf("process %d claimed %s %s ago; %s yet: ask again in a moment",
			a.PID, a.Pidfile, span(held), unheard(a.Socket, socketErr))
	}
	return stateUnreachable, fmt.Sprintf("process %d has held %s for %s; %s: it is about to end, or its socket was removed and it must be restarted",
		a.PID, a.Pidfile, span(held), unheard(a.Socket, socketErr))
}

// stale says how a pidfile shows that nobody runs. pidErr is that of pidfile.Read.
func stale(path string, pidErr error) string {
	if pidErr != nil {
		return pidErr.Error()
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no pidfile at " + path
	case err != nil:
		return err.Error()
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Sprintf("the pidfile %s is stale: nobody holds its lock, and it has no process number in it", path)
	}
	return fmt.Sprintf("the pidfile %s is stale: process %d does not live, and nobody holds its lock", path, pid)
}

// unheard says in a few words why nobody can be reached on the socket.
func unheard(socket string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no control socket " + socket
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens on the control socket " + socket
	}
	return fmt.Sprintf("no connection to the control socket: %v", err)
}

// denied says whose file it is that cannot be opened and who could. Where the file itself cannot be seen, its directory is what
// stands in the way.
func denied(path string) string {
	for _, at := range []string{path, strings.TrimSuffix(path[:strings.LastIndexByte(path, '/')+1], "/")} {
		info, err := os.Stat(at)
		if err != nil {
			continue
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		who := "as user " + userName(owner.Uid)
		if info.Mode().Perm()&0o070 != 0 {
			who += " or in group " + groupName(owner.Gid)
		}
		if os.Geteuid() == 0 { // a container can take from root what makes it more than a user like any other
			who += ": root is without the capability DAC_OVERRIDE here"
		} else {
			who = "as root, " + who
		}
		return fmt.Sprintf("%s belongs to user %s and group %s, mode %04o: run this %s",
			at, userName(owner.Uid), groupName(owner.Gid), info.Mode().Perm(), who)
	}
	return path + " and its directory cannot be seen: run this as root"
}

// userName returns the name of a user, or the number where it has none: "u" of a container seen from outside, for example.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
