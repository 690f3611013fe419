// Package pidfile owns RUN_DIR/proxyd.pid: who runs proxyd on a run directory, told so that it can be trusted.
//
// The process that claims the file holds a POSIX write lock on it until it ends, however it ends. The kernel names the holder
// of such a lock, so a reader never has to believe the number in the file: a file that nobody locks is stale, and a number
// that is not the holder's is foreign. (A POSIX lock falls when its process closes any descriptor of the file: a process that
// has claimed a pidfile must not Read it.)
package pidfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ErrHeld says that another process has claimed the file.
var ErrHeld = errors.New("another proxyd runs")

// ErrForeign says that the file names a living process that has not claimed it. It must not be signalled.
var ErrForeign = errors.New("foreign pid")

// File is a claimed pidfile.
type File struct {
	file *os.File
	path string
}

// Claim creates the file, or takes over a stale one, and writes the caller's pid into it. The error wraps ErrHeld when
// another process has the file; that process and its file are left as they are.
func Claim(path string) (*File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("cannot claim the pidfile: %w", err)
		}
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
		switch err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock); {
		case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES):
			_, pid, _ := lockHolder(f)
			f.Close()
			return nil, fmt.Errorf("%w: pid %d holds %s", ErrHeld, pid, path)
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("cannot lock the pidfile %s: %w", path, err)
		}
		// A holder that stopped between our open and our lock has removed the file that we have now locked.
		if !sameFile(f, path) {
			f.Close()
			continue
		}
		if err := writePID(f); err != nil {
			os.Remove(path)
			f.Close()
			return nil, fmt.Errorf("cannot write the pidfile %s: %w", path, err)
		}
		return &File{file: f, path: path}, nil
	}
}

// Release removes the file, unless somebody has put another in its place, and gives up the claim.
func (f *File) Release() error {
	var err error
	if sameFile(f.file, f.path) {
		err = os.Remove(f.path)
	}
	return errors.Join(err, f.file.Close())
}

// Read returns the pid of the proxyd that has claimed the file, or 0 when none runs: no file, or a stale one. The error
// wraps ErrForeign when the file names a living process that has not claimed it.
func Read(path string) (pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot read the pidfile: %w", err)
	}
	defer f.Close()
	held, holder, err := lockHolder(f)
	if err != nil {
		return 0, err
	}
	pid, err = readPID(f)
	switch {
	case !held && (err != nil || !alive(pid)):
		return 0, nil
	case !held && changed(f, path):
		return Read(path)
	case !held:
		return 0, fmt.Errorf("%w: %s names the living process %d, which is not proxyd: remove the file", ErrForeign, path, pid)
	case holder <= 0:
		return 0, fmt.Errorf("%s is held by a process outside of this container: run this where proxyd runs", path)
	case err == nil && pid != holder && alive(pid): // a dead one is what was there before: the holder is about to write its own
		return 0, fmt.Errorf("%w: %s names process %d, but proxyd is process %d: write that into it", ErrForeign, path, pid, holder)
	}
	return holder, nil
}

// Held says whether a process has claimed the file, whatever number stands in it. Unlike Read it never takes a stale file
// whose number now belongs to somebody else for a mistake: for callers that send no signal.
func Held(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read the pidfile: %w", err)
	}
	defer f.Close()
	held, _, err := lockHolder(f)
	return held, err
}

// Signal sends sig to the proxyd that has claimed the file and returns its pid, or 0 when none runs and nothing was sent.
// Errors are those of Read, or say why the signal could not be sent.
func Signal(path string, sig syscall.Signal) (pid int, err error) {
	pid, err = Read(path)
	if err != nil || pid == 0 {
		return 0, err
	}
	switch err := syscall.Kill(pid, sig); {
	case errors.Is(err, syscall.ESRCH):
		return 0, nil // it ended since
	case err != nil:
		return 0, fmt.Errorf("cannot signal proxyd, process %d: %w", pid, err)
	}
	return pid, nil
}

// lockHolder asks the kernel who holds the lock of the file. The pid is 0 when the holder lives in another pid namespace.
func lockHolder(f *os.File) (held bool, pid int, err error) {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		return false, 0, fmt.Errorf("cannot ask for the lock of the pidfile %s: %w", f.Name(), err)
	}
	return lock.Type != syscall.F_UNLCK, int(lock.Pid), nil
}

// alive says whether there is a process pid. One that may not be signalled is alive as well. One that is about to end is not, nor is a
// zombie: its locks go before it does.
func alive(pid int) bool {
	if pid <= 0 || !exists(pid) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return exists(pid) // a zombie may be gone by now; one that /proc hides (hidepid) is not
	}
	const flags, exiting = 6, 0x4                                             // proc_pid_stat(5), of the fields from state on; PF_EXITING of the kernel's include/linux/sched.h
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // behind the name, which may hold anything
	if len(fields) <= flags {
		return true
	}
	of, err := strconv.ParseUint(fields[flags], 10, 64)
	return err != nil || of&exiting == 0
}

// exists says whether the kernel knows a process pid, a zombie too.
func exists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// changed says whether a proxyd that starts has claimed the file since its lock was asked for, or one that ends has released it.
func changed(f *os.File, path string) bool {
	held, _, err := lockHolder(f)
	return err == nil && held || !sameFile(f, path)
}

func readPID(f *os.File) (int, error) {
	buf := make([]byte, 32)
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(buf[:n])))
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func sameFile(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
