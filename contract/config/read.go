package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"section.internal/contract/place"
)

// maxFile is how large the file may be. It bounds what a mistake, or somebody's malice, costs who reads it.
const maxFile = 1 << 20

// read returns the content of the file in a directory, or nil when there is no such directory or file. It never waits: not for
// the writer of a FIFO, and not for a device.
func read(dir string) ([]byte, *Problem) {
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
	defer root.Close()
	return readIn(root, place.ConfigFileName)
}

// readIn returns the content of a file below root, or nil when there is no such file. Symbolic links are followed as long as they
// stay below root, since that is how Kubernetes mounts a config map.
func readIn(root *os.Root, name string) ([]byte, *Problem) {
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
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, whole(name, "cannot read the file: "+reason(err))
	case len(content) > maxFile:
		return nil, whole(name, fmt.Sprintf("the file is larger than 1 MiB (%d bytes): want at most %d bytes", max(info.Size(), maxFile+1), maxFile))
	}
	return content, nil
}

// cannotOpen says why a file below root could not be opened; nil when nothing is there.
func cannotOpen(root *os.Root, name string, err error) *Problem {
	info, lstatErr := root.Lstat(name)
	switch {
	case errors.Is(lstatErr, fs.ErrNotExist):
		return nil
	case lstatErr == nil && info.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrPermission):
		target, _ := root.Readlink(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return whole(name, fmt.Sprintf("symbolic link to %s, which does not exist: put the file itself here", quote(target)))
		case errors.Is(err, syscall.ELOOP):
			return whole(name, fmt.Sprintf("symbolic link to %s, which leads in a circle: put the file itself here", quote(target)))
		case !errors.As(err, new(syscall.Errno)): // what os.Root refuses has no errno
			return whole(name, fmt.Sprintf("symbolic link to %s, which leads out of the directory: put the file itself here", quote(target)))
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
