package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"section.internal/contract/place"
	"section.internal/contract/printable"
)

// maxFile is how large the file may be. It bounds what a mistake, or somebody's malice, costs who reads it.
const maxFile = 1 << 20

// openDir opens a directory, or returns nil when there is no such directory. It never waits: not for the writer of a FIFO, and not
// for a device.
func openDir(dir string) (*os.Root, *Problem) {
	// Opening a FIFO in place of the directory would wait for a writer, so it is looked at first.
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dir); err == nil {
			return nil, whole(dir, "symbolic link that leads nowhere: want a directory, or nothing at all")
		}
		return nil, nil
	case err != nil:
		return nil, whole(dir, "cannot read the directory: "+reason(err))
	case !info.IsDir():
		return nil, whole(dir, fmt.Sprintf("%s: want a directory that holds %s", whatItIs(info.Mode()), place.ConfigFileName))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, whole(dir, "cannot read the directory: "+reason(err))
	}
	return root, nil
}

// readIn returns the content of a file below root, or nil when there is no such file; the file may have at most a number of bytes. It
// never waits. Symbolic links are followed as long as they stay below root, since that is how Kubernetes mounts a config map.
func readIn(root *os.Root, name string, most int64) ([]byte, *Problem) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, cannotOpen(root, name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, whole(name, "cannot read the file: "+reason(err))
	case !info.Mode().IsRegular():
		return nil, whole(name, whatItIs(info.Mode())+": want a regular file")
	}
	var buffer bytes.Buffer
	buffer.Grow(int(min(info.Size(), most)) + bytes.MinRead)
	n, err := buffer.ReadFrom(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, whole(name, "cannot read the file: "+reason(err))
	case n > most:
		return nil, whole(name, fmt.Sprintf("the file is larger than %d MiB (%d bytes): want at most %d bytes", most>>20, max(info.Size(), n), most))
	}
	return buffer.Bytes(), nil
}

// cannotOpen says why a file below root could not be opened; nil when nothing is there.
func cannotOpen(root *os.Root, name string, err error) *Problem {
	info, lstatErr := root.Lstat(name)
	switch {
	case errors.Is(lstatErr, fs.ErrNotExist):
		return nil
	case errors.Is(lstatErr, syscall.ENOTDIR):
		return nil
	case lstatErr != nil && !errors.As(lstatErr, new(syscall.Errno)): // what os.Root refuses has no errno
		return whole(name, "a directory on the way is a symbolic link that leads out of the directory: put the directory itself here")
	case lstatErr == nil && info.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrPermission):
		target, _ := root.Readlink(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return whole(name, fmt.Sprintf("symbolic link to %s, which does not exist: put the file itself here", printable.Quote(target)))
		case errors.Is(err, syscall.ELOOP):
			return whole(name, fmt.Sprintf("symbolic link to %s, which leads in a circle: put the file itself here", printable.Quote(target)))
		case !errors.As(err, new(syscall.Errno)): // what os.Root refuses has no errno
			return whole(name, fmt.Sprintf("symbolic link to %s, which leads out of the directory: put the file itself here", printable.Quote(target)))
		}
	case lstatErr == nil && !info.Mode().IsRegular(): // a socket, say, which cannot be opened at all
		return whole(name, whatItIs(info.Mode())+": want a regular file")
	}
	return whole(name, "cannot read the file: "+reason(err))
}

// whole returns a problem of a file, or of the directory, as a whole.
func whole(file, message string) *Problem {
	return &Problem{File: plain(file, 4096), Message: message}
}

// reason returns what the system said, without the path that the problem starts with, and what to do about it.
func reason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("%v for uid %d: make it readable", err, os.Geteuid())
	}
	return plain(err.Error(), 200)
}

func whatItIs(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsRegular():
		return "a regular file"
	default:
		return "not a regular file"
	}
}
