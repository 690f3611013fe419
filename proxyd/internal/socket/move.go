package socket

import (
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Move moves n bytes from src to dst inside the kernel (splice), or all until src ends when n is negative. Nothing may be
// buffered in src. readWait and writeWait limit each single wait. It returns how many bytes dst was given, and what went wrong
// on which side; io.ErrUnexpectedEOF when src ended before n. Where taken is not nil it is set once src has given n bytes, before
// dst gets the last of them: whoever answers what dst has got finds it set.
func Move(dst, src *Conn, n int64, readWait, writeWait time.Duration, taken *atomic.Bool) (moved int64, srcErr, dstErr error) {
	p, err := src.sweeper.pipes.take()
	if err != nil {
		return moveByCopy(dst, src, n, readWait, writeWait, taken)
	}
	left := n
	if n < 0 {
		left = math.MaxInt64
	}
	for left > 0 {
		src.LimitRead(readWait)
		if srcErr = p.fill(src, left); srcErr != nil {
			break
		}
		if p.held == 0 {
			if n >= 0 {
				srcErr = io.ErrUnexpectedEOF
			}
			break
		}
		before := p.held
		if taken != nil && int64(before) == left {
			taken.Store(true)
		}
		dstErr = p.drain(dst, writeWait)
		moved += int64(before - p.held)
		left -= int64(before - p.held)
		if dstErr != nil {
			break
		}
	}
	src.sweeper.pipes.put(p)
	return moved, srcErr, dstErr
}

// moveByCopy does what Move does through a buffer, for when the process has no descriptors left for a pipe.
func moveByCopy(dst, src *Conn, n int64, readWait, writeWait time.Duration, taken *atomic.Bool) (moved int64, srcErr, dstErr error) {
	for n < 0 || moved < n {
		src.LimitRead(readWait)
		err := src.Fill(bufferSize)
		if err == io.EOF && n < 0 {
			return moved, nil, nil
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return moved, err, nil
		}
		part := src.Buffered()
		if n >= 0 {
			part = part[:min(int64(len(part)), n-moved)]
		}
		if taken != nil && moved+int64(len(part)) == n {
			taken.Store(true)
		}
		dst.LimitWrite(writeWait)
		written, err := dst.Write(part)
		moved += int64(written)
		src.Consume(len(part))
		if err != nil {
			return moved, nil, err
		}
	}
	return moved, nil, nil
}

// pipeSize is how much one pipe can hold. Measured with 10 MiB bodies; see docs/performance.md.
const pipeSize = 256 << 10

// pipe is a kernel buffer that bytes are moved through, with the callbacks for the poller bound once.
type pipe struct {
	r, w     int
	held     int // bytes in the pipe
	want     int
	err      error
	fillFunc func(fd uintptr) bool
	pourFunc func(fd uintptr) bool
	dst      *Conn         // of the drain under way
	wait     time.Duration // that dst may take for each part
	used     time.Time
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, err
	}
	unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // refused beyond the user's quota: a smaller pipe works as well
	p := &pipe{r: fds[0], w: fds[1]}
	p.fillFunc, p.pourFunc = p.tryFill, p.tryPour
	return p, nil
}

func (p *pipe) close() {
	syscall.Close(p.r)
	syscall.Close(p.w)
}

// fill waits until src has bytes and takes up to want of them into the pipe; none when src has ended.
func (p *pipe) fill(src *Conn, want int64) error {
	p.want = int(min(want, pipeSize))
	for {
		err := src.raw.Read(p.fillFunc)
		if err == nil {
			return p.err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if src.interrupted.Load() {
			return ErrInterrupted
		}
		if src.sweeper.passed(src.readBy.Load()) {
			return ErrTimeout
		}
		src.tcp.SetReadDeadline(time.Time{})
		if src.interrupted.Load() {
			return ErrInterrupted
		}
	}
}

func (p *pipe) tryFill(fd uintptr) bool {
	n, err := splice(int(fd), p.w, p.want)
	if err == syscall.EAGAIN {
		return false
	}
	p.held, p.err = n, err
	return true
}

// drain pours all that the pipe holds into dst, which may take the time wait for each part: a peer that takes little at a time,
// but takes it, is not cut off.
func (p *pipe) drain(dst *Conn, wait time.Duration) error {
	p.dst, p.wait = dst, wait
	defer func() { p.dst = nil }()
	dst.LimitWrite(wait)
	for p.held > 0 {
		err := dst.raw.Write(p.pourFunc)
		if err == nil {
			err = p.err
		}
		if err = dst.writeError(err); err != nil && err != errWokenEarly {
			return err
		}
	}
	return nil
}

func (p *pipe) tryPour(fd uintptr) bool {
	for p.held > 0 {
		n, err := splice(p.r, int(fd), p.held)
		if err == syscall.EAGAIN {
			return false
		}
		if p.err = err; err != nil {
			return true
		}
		p.held -= n
		p.dst.LimitWrite(p.wait)
	}
	p.err = nil
	return true
}

func splice(from, to, n int) (int, error) {
	return retryEINTR(func() (int, error) {
		moved, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		return max(int(moved), 0), err
	})
}

// pipePool keeps pipes for the next Move. Those that nobody needed for a while are closed, so a quiet proxy holds none.
type pipePool struct {
	mu   sync.Mutex
	idle []*pipe // the one used last at the end
}

const pipeIdleTime = time.Second

func (pp *pipePool) take() (*pipe, error) {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	if n := len(pp.idle); n > 0 {
		p := pp.idle[n-1]
		pp.idle = pp.idle[:n-1]
		return p, nil
	}
	return newPipe()
}

// put takes p back. One that still holds bytes of a failed Move is closed.
func (pp *pipePool) put(p *pipe) {
	if p.held > 0 {
		p.close()
		return
	}
	p.used = time.Now()
	pp.mu.Lock()
	defer pp.mu.Unlock()
	pp.idle = append(pp.idle, p)
}

func (pp *pipePool) trim() {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	old := 0
	for old < len(pp.idle) && time.Since(pp.idle[old].used) > pipeIdleTime {
		pp.idle[old].close()
		old++
	}
	if old > 0 {
		pp.idle = append(pp.idle[:0], pp.idle[old:]...)
	}
}

func (pp *pipePool) close() {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	for _, p := range pp.idle {
		p.close()
	}
	pp.idle = nil
}
