// Package epoll is a thin layer over the kernel's event interface for origin and load generator. They share one core and must
// leave the proxy to be the bottleneck, so they are one thread over raw sockets that does little more than the system calls.
package epoll

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errors of a socket that is not to be used for now, or any more.
var (
	ErrAgain  = errors.New("nothing to read, or no room to write")
	ErrClosed = errors.New("closed by the other side")
)

// What to wait for.
const (
	In  = unix.EPOLLIN | unix.EPOLLRDHUP
	Out = unix.EPOLLOUT
)

// Event says that something has happened on a socket; Fd is the tag that Add was given.
type Event = unix.EpollEvent

// Poller waits for many sockets at once, level-triggered. It is used by one goroutine.
type Poller struct {
	fd     int
	events [256]Event
}

// New returns a Poller that lives as long as the process.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make an epoll instance: %w", err)
	}
	return &Poller{fd: fd}, nil
}

// Add begins to wait for a socket. A closed socket leaves by itself.
func (p *Poller) Add(fd, tag int, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, tag, events)
}

// Modify changes what is waited for.
func (p *Poller) Modify(fd, tag int, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, tag, events)
}

func (p *Poller) control(op, fd, tag int, events uint32) error {
	e := Event{Events: events, Fd: int32(tag)}
	if err := unix.EpollCtl(p.fd, op, fd, &e); err != nil {
		return fmt.Errorf("cannot wait for a socket: %w", err)
	}
	return nil
}

// Wait returns what has happened, or nothing after the timeout; a negative timeout waits without end, 0 does not wait. The
// events are valid until the next call.
func (p *Poller) Wait(timeout time.Duration) ([]Event, error) {
	milliseconds := -1
	if timeout >= 0 {
		milliseconds = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	call := unix.Syscall6
	if milliseconds == 0 {
		call = unix.RawSyscall6 // it cannot block, so the scheduler need not be told
	}
	n, _, errno := call(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(milliseconds), 0, 0)
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("cannot wait for sockets: %w", errno)
}

// None of the calls on sockets blocks either.

// Recv reads what is there, without waiting.
func Recv(fd int, into []byte) (int, error) { return recv(fd, into, 0) }

// Discard takes at most len(unused) bytes from a TCP socket, without waiting and without copying them: unused is left as it is.
func Discard(fd int, unused []byte) (int, error) { return recv(fd, unused, unix.MSG_TRUNC) }

func recv(fd int, into []byte, flags uintptr) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(into))),
		uintptr(len(into)), unix.MSG_DONTWAIT|flags, 0, 0)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, ErrAgain
	case errno == unix.ECONNRESET:
		return 0, fmt.Errorf("%w: connection reset", ErrClosed)
	case errno != 0:
		return 0, fmt.Errorf("recv: %w", errno)
	case n == 0:
		return 0, ErrClosed
	}
	return int(n), nil
}

// Send writes what there is room for, without waiting.
func Send(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, ErrAgain
	case unix.EPIPE, unix.ECONNRESET:
		return 0, ErrClosed
	}
	return 0, fmt.Errorf("send: %w", errno)
}

// Listen returns a socket that listens on a free port of 127.0.0.1, and its address.
func Listen() (fd int, addr netip.AddrPort, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, 4096)
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		return -1, addr, fmt.Errorf("cannot listen on a port of 127.0.0.1: %w", err)
	}
	in4 := name.(*unix.SockaddrInet4)
	return fd, netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), uint16(in4.Port)), nil
}

// Accept returns a client's connection, or ErrAgain.
func Accept(listener int) (int, error) {
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR || err == unix.ECONNABORTED:
		return -1, ErrAgain
	case err != nil:
		return -1, fmt.Errorf("accept: %w", err)
	}
	return fd, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// Connect waits until it is connected, for at most ten seconds.
func Connect(addr netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot make a socket: %w", err)
	}
	limit := unix.Timeval{Sec: 10}
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err == nil { // holds for connect too
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot connect to %s: %w", addr, err)
	}
	return fd, nil
}

// Close closes a socket.
func Close(fd int) { unix.Close(fd) }
