package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// output is stdout. A reader that goes away, such as head, has seen enough: that is no failure of sectionctl.
type output struct {
	w   io.Writer
	err error // of the first failed write; nothing is written after it
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = fmt.Errorf("cannot write to stdout: %w", err)
	}
	return n, o.err
}

// verdict returns the error of a verb that ended with err.
func (o *output) verdict(err error) error {
	if o.err == nil || !errors.Is(err, o.err) {
		return err
	}
	if errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return o.err
}

// atOnce is how much a pipe that can be written to takes for sure without making its writer wait (PIPE_BUF, pipe(7)).
const atOnce = 4096

// writeWaiting writes p like Write, but while the reader is slow it stays awake: it calls idle every pollEvery and gives up when
// ctx ends. A write that the kernel blocks could do neither.
func (o *output) writeWaiting(ctx context.Context, p []byte, idle func() error) error {
	for len(p) > 0 {
		for !o.ready(unix.POLLOUT) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := idle(); err != nil {
				return err
			}
		}
		n, err := o.Write(p[:min(len(p), atOnce)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// gone says whether the reader of a pipe has closed it. A follower that has nothing to write would not notice otherwise.
func (o *output) gone() bool {
	return o.events(0, 0)&(unix.POLLERR|unix.POLLNVAL) != 0
}

// ready waits up to pollEvery until one of the events, or an error that the next write will show, is there.
func (o *output) ready(events int16) bool {
	return o.events(events, int(pollEvery.Milliseconds())) != 0
}

// events asks the kernel what stdout is ready for. Whatever is no file is always ready and never gone.
func (o *output) events(wanted int16, milliseconds int) int16 {
	file, ok := o.w.(*os.File)
	if !ok {
		return wanted
	}
	fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: wanted}}
	if n, err := unix.Poll(fds, milliseconds); err != nil || n == 0 {
		return 0 // a signal may have cut it short: the caller asks again
	}
	return fds[0].Revents
}
