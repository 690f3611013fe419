package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener accepts connections for a poller. One goroutine may accept at a time.
type Listener struct{ conn *Conn }

// NewListener takes over l.
func NewListener(l *net.TCPListener, poller *Poller) (*Listener, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var fd int
	var failed error
	err = raw.Control(func(listener uintptr) {
		fd, failed = unix.FcntlInt(listener, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	conn, err := poller.add(fd, netip.AddrPort{})
	return &Listener{conn}, err
}

// Accept waits for a connection. The error is ErrTimeout after the time given to Limit, ErrCut after Cut, or what the kernel says.
func (l *Listener) Accept() (*Conn, error) {
	for {
		if err := l.conn.awaitReadable(true); err != nil {
			return nil, err
		}
		fd, peer, err := syscall.Accept4(l.conn.fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
			l.conn.in.state.Store(ready) // others may be waiting
			syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
			return l.conn.poller.add(fd, addrPort(peer))
		case syscall.EAGAIN:
		case syscall.EINTR, syscall.ECONNABORTED: // the client has gone before it was its turn
			l.conn.in.state.Store(ready)
		default:
			l.conn.in.state.Store(ready)
			return nil, os.NewSyscallError("accept", err)
		}
	}
}

// Limit lets Accept go on for the time d. It may be called from any goroutine.
func (l *Listener) Limit(d time.Duration) { l.conn.LimitRead(d) }

// Close ends the listening; Accept must not be under way.
func (l *Listener) Close() { l.conn.Close() }

// Dial connects to addr. The error is that of ctx when it ends first, ErrCut after CutAll, or what the kernel says.
func (p *Poller) Dial(ctx context.Context, addr netip.AddrPort) (*Conn, error) {
	family, peer := sockaddr(addr)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if err := syscall.Connect(fd, peer); err != nil && err != syscall.EINPROGRESS && err != syscall.EINTR {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	c, err := p.add(fd, addr) // only now: epoll calls a socket that was never connected hung up
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.Cut)
	err = c.awaitConnected()
	if !stop() { // it has been cut, or is about to be
		c.Close()
		return nil, ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) awaitConnected() error {
	for {
		code, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && code != 0 {
			err = syscall.Errno(code)
		}
		if err != nil {
			return os.NewSyscallError("connect", err)
		}
		if _, err := syscall.Getpeername(c.fd); err == nil {
			return nil
		}
		if err := c.awaitWritable(); err != nil {
			return err
		}
	}
}

func sockaddr(addr netip.AddrPort) (family int, sa syscall.Sockaddr) {
	ip := addr.Addr().Unmap()
	if ip.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}
	}
	sa6 := &syscall.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	if device, err := net.InterfaceByName(ip.Zone()); err == nil {
		sa6.ZoneId = uint32(device.Index)
	}
	return syscall.AF_INET6, sa6
}

func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
