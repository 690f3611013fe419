package socket

import (
	"io"
	"math"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Move writes first to dst and then moves n bytes there from src inside the kernel (splice), or all until src ends when n is
// negative; n is not 0. Nothing may be buffered in src. readWait and writeWait limit each single wait. It returns how many bytes
// dst was given, first included, and what went wrong on which side; io.ErrUnexpectedEOF when src ended before n. Where taken is
// not nil it is called once src has given n bytes, before dst gets the last of them; from then on src is not touched, and may be
// somebody else's.
func Move(dst, src *Conn, first []byte, n int64, readWait, writeWait time.Duration, taken func()) (given int64, srcErr, dstErr error) {
	pipes := &src.poller.pipes
	p, err := pipes.take()
	if err != nil {
		return moveByCopy(dst, src, first, n, readWait, writeWait, taken)
	}
	defer pipes.put(p)
	left := n
	if n < 0 {
		left = math.MaxInt64
	}
	for left > 0 {
		src.LimitRead(readWait)
		srcErr = ErrNotReady
		if len(first) == 0 || left <= togetherUpTo {
			srcErr = p.fill(src, left, len(first) == 0)
		}
		if taken != nil && int64(p.held) == left {
			taken()
		}
		if len(first) > 0 {
			// What is there already goes out together with first. What is not keeps nobody from getting first.
			written, err := dst.writeBefore(first, p.held > 0, writeWait)
			given += int64(written)
			if err != nil {
				return given, nil, err
			}
			if first = nil; srcErr == ErrNotReady {
				continue
			}
		}
		if srcErr != nil {
			return given, srcErr, nil
		}
		if p.held == 0 {
			if n >= 0 {
				srcErr = io.ErrUnexpectedEOF
			}
			return given, srcErr, nil
		}
		before := p.held
		dstErr = p.drain(dst, writeWait)
		given += int64(before - p.held)
		left -= int64(before - p.held)
		if dstErr != nil {
			return given, nil, dstErr
		}
	}
	return given, nil, nil
}

// togetherUpTo is how long a body may be whose beginning is sent with what comes before it. Longer ones gain nothing by that, and
// their first bytes are on their way sooner. Measured with 100 KiB to 1 MiB; see docs/performance.md.
const togetherUpTo = 512 << 10

// writeBefore writes p. Where more is true, more follows at once, and what does not fill a packet may wait for that. Whatever
// comes to an end there, the kernel holds nothing back for longer than 0.2 s.
func (c *Conn) writeBefore(p []byte, more bool, wait time.Duration) (int, error) {
	flags := 0
	if more {
		flags = syscall.MSG_MORE
	}
	c.LimitWrite(wait)
	return c.write(p, flags)
}

// moveByCopy does what Move does through a buffer, for when the process has no descriptors left for a pipe.
func moveByCopy(dst, src *Conn, first []byte, n int64, readWait, writeWait time.Duration, taken func()) (given int64, srcErr, dstErr error) {
	dst.LimitWrite(writeWait)
	written, err := dst.Write(first)
	if given = int64(written); err != nil {
		return given, nil, err
	}
	own := takeBuffer()
	defer putBuffer(own)
	for left := n; left != 0; {
		src.LimitRead(readWait)
		err := src.Fill(bufferSize)
		if err == io.EOF && n < 0 {
			return given, nil, nil
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return given, err, nil
		}
		part := own[:copy(own, src.Buffered())]
		if n >= 0 {
			part = part[:min(int64(len(part)), left)]
			left -= int64(len(part))
		}
		src.Consume(len(part))
		if taken != nil && left == 0 {
			taken()
		}
		dst.LimitWrite(writeWait)
		written, err := dst.Write(part)
		given += int64(written)
		if err != nil {
			return given, nil, err
		}
	}
	return given, nil, nil
}

// pipeSize is how much one pipe can hold. Measured with 10 MiB bodies; see docs/performance.md.
const pipeSize = 256 << 10

// pipe is a kernel buffer that bytes are moved through.
type pipe struct {
	r, w int
	held int // bytes in the pipe
	used time.Time
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, err
	}
	unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // refused beyond the user's quota: a smaller pipe works as well
	return &pipe{r: fds[0], w: fds[1]}, nil
}

func (p *pipe) close() {
	syscall.Close(p.r)
	syscall.Close(p.w)
}

// fill takes up to want bytes from src into the pipe; none when src has ended. Where nothing has come it waits, or fails with
// ErrNotReady.
func (p *pipe) fill(src *Conn, want int64, wait bool) error {
	for {
		if err := src.awaitReadable(wait); err != nil {
			return err
		}
		n, err := splice(src.fd, p.w, int(min(want, pipeSize)))
		switch {
		case n > 0:
			src.in.state.Store(ready) // a pipe takes what fits into its slots: there may be more
			p.held = n
			return nil
		case err == nil && !src.wasCut.Load():
			return nil
		case err != syscall.EAGAIN:
			return src.readEnded(err)
		}
	}
}

// drain pours all that the pipe holds into dst, which may take the time wait for each part: a peer that takes little at a time,
// but takes it, is not cut off.
func (p *pipe) drain(dst *Conn, wait time.Duration) error {
	dst.LimitWrite(wait)
	for p.held > 0 {
		n, err := splice(p.r, dst.fd, p.held)
		switch {
		case n > 0:
			p.held -= n
			dst.LimitWrite(wait)
		case err != syscall.EAGAIN:
			return dst.writeEnded(err)
		default:
			if err := dst.awaitWritable(); err != nil {
				return err
			}
		}
	}
	return nil
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
