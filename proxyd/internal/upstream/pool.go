// Package upstream owns the side of next-hop: its addresses and the connections to them.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/socket"
)

// Error is why there is no connection.
type Error struct {
	Reason httpcache.Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Conn is a connection to next-hop. Its user gives it back with Put or ends it with Discard, once.
type Conn struct {
	*socket.Conn
	Reused bool // it comes from the pool, and so may have been ended by next-hop at any moment
	addr   netip.AddrPort
	idleAt time.Time
}

// Pool hands out connections to next-hop: the one used last first, and new ones to its addresses in turn. All methods may be
// called from any goroutine.
type Pool struct {
	resolver *resolver
	settings func() config.NextHop
	poller   *socket.Poller
	log      *slog.Logger
	ctx      context.Context // of all that runs or waits
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	idle    []*Conn // the one used last at the end
	open    int     // idle, handed out, or being connected
	waiting []chan *Conn
	total   uint64
	turn    int                          // index of the address that the next new connection tries first
	failed  map[netip.AddrPort]time.Time // addresses that did not connect, and when
	closed  bool
}

// failedFor is how long an address that did not connect is tried after the others only.
const failedFor = 10 * time.Second

// NewPool starts to resolve name (HOST:PORT). Settings are asked for anew each time one is needed. It runs until Close.
func NewPool(name string, lookup Lookup, settings func() config.NextHop, poller *socket.Poller,
	log *slog.Logger) (*Pool, error) {
	p := &Pool{settings: settings, poller: poller, log: log, failed: map[netip.AddrPort]time.Time{}}
	var err error
	p.resolver, err = newResolver(name, lookup, func() time.Duration { return settings().ResolveEvery }, log)
	if err != nil {
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(func() { p.resolver.run(p.ctx) })
	p.running.Go(func() { p.tidy(p.ctx) })
	return p, nil
}

// Host returns the host of next-hop as a Host field has it, without the port.
func (p *Pool) Host() string { return p.resolver.hostField }

// Abort makes each Get that waits fail, and each later one that would have to wait. Close is still to be called.
func (p *Pool) Abort() { p.cancel() }

// Close ends all idle connections; those handed out end when they are given back.
func (p *Pool) Close() {
	p.cancel()
	p.running.Wait()
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.open -= len(idle)
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// Idle returns a pooled connection, or nil where there is none. One that next-hop has ended, or on which it said something unasked
// that would be taken for the response, is never returned.
func (p *Pool) Idle() *Conn {
	for {
		c := p.takeIdle()
		if c == nil || !c.Ended() {
			return c
		}
		p.Discard(c)
	}
}

// Get returns a new connection, for which it may have to wait, or a pooled one as Idle does, where one is given back meanwhile and
// fresh does not forbid it. It waits no longer than next_hop.connect_timeout allows, or until wanted ends: the place in the queue, or the
// connection that was being made, is then given up. The error is an *Error, whose reason means nothing when wanted has ended.
func (p *Pool) Get(wanted context.Context, fresh bool) (*Conn, error) {
	settings := p.settings()
	ctx, cancel := context.WithTimeout(p.ctx, settings.ConnectTimeout)
	defer cancel()
	defer context.AfterFunc(wanted, cancel)()
	c, err := p.reserve(ctx, settings.MaxConnections, fresh)
	if err != nil {
		return nil, err
	}
	if c != nil {
		if !fresh && !c.Ended() {
			return c, nil
		}
		c.Close() // it only makes room
	}
	c, err = p.connect(ctx)
	if err != nil {
		p.release()
		return nil, err
	}
	return c, nil
}

func (p *Pool) takeIdle() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newestIdle()
}

// newestIdle takes the connection that was used last out of the idle ones. p.mu is held.
func (p *Pool) newestIdle() *Conn {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	c.Reused = true
	return c
}

// reserve counts one more connection as open, or waits for another's end when there are as many as may be. Then it may return a
// connection that somebody has given back, which is already counted: to be used, or to be ended for a new one.
func (p *Pool) reserve(ctx context.Context, limit int64, fresh bool) (*Conn, error) {
	p.mu.Lock()
	if int64(p.open) < limit {
		p.open++
		p.mu.Unlock()
		return nil, nil
	}
	if fresh && len(p.idle) > 0 {
		// An idle connection makes way for the new one.
		c := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		p.mu.Unlock()
		return c, nil
	}
	if c := p.newestIdle(); c != nil {
		// It was given back since we looked: nobody will do so again for us.
		p.mu.Unlock()
		return c, nil
	}
	turn := make(chan *Conn, 1)
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case c := <-turn:
		return c, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.mu.Unlock()
		return nil, &Error{httpcache.TooManyConnections, fmt.Errorf(
			"all %d connections to %s stayed busy for %v (next_hop.max_connections, next_hop.connect_timeout)",
			limit, p.resolver.name, p.settings().ConnectTimeout)}
	}
	p.mu.Unlock()
	return <-turn, nil // it came in the same moment
}

// release gives a reserved place to the one that waits longest, or back.
func (p *Pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if turn := p.nextWaiting(); turn != nil {
		turn <- nil // the place passes on; that one connects
		return
	}
	p.open--
}

func (p *Pool) nextWaiting() chan *Conn {
	if len(p.waiting) == 0 {
		return nil
	}
	turn := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return turn
}

// Put gives a connection back that has carried nothing yet, or on which a whole exchange has ended well and next-hop lets it live.
func (p *Pool) Put(c *Conn) {
	c.LimitRead(0)
	c.LimitWrite(0)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.Discard(c)
		return
	}
	defer p.mu.Unlock()
	if turn := p.nextWaiting(); turn != nil {
		c.Reused = true
		turn <- c
		return
	}
	c.idleAt = time.Now()
	p.idle = append(p.idle, c)
}

// Discard ends a connection.
func (p *Pool) Discard(c *Conn) {
	c.Close()
	p.release()
}

// connect opens a connection to one of the addresses, and asks for new ones when none of those that are known answers. The
// caller has reserved its place.
func (p *Pool) connect(ctx context.Context) (*Conn, error) {
	seen := p.resolver.answer()
	if len(seen.addrs) == 0 {
		newer, err := p.resolver.newer(ctx, seen)
		if seen = newer; len(seen.addrs) == 0 {
			if seen.err != nil {
				err = seen.err
			}
			return nil, &Error{httpcache.NextHopUnresolved, fmt.Errorf("cannot resolve %s: %w", p.resolver.name, err)}
		}
	}
	c, err := p.connectAny(ctx, seen.addrs)
	if err == nil {
		return c, nil
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // nobody wants to know any more
		p.resolver.again()
	}
	return nil, err
}

// connectAny tries the addresses one after the other, each with its share of the time that is left.
func (p *Pool) connectAny(ctx context.Context, addrs []netip.AddrPort) (*Conn, error) {
	var first error
	addrs = p.inOrder(addrs)
	for i, addr := range addrs {
		if err := ctx.Err(); err != nil { // no fault of this address
			first = cmp.Or(first, err)
			break
		}
		c, err := p.connectTo(ctx, addr, len(addrs)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			p.noteFailed(addr, err)
		}
	}
	return nil, p.explain(first)
}

// noteFailed lets others be tried before addr for a while. It is logged when that begins, not for each request.
func (p *Pool) noteFailed(addr netip.AddrPort, err error) {
	p.mu.Lock()
	_, known := p.failed[addr]
	p.failed[addr] = time.Now()
	p.mu.Unlock()
	if !known {
		p.log.Warn("next-hop address does not connect", "name", p.resolver.name, "address", addr, "error", err)
	}
}

// inOrder starts with the next address in turn, and puts those that failed lately behind the others.
func (p *Pool) inOrder(addrs []netip.AddrPort) []netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	ordered := make([]netip.AddrPort, 0, len(addrs))
	var late []netip.AddrPort
	for i := range addrs {
		addr := addrs[(p.turn+i)%len(addrs)]
		if at, ok := p.failed[addr]; ok && time.Since(at) < failedFor {
			late = append(late, addr)
			continue
		}
		ordered = append(ordered, addr)
	}
	return append(ordered, late...)
}

func (p *Pool) connectTo(ctx context.Context, addr netip.AddrPort, shares int) (*Conn, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
	defer cancel()
	conn, err := p.poller.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total++
	delete(p.failed, addr)
	return &Conn{Conn: conn, addr: addr}, nil
}

// explain gives an error of the dialer its reason.
func (p *Pool) explain(err error) error {
	name, limit := p.resolver.name, p.settings().ConnectTimeout
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{httpcache.NextHopRefused, fmt.Errorf("cannot connect to %s: connection refused", name)}
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT):
		return &Error{httpcache.NextHopConnectTimeout, fmt.Errorf(
			"cannot connect to %s within %v (next_hop.connect_timeout)", name, limit)}
	}
	return &Error{httpcache.NextHopUnreachable, fmt.Errorf("cannot connect to %s: %w", name, err)}
}

// tidy ends, once a second, idle connections that are too old, that next-hop has ended, or whose address is no longer one of
// next-hop's.
func (p *Pool) tidy(ctx context.Context) {
	for sleep(ctx, time.Second, nil) {
		addrs := p.resolver.answer().addrs
		idleTimeout := p.settings().IdleTimeout
		var gone []*Conn
		p.mu.Lock()
		p.idle = slices.DeleteFunc(p.idle, func(c *Conn) bool {
			if time.Since(c.idleAt) < idleTimeout && slices.Contains(addrs, c.addr) && !c.Ended() {
				return false
			}
			gone = append(gone, c)
			return true
		})
		for addr, at := range p.failed {
			if time.Since(at) > failedFor {
				delete(p.failed, addr)
			}
		}
		p.mu.Unlock()
		for _, c := range gone {
			p.Discard(c)
		}
	}
}

// Status is what the pool knows of next-hop.
type Status struct {
	Name       string
	Addresses  []string
	Resolved   time.Time
	Err        error
	Open, Idle int
	Total      uint64
}

// Status returns a snapshot.
func (p *Pool) Status() Status {
	a := p.resolver.answer()
	s := Status{Name: p.resolver.name, Resolved: a.at, Err: a.err}
	for _, addr := range a.addrs {
		s.Addresses = append(s.Addresses, addr.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Open, s.Idle, s.Total = p.open, len(p.idle), p.total
	return s
}
