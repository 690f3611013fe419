package socket

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// Parker watches connections that have been silent for a while with an epoll instance of its own, so that a parked connection
// costs no goroutine and no stack. It runs until Close. All methods may be called from any goroutine.
type Parker struct {
	epoll *os.File
	raw   syscall.RawConn
	done  chan struct{}

	mu     sync.Mutex
	parked map[int32]parked // by file descriptor, which stays open while its connection is parked
}

type parked struct {
	conn *Conn
	wake func()
}

// NewParker starts a parker.
func NewParker() (*Parker, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err == nil {
		err = syscall.SetNonblock(fd, true) // so that Go's own poller waits for it, and no thread has to
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch idle connections: %w", err)
	}
	p := &Parker{epoll: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), parked: map[int32]parked{}}
	if p.raw, err = p.epoll.SyscallConn(); err != nil {
		p.epoll.Close()
		return nil, fmt.Errorf("cannot watch idle connections: %w", err)
	}
	go p.run()
	return p, nil
}

// Close stops the parker. Nothing is parked any more by then.
func (p *Parker) Close() {
	p.epoll.Close()
	<-p.done
}

// Park watches c, which nobody reads or writes until then, and calls wake once: when bytes have come, the peer has ended, the
// read limit has passed, or Unpark was called; from any goroutine, perhaps before Park returns. When it fails wake is never
// called.
func (p *Parker) Park(c *Conn, wake func()) error {
	var fd int32
	if err := c.raw.Control(func(f uintptr) { fd = int32(f) }); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: fd}
	if err := p.control(syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return err
	}
	p.parked[fd] = parked{c, wake}
	c.parker.Store(p)
	return nil
}

// Unpark wakes c if it is parked.
func (p *Parker) Unpark(c *Conn) {
	var fd int32
	if c.raw.Control(func(f uintptr) { fd = int32(f) }) == nil {
		p.wake(fd)
	}
}

func (p *Parker) wake(fd int32) {
	if wake := p.take(fd); wake != nil {
		wake()
	}
}

// take ends the parking of fd, and returns what is to be called: of those who take, one gets it.
func (p *Parker) take(fd int32) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	entry, ok := p.parked[fd]
	if !ok {
		return nil
	}
	delete(p.parked, fd)
	p.control(syscall.EPOLL_CTL_DEL, fd, nil)
	entry.conn.parker.Store(nil)
	return entry.wake
}

func (p *Parker) control(op int, fd int32, event *syscall.EpollEvent) error {
	var failed error
	err := p.raw.Control(func(epoll uintptr) { failed = syscall.EpollCtl(int(epoll), op, int(fd), event) })
	return errors.Join(err, failed)
}

func (p *Parker) run() {
	defer close(p.done)
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		err := p.raw.Read(func(epoll uintptr) bool {
			n, _ = retryEINTR(func() (int, error) { return syscall.EpollWait(int(epoll), events, 0) })
			return n > 0
		})
		if err != nil {
			return
		}
		for _, event := range events[:n] {
			p.wake(event.Fd)
		}
	}
}
