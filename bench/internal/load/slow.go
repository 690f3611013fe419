package load

import (
	"fmt"
	"net/netip"
	"time"

	"section.internal/bench/internal/epoll"
)

// crowd is a number of connections whose requests never end: each is sent a byte now and then, and opened anew once the server
// has ended it. Nothing waits for them: they are looked at once a second, in turn.
type crowd struct {
	addr    netip.AddrPort
	every   int // seconds from byte to byte
	members []slow
	begun   time.Time
	visits  int // so far, of all
	ended   int // connections that the server had ended
}

type slow struct {
	fd      int
	sent    int // bytes of its request
	visited int
}

// slowHead is how the request begins; what follows are bytes of its last field's value.
const slowHead = "GET /1k HTTP/1.1\r\nHost: www.example.com\r\nX-Slow: "

// Gather opens connections whose requests never end. They are looked after whenever the generator waits.
func (g *Generator) Gather(connections int, every time.Duration) (err error) {
	g.slow, err = gather(g.target.Addr, connections, every)
	return err
}

// renewed returns how many connections were opened anew. There may be no crowd.
func (c *crowd) renewed() int {
	if c == nil {
		return 0
	}
	return c.ended
}

// gather opens a crowd.
func gather(addr netip.AddrPort, size int, every time.Duration) (*crowd, error) {
	c := &crowd{addr: addr, every: max(1, int(every/time.Second)), members: make([]slow, size)}
	for i := range c.members {
		if err := c.members[i].open(addr); err != nil {
			return nil, fmt.Errorf("slow connection %d: %w", i+1, err)
		}
		c.members[i].visited = i // so that not all send in the same second
	}
	c.begun = time.Now()
	return c, nil
}

func (s *slow) open(addr netip.AddrPort) (err error) {
	s.sent = 0
	if s.fd, err = epoll.Connect(addr); err != nil {
		return err
	}
	return s.send()
}

// send sends the next byte.
func (s *slow) send() error {
	b := [1]byte{'x'}
	if s.sent < len(slowHead) {
		b[0] = slowHead[s.sent]
	}
	_, err := epoll.Send(s.fd, b[:])
	s.sent++
	return err
}

// close ends the connections. There may be no crowd.
func (c *crowd) close() {
	if c == nil {
		return
	}
	for i := range c.members {
		epoll.Close(c.members[i].fd)
	}
}

// atOnce is how many connections are visited before the others get their turn again.
const atOnce = 32

// visit looks after those whose turn has come. It is called often.
func (c *crowd) visit() error {
	if c == nil {
		return nil
	}
	due := int(time.Since(c.begun).Seconds() * float64(len(c.members)))
	for n := 0; c.visits < due && n < atOnce; n++ {
		s := &c.members[c.visits%len(c.members)]
		c.visits++
		s.visited++
		var answer [1 << 10]byte
		_, err := epoll.Recv(s.fd, answer[:])
		if err == epoll.ErrAgain && s.visited%c.every == 0 {
			if err = s.send(); err == nil {
				err = epoll.ErrAgain
			}
		}
		if err == epoll.ErrAgain {
			continue
		}
		epoll.Close(s.fd) // refused, or ended
		c.ended++
		if err := s.open(c.addr); err != nil {
			return fmt.Errorf("a slow connection, once more: %w", err)
		}
	}
	return nil
}
