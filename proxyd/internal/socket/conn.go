// Package socket owns one TCP connection's reads, writes and waits: the seam between the engine and the kernel.
//
// A Conn is used by one goroutine for reading and one for writing, which may be the same. Limits of time are not deadlines
// set anew for each request: the user of a Conn notes until when a read or a write may take (an atomic store), and the Poller
// looks at all connections several times a second and wakes those that are late.
package socket

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrTimeout says that a read or a write took longer than its limit.
var ErrTimeout = errors.New("time limit exceeded")

// ErrInterrupted says that somebody called Interrupt.
var ErrInterrupted = errors.New("interrupted")

// ErrCut says that somebody called Cut.
var ErrCut = errors.New("cut off on this side")

// Conn is one TCP connection with a read buffer. The buffer is taken from a pool when bytes come and goes back when the last
// of them is consumed, so a connection that waits holds none.
type Conn struct {
	fd         int
	generation int32 // tells this connection from others that had the descriptor before
	remote     netip.AddrPort
	poller     *Poller

	buf  []byte    // nil, or the pooled buffer, or a smaller or larger one
	r, w int       // buf[r:w] is read and not consumed
	told time.Time // see Told; zero: the last read did not wait

	in, out         waiter
	hungUp          atomic.Bool // the kernel said that the peer has ended its side, or that the connection is broken: said once only
	broken          atomic.Bool // the latter
	watcher         atomic.Pointer[Conn]
	watchesEnd      atomic.Bool  // and not only whether the connection breaks
	onEnd           func()       // or nil; under the poller's mu
	readBy, writeBy atomic.Int64 // until when, on the poller's clock; 0: without limit
	interrupted     atomic.Bool
	wasCut          atomic.Bool

	closing sync.Mutex // keeps Cut off a descriptor that is closed, and perhaps somebody else's by now
	closed  bool

	shard *shard
	place int // among the shard's connections, under its lock
}

// Remote returns the peer's address.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// LimitRead gives all reads from now on together the time d; zero or less lifts the limit.
func (c *Conn) LimitRead(d time.Duration) { c.readBy.Store(c.poller.after(d)) }

// LimitWrite gives all writes from now on together the time d; zero or less lifts the limit.
func (c *Conn) LimitWrite(d time.Duration) { c.writeBy.Store(c.poller.after(d)) }

// Interrupt makes the read that waits, and each later one that would wait, fail with ErrInterrupted. A parked connection is
// resumed. It may be called from any goroutine.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.in.notify(time.Time{})
}

// Resume ends the effect of Interrupt. No read may be under way.
func (c *Conn) Resume() { c.interrupted.Store(false) }

// ParkAfter is how long a goroutine waits for a client before it parks the connection: a busy client does not pay for the parking,
// and a crowd of connections that come and fall silent does not need a stack for each.
const ParkAfter = 100 * time.Millisecond

// Park leaves c without a goroutine: resume is called once, in one of its own, when there is something to read, the read limit has
// passed, or Interrupt was called. It returns false, and resume is not called, when there may be something to read already. Nobody
// may read until then. What is buffered moves into a buffer of about its size.
func (c *Conn) Park(resume func()) bool {
	if c.readable() {
		return false
	}
	c.shrink()
	return c.in.park(resume)
}

// notify passes on what epoll has told at that time. The poller's mu is held.
func (c *Conn) notify(events uint32, told time.Time) {
	if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		if events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			c.broken.Store(true)
		}
		c.hungUp.Store(true)
		c.tellEnd()
	}
	if events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.in.notify(told)
	}
	if events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.out.notify(told)
	}
}

// Buffered returns the bytes that were read and not consumed. The slice is good until the next Fill or Consume.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Consume drops the first n buffered bytes.
func (c *Conn) Consume(n int) {
	if c.r += n; c.r == c.w {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// ErrFull says that the buffer holds as much as Fill was allowed to.
var ErrFull = errors.New("buffer full")

// Fill reads at least one more byte behind the buffered ones, which it lets grow up to max bytes. The error is ErrFull when max
// are there, io.EOF when the peer has ended its side, ErrTimeout, ErrInterrupted, ErrCut, or what the kernel says.
func (c *Conn) Fill(max int) error { return c.fill(max, math.MaxInt, true) }

// FillSome does what Fill does, and reads no more than some bytes: where most of what comes is to be moved inside the kernel, what
// is read before is copied for nothing.
func (c *Conn) FillSome(max, some int) error { return c.fill(max, some, true) }

// FillReady does what Fill does, but where that would have to wait, and might, the error is ErrNotReady.
func (c *Conn) FillReady(max int) error { return c.fill(max, math.MaxInt, false) }

// ErrNotReady says that nothing has come.
var ErrNotReady = errors.New("nothing to read")

func (c *Conn) fill(max, some int, wait bool) error {
	if c.buf != nil {
		if c.w-c.r >= max {
			return ErrFull
		}
		if c.w == len(c.buf) {
			c.makeRoom(max)
		}
	}
	for {
		if err := c.awaitReadable(wait); err != nil {
			return err
		}
		fresh := c.buf == nil
		if fresh {
			c.buf = takeBuffer()
		}
		space := c.buf[c.w:]
		space = space[:min(len(space), some)]
		n, err := receive(c.fd, space, 0)
		if fresh && n <= 0 {
			putBuffer(c.buf)
			c.buf = nil
		}
		switch {
		case n > 0:
			if n == len(space) {
				c.in.state.Store(ready) // there may be more
			}
			c.w += n
			return nil
		case err != syscall.EAGAIN:
			return c.readEnded(err)
		}
	}
}

// makeRoom moves the buffered bytes to the front, into a larger buffer where they fill the present one. One that parking has made
// small gives way to one of the usual size: what comes now may be much.
func (c *Conn) makeRoom(max int) {
	switch {
	case len(c.buf) < bufferSize:
		c.moveTo(takeBuffer())
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	default:
		c.moveTo(make([]byte, min(2*len(c.buf), max)))
	}
}

// smallest is the size of the smallest buffer that holds bytes while their connection is parked.
const smallest = 128

// shrink moves the buffered bytes into a buffer for them and as many more, if that is much smaller than the present one.
func (c *Conn) shrink() {
	if size := max(smallest, 2*(c.w-c.r)); size <= len(c.buf)/2 {
		c.moveTo(make([]byte, size))
	}
}

// moveTo moves the buffered bytes into another buffer.
func (c *Conn) moveTo(buf []byte) {
	n := copy(buf, c.buf[c.r:c.w])
	putBuffer(c.buf)
	c.buf, c.r, c.w = buf, 0, n
}

// awaitReadable waits until a read may find something. A wake-up that brought nothing leads here again: whether the wait has
// been ended by somebody is asked before each. Without wait the error is ErrNotReady where it would wait.
func (c *Conn) awaitReadable(wait bool) error {
	// The kernel tells of the end only once, maybe together with bytes that came before it: from then on each read is tried.
	for !c.readable() {
		switch {
		case c.interrupted.Load():
			return ErrInterrupted
		case c.poller.passed(&c.readBy):
			return ErrTimeout
		case !wait:
			return ErrNotReady
		}
		c.in.wait()
	}
	c.in.clear()
	c.told, c.in.told = c.in.told, time.Time{}
	return nil
}

// Told returns when the kernel told of what the last Fill has read, and the present time where Fill did not have to wait for it.
func (c *Conn) Told() time.Time {
	if c.told.IsZero() {
		return time.Now()
	}
	return c.told
}

// readable says whether there may be something to read.
func (c *Conn) readable() bool { return c.in.state.Load() == ready || c.hungUp.Load() }

// readEnded says how the stream has ended, err being the kernel's word, or nil.
func (c *Conn) readEnded(err error) error {
	c.hungUp.Store(true) // each later read is to find the same
	switch {
	case c.wasCut.Load():
		return ErrCut
	case err == nil:
		return io.EOF
	}
	return err
}

// Write writes all of p.
func (c *Conn) Write(p []byte) (written int, err error) { return c.write(p, 0) }

func (c *Conn) write(p []byte, flags int) (written int, err error) {
	for {
		n, err := transmit(c.fd, p[written:], flags)
		written += max(n, 0)
		switch {
		case written == len(p):
			return written, nil
		case n > 0:
		case err != syscall.EAGAIN:
			return written, c.writeEnded(err)
		default:
			if err := c.awaitWritable(); err != nil {
				return written, err
			}
		}
	}
}

// WriteBoth writes a and then b, with one call to the kernel where it takes them both.
func (c *Conn) WriteBoth(a, b []byte) (int, error) {
	switch {
	case len(a) == 0:
		return c.Write(b)
	case len(b) == 0:
		return c.Write(a)
	}
	n, err := transmitBoth(c.fd, a, b)
	switch {
	case n == len(a)+len(b):
		return n, nil
	case n < 0 && err != syscall.EAGAIN:
		return 0, c.writeEnded(err)
	}
	written := max(n, 0)
	for _, part := range [...][]byte{a[min(written, len(a)):], b[max(written-len(a), 0):]} {
		if len(part) == 0 {
			continue
		}
		n, err := c.Write(part)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// awaitWritable waits until a write that the kernel refused may go on. There may have been news before the refusal as well as after
// it: they are cleared, and the write is to be tried once more before it waits.
func (c *Conn) awaitWritable() error {
	switch {
	case c.out.state.Load() == ready:
		c.out.clear()
		return nil
	case c.wasCut.Load():
		return ErrCut
	case c.poller.passed(&c.writeBy):
		return ErrTimeout
	}
	c.out.wait()
	return nil
}

// WaitsToWrite says whether a write waits for the peer to take something. It may be called while one is under way.
func (c *Conn) WaitsToWrite() bool { return c.out.state.Load() == waiting }

func (c *Conn) writeEnded(err error) error {
	if c.wasCut.Load() {
		return ErrCut
	}
	return err
}

// Ended says, without waiting, whether the peer has ended the connection or sent something that nobody asked for: a pooled
// connection of which this holds is of no use. It costs a call to the kernel only when there are news since the last read.
// No read may be under way.
func (c *Conn) Ended() bool {
	if c.hungUp.Load() {
		return true
	}
	if c.in.state.Load() != ready {
		return false
	}
	c.in.clear()
	var one [1]byte
	_, err := receive(c.fd, one[:], syscall.MSG_PEEK)
	if err == syscall.EAGAIN {
		return false // nor will the next read have to find that out
	}
	c.in.state.Store(ready)
	return true
}

// KeepAlive lets the kernel look every now and then whether the peer is still there; for connections that may be silent for
// long, and so have no limit of time.
func (c *Conn) KeepAlive() {
	const idle, interval, probes = 30, 10, 6 // seconds, seconds
	syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, idle)
	syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, interval)
	syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, probes)
}

// CloseWrite ends this side; the peer reads the end of the stream.
func (c *Conn) CloseWrite() error { return syscall.Shutdown(c.fd, syscall.SHUT_WR) }

// Reset makes Close tell the peer, by a TCP reset, that the stream did not end as it should.
func (c *Conn) Reset() {
	syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: 0})
}

// Cut ends the connection while others may still read or write: they fail with ErrCut. The connection is still to be closed by
// its user. It may be called from any goroutine, and more than once.
func (c *Conn) Cut() {
	c.closing.Lock()
	if !c.closed {
		c.wasCut.Store(true)
		syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
	}
	c.closing.Unlock()
	c.hungUp.Store(true)
	c.in.notify(time.Time{})
	c.out.notify(time.Time{})
}

// Close ends the connection and gives its buffer back; no read or write may be under way. Closing twice does nothing.
func (c *Conn) Close() {
	c.closing.Lock()
	defer c.closing.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.Consume(c.w - c.r)
	c.poller.forget(c)
	syscall.Close(c.fd)
}
