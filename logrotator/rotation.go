package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"section.internal/contract/place"
)

// logs are the files that proxyd writes. Nothing else in the directory is touched, but what rotation made of these.
var logs = []string{place.AccessLogName, place.ErrorLogName}

// rotation is one run. It relies on two promises of proxyd's: while it has a log file open it holds a shared flock on it, and
// at USR1 it opens the new file before it lets go of the old one. So a moved file of which the exclusive flock can be had is
// complete.
//
// A run can be killed between any two system calls. What it leaves is told by the names alone, and the next run goes on from
// there: NAME-STAMP is moved and has all its lines; NAME-STAMP.gz is its copy, not needed before NAME-STAMP is gone;
// NAME-STAMP.gz.tmp is a copy in the making, worth nothing.
type rotation struct {
	logDir  string
	pidfile string
	timeout time.Duration // for proxyd to let go of what was moved
	keep    int           // rotated files of each log
	maxSize int64         // bytes of all rotated files
	step    func()        // called between the steps by a test that kills the run there; nil otherwise
}

// run rotates all logs. What goes wrong with one file keeps the others from nothing.
func (r rotation) run(ctx context.Context) error {
	dir, err := lockDirectory(r.logDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no proxyd has ever logged here
	}
	if err != nil {
		return err
	}
	defer dir.Close()

	// What would keep proxyd from being told is found out while nothing has been moved.
	proxyd := process{pidfile: r.pidfile}
	if err := proxyd.signal(0); err != nil {
		return err
	}
	before, err := listRotated(r.logDir)
	if err != nil {
		return err
	}
	var failures []error
	failures = append(failures, r.removeHalfCopies(before))
	failures = append(failures, r.moveLogs(before))
	// In any case: re-opening costs nothing, an earlier run may have been killed before it got here, and a log file that
	// somebody has removed comes back.
	failures = append(failures, proxyd.signal(syscall.SIGUSR1))
	r.at()
	failures = append(failures, r.compressMoved(ctx, &proxyd))
	if ctx.Err() == nil {
		failures = append(failures, r.prune())
	}
	return errors.Join(failures...)
}

// at marks the place between two steps.
func (r rotation) at() {
	if r.step != nil {
		r.step()
	}
}

// removeHalfCopies removes the copies that a killed run was making.
func (r rotation) removeHalfCopies(files []rotated) error {
	var failures []error
	for _, f := range files {
		if f.kind == halfCopy {
			failures = append(failures, remove(f.path(r.logDir)))
			r.at()
		}
	}
	return errors.Join(failures...)
}

// moveLogs renames each log that has lines.
func (r rotation) moveLogs(before []rotated) error {
	var failures []error
	for _, name := range logs {
		path := filepath.Join(r.logDir, name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() == 0) {
			continue // a link or a pipe that somebody has put there rotates nothing
		}
		if err == nil {
			next := rotated{log: name, stamp: nextStamp(name, before, time.Now())}
			err = os.Rename(path, next.path(r.logDir))
			r.at()
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("cannot rotate %s: %w", path, withRemedy(err, r.logDir)))
		}
	}
	return errors.Join(failures...)
}

// compressMoved compresses each moved file, those of earlier runs too, once nobody writes to it any more.
func (r rotation) compressMoved(ctx context.Context, proxyd *process) error {
	files, err := listRotated(r.logDir)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(r.timeout)
	var failures []error
	for _, f := range files {
		if f.kind != moved {
			continue
		}
		if err := r.compressOne(ctx, f, proxyd, deadline); err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// compressOne waits for a moved file to be complete and replaces it by its compressed copy.
func (r rotation) compressOne(ctx context.Context, f rotated, proxyd *process, deadline time.Time) error {
	path := f.path(r.logDir)
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("cannot compress %s: %w", path, withRemedy(err, r.logDir))
	}
	defer file.Close() // and with it the lock
	waited, err := proxyd.waitUntilUnused(ctx, file, deadline)
	if err != nil {
		return fmt.Errorf("%w; %s stays as it is, and the next run compresses it", err, path)
	}
	var missing error
	if waited {
		missing = proxyd.waitForNew(ctx, filepath.Join(r.logDir, f.log), deadline)
	}
	if err := r.compress(ctx, file, path); err != nil {
		return fmt.Errorf("cannot compress %s: %w; it stays as it is, and the next run compresses it", path, withRemedy(err, r.logDir))
	}
	return missing
}
