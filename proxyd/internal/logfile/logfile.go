// Package logfile owns the files that proxyd logs to: how they are opened, written, re-opened and let go of, so that whoever
// rotates them loses no line; and the handler of diagnostics, which writes to one of them.
//
// The promise towards a rotator is a lock. An open File holds a shared flock on its file until it lets go of it, however the
// process ends. So a rotator renames the file, sends the signal, and takes an exclusive flock on what it renamed: once it has
// that lock nobody writes there any more and nobody will, since a File that finds itself on a renamed file opens again.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// errLocked says that somebody holds an exclusive lock on the file.
var errLocked = errors.New("another process holds an exclusive lock on it: end that process, or log to another directory")

// File is a log file open for appending. All methods may be called from any goroutine.
type File struct {
	path string

	mu   sync.Mutex
	file *os.File // nil once closed
	torn bool     // the file's last line has no end: the next line has to begin with one
}

// Open opens the file, creating it with mode 0644 when there is none, and locks it. A last line without its end, left by a
// crash, is ended, so that the next line stands alone.
func Open(path string) (*File, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, file: file, torn: torn(file)}
	f.endTornLine() // on a full disk it fails here and is tried again by Write
	return f, nil
}

// Path returns the path that was given to Open.
func (f *File) Path() string { return f.path }

// Write appends p, which holds whole lines, in one system call where the system takes it as one. When it fails half way, the
// part of a line is taken back from the file and n counts whole lines only: the caller writes p[n:] later, there or in the file
// that Reopen brings. Only where a part cannot be taken back, as in a pipe, n may end within a line.
func (f *File) Write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	if err := f.endTornLine(); err != nil {
		return 0, err
	}
	n, err = f.file.Write(p)
	if err != nil {
		n = f.takeBack(p, n)
	}
	return n, err
}

// Reopen opens the path again, from where a rotator has renamed the file, and lets go of the old file. When that fails the old
// one stays in use.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return fmt.Errorf("cannot re-open %s: %w", f.path, os.ErrClosed)
	}
	file, err := open(f.path)
	if err != nil {
		return fmt.Errorf("cannot re-open %s, the old file stays in use: %w", f.path, err)
	}
	old := f.file
	f.file, f.torn = file, torn(file)
	f.endTornLine()
	if err := old.Close(); err != nil {
		return fmt.Errorf("cannot close the old file of %s, the new one is in use: %w", f.path, err)
	}
	return nil
}

// Close closes the file and thereby gives up its lock. Closing twice does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// open opens and locks the file that the path names. A rotator may rename it between the two: then it is opened again.
func open(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644) // read too: for the end of the last line
		if err != nil {
			return nil, fmt.Errorf("cannot open the log file: %w", err)
		}
		err = lockShared(file)
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("cannot lock the log file %s: %w", path, err)
		}
		if !names(path, file) {
			file.Close()
			continue
		}
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("cannot lock the log file %s: %w", path, errLocked)
		}
		return file, nil
	}
}

func lockShared(file *os.File) error {
	for {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// names says whether path is still a name of the file.
func names(path string, file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// torn says whether the file's last line has no end.
func torn(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// endTornLine ends the last line when it is torn. f.mu is held, or f is not shared yet.
func (f *File) endTornLine() error {
	if !f.torn {
		return nil
	}
	if _, err := f.file.Write([]byte{'\n'}); err != nil {
		return err
	}
	f.torn = false
	return nil
}

// takeBack cuts off the part of a line with which the n written bytes of p end, and returns how many are left. It does so only
// while those bytes are the file's last: a second process may write to the same file. f.mu is held.
func (f *File) takeBack(p []byte, n int) int {
	whole := bytes.LastIndexByte(p[:n], '\n') + 1
	if whole == n {
		return n
	}
	end, err := f.file.Seek(0, io.SeekCurrent) // appending leaves the offset behind what was written
	if err != nil {
		return n
	}
	info, err := f.file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != end {
		return n
	}
	if err := f.file.Truncate(end - int64(n-whole)); err != nil {
		return n
	}
	return whole
}
