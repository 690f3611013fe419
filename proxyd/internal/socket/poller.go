package socket

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Poller watches connections: which can be read or written (an epoll instance of its own, edge-triggered), and which wait for
// too long (see sweep.go). Knowing that there is nothing to read spares the call that would say so, which Go's own poller cannot
// tell; and a connection that merely waits needs no goroutine.
//
// It runs until Close. All methods may be called from any goroutine.
type Poller struct {
	clock

	epoll int
	ender int // an eventfd that ends the wait of run
	stop  chan struct{}
	done  sync.WaitGroup
	pipes pipePool
	cut   atomic.Bool // CutAll was called

	mu          sync.Mutex
	byFD        []*Conn // by file descriptor; nil where there is none
	generations int32
	shards      [16]shard
	turn        atomic.Uint32
}

// NewPoller starts a poller.
func NewPoller() (*Poller, error) {
	p, err := startPoller()
	if err == nil {
		p.done.Go(p.sweep)
	}
	return p, err
}

// startPoller starts one whose clock stands still, and which ends no waits.
func startPoller() (*Poller, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch connections: %w", err)
	}
	p := &Poller{epoll: epoll, stop: make(chan struct{})}
	if p.ender, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		p.byFD = make([]*Conn, p.ender+1)
		err = p.watch(p.ender, syscall.EPOLLIN, 0)
	}
	if err != nil {
		syscall.Close(epoll)
		return nil, fmt.Errorf("cannot watch connections: %w", err)
	}
	p.now.Store(1) // 0 means "without limit" in a Conn
	p.done.Go(p.run)
	return p, nil
}

// Close stops the poller and returns when it has. No connection may be left.
func (p *Poller) Close() {
	close(p.stop)
	syscall.Write(p.ender, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	p.done.Wait()
	syscall.Close(p.ender)
	syscall.Close(p.epoll)
	p.pipes.close()
}

// run passes on what epoll says. After each batch it lets those that it woke go first: by then there may be more to pass on at
// once. It waits in the kernel itself: through Go's poller each wake-up would cost two calls (docs/performance.md).
//
// While it waits there, on a proxy with one processor nobody else runs until Go's monitoring thread has noticed, which takes up to
// 20 ms. So all others must have nothing left to do. One Gosched does not see to that: every 61st time, the scheduler prefers who
// has yielded to those who were woken.
func (p *Poller) run() {
	const turns, most = 60, 1 << 10
	events := make([]syscall.EpollEvent, 256)
	woken := 0 // since the last wait, as far as they may not have run yet
	for {
		n := epollReady(p.epoll, events)
		if n == 0 {
			for range 1 + min(woken, most)/turns {
				runtime.Gosched()
			}
			woken = 0
			n, _ = syscall.EpollWait(p.epoll, events, -1)
		}
		woken += max(n, 0)
		told := time.Now()
		select {
		case <-p.stop:
			return
		default:
		}
		p.mu.Lock()
		for i := range max(n, 0) {
			event := &events[i]
			// One that was on its way when its descriptor was closed, and perhaps used again, concerns nobody.
			if c := p.byFD[event.Fd]; c != nil && c.generation == event.Pad {
				c.notify(event.Events, told)
			}
		}
		p.mu.Unlock()
		runtime.Gosched()
	}
}

func (p *Poller) watch(fd int, events uint32, generation int32) error {
	return syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd), Pad: generation})
}

// add takes over a non-blocking TCP socket.
func (p *Poller) add(fd int, remote netip.AddrPort) (*Conn, error) {
	c := &Conn{fd: fd, remote: remote, poller: p}
	c.in.state.Store(ready) // nothing is known yet
	p.mu.Lock()
	p.generations++
	c.generation = p.generations
	for fd >= len(p.byFD) {
		p.byFD = append(p.byFD, make([]*Conn, max(64, len(p.byFD)))...)
	}
	p.byFD[fd] = c
	p.mu.Unlock()
	p.addToShard(c)
	if err := p.watch(fd, syscall.EPOLLIN|syscall.EPOLLOUT|syscall.EPOLLRDHUP|epollET, c.generation); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot watch a connection: %w", err)
	}
	return c, nil
}

// forget ends the watching of c, whose descriptor is about to be closed; that takes it out of epoll.
func (p *Poller) forget(c *Conn) {
	p.removeFromShard(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byFD[c.fd] = nil
}

const epollET = 1 << 31

// The states of a waiter.
const (
	unready uint32 = iota // nothing has happened since it was last looked at
	ready                 // something has
	waiting               // a goroutine waits on wake
	parked                // nobody waits; a goroutine is to be started for resume
)

// waiter is one direction of a connection: whether a call may succeed, and who waits for that. One goroutine uses it at a time;
// notify may come from any.
type waiter struct {
	state  atomic.Uint32
	wake   chan struct{} // made for the first wait: few connections ever wait to be written to
	resume func()        // set while parked
	told   time.Time     // when the kernel told of what has ended the wait; zero: it was something else
}

// notify says that something has happened: the kernel told of news at that time, or, with the zero time, a limit has passed or
// somebody wants the wait to end.
func (w *waiter) notify(told time.Time) {
	if w.state.Load() == ready { // nobody has looked since: epoll tells with each news to read that writing is possible
		return
	}
	switch w.state.Swap(ready) {
	case waiting:
		w.told = told
		w.wake <- struct{}{}
	case parked:
		w.told = told
		go w.resume()
	}
}

// wait returns when something has happened since the last look; see clear.
func (w *waiter) wait() {
	if w.wake == nil {
		w.wake = make(chan struct{}, 1)
	}
	if w.state.CompareAndSwap(unready, waiting) {
		<-w.wake
	}
}

// clear is to be called before the last look at what the waiter is about ahead of a wait: news that come later are then not lost.
func (w *waiter) clear() { w.state.Store(unready) }

// park has resume called when something happens. It returns false, and resume is not called, when something has happened already.
func (w *waiter) park(resume func()) bool {
	w.resume = resume
	return w.state.CompareAndSwap(unready, parked)
}
