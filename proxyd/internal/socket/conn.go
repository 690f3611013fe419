// Package socket owns one TCP connection's reads, writes and waits: the seam between the engine and the kernel.
//
// A Conn is used by one goroutine for reading and one for writing, which may be the same. Limits of time are not deadlines
// set anew for each request: the user of a Conn notes until when a read or a write may take (an atomic store), and one Sweeper
// looks at all connections several times a second and wakes those that are late.
package socket

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrTimeout says that a read or a write took longer than its limit.
var ErrTimeout = errors.New("time limit exceeded")

// ErrInterrupted says that somebody called Interrupt.
var ErrInterrupted = errors.New("interrupted")

// longAgo is a deadline that wakes whoever waits.
var longAgo = time.Unix(1, 0)

// Conn is one TCP connection with a read buffer. The buffer is taken from a pool when bytes come and goes back when the last
// of them is consumed, so a connection that waits holds none.
type Conn struct {
	tcp    *net.TCPConn
	raw    syscall.RawConn
	remote netip.AddrPort

	buf  []byte // nil, or the pooled or grown buffer
	r, w int    // buf[r:w] is read and not consumed

	// What tryRead, which runs inside raw.Read, leaves for Fill.
	tryReadFunc func(fd uintptr) bool // bound once: a method value would be allocated for each read
	readN       int
	readErr     error

	peekFunc func(fd uintptr) // bound once as well
	peeked   [1]byte
	silent   bool // what peek leaves for Ended

	vec     [2][]byte // the buffers of WriteBoth, kept here so that it allocates nothing
	buffers net.Buffers

	readBy, writeBy atomic.Int64 // until when, on the sweeper's clock; 0: without limit
	interrupted     atomic.Bool
	parker          atomic.Pointer[Parker] // that it is parked at

	sweeper    *Sweeper
	shard      *shard
	prev, next *Conn // in the shard's list, under its lock
}

// New takes over tcp. The sweeper watches the connection until it is closed.
func New(tcp *net.TCPConn, sweeper *Sweeper) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{tcp: tcp, raw: raw, sweeper: sweeper}
	if addr, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = addr.AddrPort()
	}
	c.tryReadFunc, c.peekFunc = c.tryRead, c.peek
	sweeper.add(c)
	return c, nil
}

// Remote returns the peer's address.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// LimitRead gives all reads from now on together the time d; zero or less lifts the limit.
func (c *Conn) LimitRead(d time.Duration) { c.readBy.Store(c.sweeper.after(d)) }

// LimitWrite gives all writes from now on together the time d; zero or less lifts the limit.
func (c *Conn) LimitWrite(d time.Duration) { c.writeBy.Store(c.sweeper.after(d)) }

// Interrupt makes the read that waits, and each later one that would wait, fail with ErrInterrupted. It may be called from any
// goroutine.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.tcp.SetReadDeadline(longAgo)
}

// Resume ends the effect of Interrupt. No read may be under way.
func (c *Conn) Resume() {
	if c.interrupted.Swap(false) {
		c.tcp.SetReadDeadline(time.Time{})
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
// are there, io.EOF when the peer has ended its side, ErrTimeout, ErrInterrupted, or what the kernel says.
func (c *Conn) Fill(max int) error {
	if c.buf != nil {
		if c.w-c.r >= max {
			return ErrFull
		}
		if c.w == len(c.buf) {
			c.makeRoom(max)
		}
	}
	for {
		err := c.raw.Read(c.tryReadFunc)
		if err == nil {
			err = c.readErr
		}
		switch {
		case err == nil && c.readN == 0:
			return io.EOF
		case err == nil:
			c.w += c.readN
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case c.interrupted.Load():
			return ErrInterrupted
		case c.sweeper.passed(c.readBy.Load()):
			return ErrTimeout
		}
		// The sweeper woke a read whose limit was moved in the meantime.
		c.tcp.SetReadDeadline(time.Time{})
		if c.interrupted.Load() {
			return ErrInterrupted
		}
	}
}

// makeRoom moves the buffered bytes to the front, into a larger buffer where they fill the present one.
func (c *Conn) makeRoom(max int) {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
		return
	}
	larger := make([]byte, min(2*len(c.buf), max))
	c.w = copy(larger, c.buf[:c.w])
	putBuffer(c.buf)
	c.buf = larger
}

// tryRead reads once without waiting; false means that there was nothing. A buffer is only taken for as long as it holds bytes.
func (c *Conn) tryRead(fd uintptr) bool {
	fresh := c.buf == nil
	if fresh {
		c.buf = takeBuffer()
	}
	c.readN, c.readErr = retryEINTR(func() (int, error) { return syscall.Read(int(fd), c.buf[c.w:]) })
	if fresh && c.readN <= 0 {
		putBuffer(c.buf)
		c.buf = nil
	}
	if c.readErr == syscall.EAGAIN {
		return false
	}
	c.readN = max(c.readN, 0)
	return true
}

// Write writes all of p.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n, err := c.tcp.Write(p[written:])
		written += n
		if err = c.writeError(err); err != errWokenEarly {
			return written, err
		}
	}
}

// WriteBoth writes a and then b with one call to the kernel.
func (c *Conn) WriteBoth(a, b []byte) (int, error) {
	if len(b) == 0 {
		return c.Write(a)
	}
	c.vec = [2][]byte{a, b}
	c.buffers = c.vec[:]
	written := 0
	for {
		n, err := c.buffers.WriteTo(c.tcp) // advances c.buffers
		written += int(n)
		if err = c.writeError(err); err != errWokenEarly {
			c.vec, c.buffers = [2][]byte{}, nil
			return written, err
		}
	}
}

var errWokenEarly = errors.New("woken before the limit")

// writeError tells a write that took too long from one that the sweeper woke while its limit was being moved.
func (c *Conn) writeError(err error) error {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if c.sweeper.passed(c.writeBy.Load()) {
		return ErrTimeout
	}
	c.tcp.SetWriteDeadline(time.Time{})
	return errWokenEarly
}

// Ended says, without waiting, whether the peer has ended the connection or sent something that nobody asked for: a pooled
// connection of which this holds is of no use.
func (c *Conn) Ended() bool {
	err := c.raw.Control(c.peekFunc)
	return err != nil || !c.silent
}

func (c *Conn) peek(fd uintptr) {
	_, err := retryEINTR(func() (int, error) {
		n, _, err := syscall.Recvfrom(int(fd), c.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n, err
	})
	c.silent = err == syscall.EAGAIN
}

// KeepAlive lets the kernel look every now and then whether the peer is still there; for connections that may be silent for
// long, and so have no limit of time.
func (c *Conn) KeepAlive() {
	c.tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6})
}

// CloseWrite ends this side; the peer reads the end of the stream.
func (c *Conn) CloseWrite() error { return c.tcp.CloseWrite() }

// Close ends the connection and gives its buffer back; no read or write may be under way.
func (c *Conn) Close() error {
	c.Consume(c.w - c.r)
	return c.Cut()
}

// Cut ends the connection while others may still read or write: they fail. The buffer stays with the reader; Close is still
// to be called.
func (c *Conn) Cut() error {
	c.sweeper.remove(c)
	return c.tcp.Close()
}

// Reset makes Close tell the peer, by a TCP reset, that the stream did not end as it should.
func (c *Conn) Reset() { c.tcp.SetLinger(0) }

func retryEINTR(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}
