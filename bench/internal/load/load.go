// Package load sends requests over many connections and holds every response against what it must be. It works in a closed
// loop (each connection sends when it has its answer) or at a constant rate, where the latency of a request counts from the
// moment at which it was due, sent or not, so that a server that stalls cannot slow its own measurement.
//
// Generator and origin are one thread that polls without ever sleeping while it measures. So the server's sends wake nobody,
// which the server would pay for and which does not happen where clients and origin are other machines; no timer is late; and
// both together leave enough of their core that the server is the bottleneck.
package load

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"section.internal/bench/internal/epoll"
	"section.internal/bench/internal/origin"
)

// Target is what is asked for and what must come.
type Target struct {
	Addr   netip.AddrPort
	Path   string
	Length int // of the body
}

// Headers are what a request carries beside its Host: what the platform promises, and what a plain client sends.
var Headers = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench",
	"Accept: */*",
	"X-Forwarded-For: 203.0.113.7",
	"X-Forwarded-Proto: https",
}

// Result is what came of a number of requests, all of which were answered rightly.
type Result struct {
	Requests int           `json:"requests"`
	Elapsed  time.Duration `json:"elapsed"`
	Busy     time.Duration `json:"busy"` // of Elapsed: for how long generator and origin did more than look for something to do
	// Latencies, from the moment at which a request was due (constant rate) or sent (closed loop) to the end of its response.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
	// Renewed is how many of the slow connections the server has ended so far.
	Renewed int `json:"renewed"`
}

// patience is how long nothing may come while something is awaited.
const patience = 10 * time.Second

// Generator has a number of open connections. It is used by one goroutine.
type Generator struct {
	poller  *epoll.Poller // the origin's connections have tags from 0 on, ours those below
	origin  *origin.Origin
	target  Target
	request []byte
	conns   []*conn
	free    queue // the connections without a request
	slow    *crowd

	start     time.Time // of the clock below
	progress  time.Duration
	busy      time.Duration
	latencies []time.Duration
}

// conn is one connection, with at most one request at a time.
type conn struct {
	fd, index int
	due       time.Duration // of the request, by the generator's clock
	busy      bool
	answer    answer
}

// Open connects so many times to the target. The origin is served whenever the generator waits.
func Open(poller *epoll.Poller, origin *origin.Origin, target Target, connections int) (*Generator, error) {
	g := &Generator{poller: poller, origin: origin, target: target, start: time.Now()}
	g.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n", target.Path)
	for _, h := range Headers {
		g.request = append(append(g.request, h...), "\r\n"...)
	}
	g.request = append(g.request, "\r\n"...)
	for range connections {
		c, err := g.connect()
		if err != nil {
			return nil, err
		}
		g.free.add(c)
	}
	return g, nil
}

func (g *Generator) connect() (*conn, error) {
	fd, err := epoll.Connect(g.target.Addr)
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", len(g.conns)+1, err)
	}
	c := &conn{fd: fd, index: len(g.conns), answer: answer{length: g.target.Length}}
	g.conns = append(g.conns, c)
	return c, g.poller.Add(fd, -1-c.index, epoll.In)
}

func (g *Generator) clock() time.Duration { return time.Since(g.start) }

// begin forgets what was measured before.
func (g *Generator) begin() time.Duration {
	now := g.clock()
	g.latencies, g.busy, g.progress = g.latencies[:0], 0, now
	return now
}

// Closed keeps all connections busy for so long, each with one request at least, and returns when the last response has come.
func (g *Generator) Closed(duration time.Duration) (Result, error) {
	begin := g.begin()
	end := begin + duration
	for now := begin; ; now = g.clock() {
		if now < end {
			for g.free.length > 0 {
				if err := g.send(g.free.take(), now); err != nil {
					return Result{}, err
				}
			}
		} else if g.free.length == len(g.conns) {
			return g.result(begin), nil
		}
		if err := g.poll(); err != nil {
			return Result{}, err
		}
	}
}

// Rate sends so many requests a second for so long, and returns when the last response has come. A request for which no
// connection is free waits, and its latency grows.
func (g *Generator) Rate(perSecond float64, duration time.Duration) (Result, error) {
	total := int(perSecond * duration.Seconds())
	g.latencies = slices.Grow(g.latencies[:0], total)
	begin := g.begin()
	due := func(i int) time.Duration { return begin + time.Duration(float64(i)*1e9/perSecond) }
	for sent := 0; ; {
		for now := g.clock(); sent < total && g.free.length > 0 && due(sent) <= now; sent++ {
			if err := g.send(g.free.take(), due(sent)); err != nil {
				return Result{}, err
			}
		}
		if sent == total && g.free.length == len(g.conns) {
			return g.result(begin), nil
		}
		if err := g.poll(); err != nil {
			return Result{}, err
		}
	}
}

// Once opens so many more connections and sends one request over each, a few at a time. The connections stay open.
func (g *Generator) Once(connections int) (Result, error) {
	const atATime = 32
	begin := g.begin()
	for want := len(g.conns) + connections; len(g.conns) < want || g.free.length < len(g.conns); {
		for len(g.conns) < want && len(g.conns)-g.free.length < atATime {
			c, err := g.connect()
			if err == nil {
				err = g.send(c, g.clock())
			}
			if err != nil {
				return Result{}, err
			}
		}
		if err := g.poll(); err != nil {
			return Result{}, err
		}
	}
	return g.result(begin), nil
}

// Close ends the connections.
func (g *Generator) Close() {
	for _, c := range g.conns {
		epoll.Close(c.fd)
	}
	g.conns, g.free = nil, queue{}
}

// StillOpen returns an error when a connection has ended, or brings something that nobody asked for.
func (g *Generator) StillOpen() error {
	var b [1]byte
	for _, c := range g.conns {
		switch _, err := epoll.Recv(c.fd, b[:]); err {
		case epoll.ErrAgain:
		case nil:
			return fmt.Errorf("connection %d: a byte came without a request", c.index+1)
		default:
			return fmt.Errorf("connection %d of %d did not stay open: %w", c.index+1, len(g.conns), err)
		}
	}
	return nil
}

// send sends a request. It fits into an empty send buffer whole.
func (g *Generator) send(c *conn, due time.Duration) error {
	c.busy, c.due = true, due
	n, err := epoll.Send(c.fd, g.request)
	if err == nil && n < len(g.request) {
		err = fmt.Errorf("only %d of %d bytes were taken", n, len(g.request))
	}
	if err != nil {
		return fmt.Errorf("connection %d: cannot send a request: %w", c.index+1, err)
	}
	return nil
}

// poll takes what has come on either side, if something has.
func (g *Generator) poll() error {
	if err := g.slow.visit(); err != nil {
		return err
	}
	events, err := g.poller.Wait(0)
	if err != nil {
		return err
	}
	begin := g.clock()
	if len(events) == 0 {
		if busy := len(g.conns) - g.free.length; busy > 0 && begin-g.progress > patience {
			return fmt.Errorf("nothing has come for %v, and %d of %d connections wait for an answer", patience, busy, len(g.conns))
		}
		return nil
	}
	if err := g.handle(events); err != nil {
		return err
	}
	g.progress = g.clock()
	g.busy += g.progress - begin
	return nil
}

// Idle serves the origin while nothing is asked for, for so long.
func (g *Generator) Idle(duration time.Duration) error {
	if err := g.slow.visit(); err != nil {
		return err
	}
	events, err := g.poller.Wait(duration)
	if err != nil {
		return err
	}
	return g.handle(events)
}

func (g *Generator) handle(events []epoll.Event) error {
	for _, e := range events {
		if e.Fd >= 0 {
			if err := g.origin.Handle(int(e.Fd)); err != nil {
				return fmt.Errorf("origin: %w", err)
			}
			continue
		}
		c := g.conns[-1-e.Fd]
		if !c.busy {
			return fmt.Errorf("connection %d was closed, or brought something, without a request", c.index+1)
		}
		ended, err := c.answer.read(c.fd)
		if err != nil {
			return fmt.Errorf("connection %d: %w", c.index+1, err)
		}
		if ended {
			c.busy = false
			g.latencies = append(g.latencies, g.clock()-c.due)
			g.free.add(c)
		}
	}
	return nil
}

func (g *Generator) result(begin time.Duration) Result {
	r := Result{Requests: len(g.latencies), Elapsed: g.clock() - begin, Busy: g.busy}
	if r.Requests > 0 {
		slices.Sort(g.latencies)
		r.P50, r.P99, r.Max = Percentile(g.latencies, 50), Percentile(g.latencies, 99), g.latencies[r.Requests-1]
	}
	return r
}

// Percentile returns the smallest of the sorted values that at least p percent of them do not exceed. There must be a value.
func Percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

// queue holds connections, first in, first out, so that all take their turn.
type queue struct {
	ring         []*conn
	head, length int
}

func (q *queue) add(c *conn) {
	if q.length == len(q.ring) {
		longer := make([]*conn, max(16, 2*len(q.ring)))
		for i := range q.length {
			longer[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = longer, 0
	}
	q.ring[(q.head+q.length)%len(q.ring)] = c
	q.length++
}

// take returns the connection that has waited longest. There must be one.
func (q *queue) take() *conn {
	c := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.length--
	return c
}
