package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lockDirectory opens the directory and locks it until it is closed, so that never two runs are at work in it. A second one
// fails at once: what it was to do is being done. The lock is on the directory itself: it needs no file and no permission to
// write, leaves nothing behind, and falls when its holder is killed.
func lockDirectory(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log directory: %w", withRemedy(err, path))
	}
	locked, err := lockExclusive(dir)
	if err == nil && !locked {
		err = errors.New("another logrotator is at work there: let it finish")
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("cannot lock the log directory %s: %w", path, err)
	}
	return dir, nil
}

// lockExclusive takes the exclusive flock of a file, and returns false when somebody else has any flock on it.
func lockExclusive(file *os.File) (bool, error) {
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return err == nil, err
		}
	}
}

// stampLayout makes the names of a log's rotated files sort by age.
const stampLayout = "20060102T150405.000000Z"

// kind is what a rotated file is.
type kind string

// The kinds, each of them the end of the name.
const (
	moved    kind = ""
	copied   kind = ".gz"
	halfCopy kind = ".gz.tmp"
)

// rotated names one file that rotation has made: LOG-STAMP and the kind.
type rotated struct {
	log   string
	stamp string
	kind  kind
	size  int64
}

func (f rotated) path(dir string) string {
	return filepath.Join(dir, f.log+"-"+f.stamp+string(f.kind))
}

// listRotated returns the files that rotation has made in the directory, the oldest first.
func listRotated(dir string) ([]rotated, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the log directory: %w", withRemedy(err, dir))
	}
	var files []rotated
	for _, entry := range entries {
		f, ok := parseName(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list the log directory: %w", withRemedy(err, dir))
		}
		if info.Mode().IsRegular() {
			f.size = info.Size()
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b rotated) int {
		return strings.Compare(a.stamp+a.log+string(a.kind), b.stamp+b.log+string(b.kind))
	})
	return files, nil
}

// parseName takes apart the name of a rotated file. It takes none that path would not have written.
func parseName(name string) (rotated, bool) {
	for _, log := range logs {
		rest, ok := strings.CutPrefix(name, log+"-")
		if !ok || len(rest) < len(stampLayout) {
			continue
		}
		f := rotated{log: log, stamp: rest[:len(stampLayout)], kind: kind(rest[len(stampLayout):])}
		when, err := time.Parse(stampLayout, f.stamp)
		if err != nil || when.Format(stampLayout) != f.stamp {
			continue
		}
		if f.kind == moved || f.kind == copied || f.kind == halfCopy {
			return f, true
		}
	}
	return rotated{}, false
}

// nextStamp returns the stamp under which a log is moved now. It is later than that of every file there is of this log, even
// when the clock has been set back: by the stamps it is decided what is the oldest.
func nextStamp(log string, files []rotated, now time.Time) string {
	now = now.UTC()
	for _, f := range files {
		if f.log != log {
			continue
		}
		newest, err := time.Parse(stampLayout, f.stamp)
		if err != nil {
			panic("BUG: a listed file has no stamp: " + err.Error())
		}
		if first := newest.Add(time.Microsecond); now.Before(first) {
			now = first
		}
	}
	return now.Format(stampLayout)
}

// remove removes a file that rotation has made, if it is still there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove a file of an earlier rotation: %w", withRemedy(err, filepath.Dir(path)))
	}
	return nil
}

// withRemedy adds to an error about a file in the directory what can be done about it.
func withRemedy(err error, dir string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		owner := "the user that owns it"
		if info, statErr := os.Stat(dir); statErr == nil {
			owner = fmt.Sprintf("its owner, uid %d", info.Sys().(*syscall.Stat_t).Uid)
		}
		return fmt.Errorf("%w: this runs as uid %d without rights in %s: run it as %s, or with the capability DAC_OVERRIDE",
			err, os.Geteuid(), dir, owner)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: make room in %s, or lower --keep or --max-size", err, dir)
	}
	return err
}
