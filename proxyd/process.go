package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
)

// unprivileged is the user that proxyd becomes once it has bound its port. A nil one stands for staying who one is.
//
// Its directories keep the group of root, writable: the platform runs the hooks as root, which in a container without the
// capability DAC_OVERRIDE has no more rights than the group it is in.
type unprivileged struct {
	uid, gid int
	kept     error // why proxyd must stay root: it could not hand over what the user would have to write
}

// findUser returns the user of that name, or nil when proxyd was not started as root or the system has no such user.
func findUser(name string) (*unprivileged, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look up the user %s: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("the user %s has no numeric ids: %w", name, err)
	}
	return &unprivileged{uid: uid, gid: gid}, nil
}

// makeDir creates dir, with all above it, for the user to write in.
func (u *unprivileged) makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot create the directory %s: %w", dir, err)
	}
	if u == nil {
		return nil
	}
	// First, because root without the capability FOWNER may not do it to the directory of another; at a restart it is done already.
	if err := os.Chmod(dir, 0o775|fs.ModeSetgid); err != nil && !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("cannot open the directory %s to the group of root: %w", dir, err)
	}
	return u.hand(dir)
}

// hand makes the user the owner of path, if it exists.
func (u *unprivileged) hand(path string) error {
	switch err := os.Chown(path, u.uid, 0); {
	case errors.Is(err, syscall.EPERM):
		u.kept = err
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot hand %s to uid %d: %w", path, u.uid, err)
	}
	return nil
}

// own hands files that exist to the user.
func (u *unprivileged) own(paths ...string) error {
	if u == nil {
		return nil
	}
	for _, path := range paths {
		if err := u.hand(path); err != nil {
			return err
		}
	}
	return nil
}

// become turns the whole process into the user, for good. On an error the process is who it was.
func (u *unprivileged) become() error {
	if u == nil {
		return nil
	}
	err := u.kept
	if err == nil {
		err = syscall.Setgroups([]int{u.gid})
	}
	if err == nil {
		err = syscall.Setgid(u.gid)
	}
	if err == nil {
		err = syscall.Setuid(u.uid)
	}
	if err != nil {
		return fmt.Errorf("cannot become uid %d: %w: that takes the capabilities CHOWN, SETGID and SETUID", u.uid, err)
	}
	return nil
}

// reapOrphans does what process 1 has to: take the exit codes of processes whose parents have gone. proxyd itself starts none.
func reapOrphans() (stop func() error) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range children {
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
					break
				}
			}
		}
	}()
	return func() error {
		signal.Stop(children)
		close(children)
		<-done
		return nil
	}
}

// countDescriptors returns how many file descriptors are open, or 0 when the kernel does not say.
func countDescriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open) - 1 // the directory itself
}

func countGoroutines() int { return runtime.NumGoroutine() }
