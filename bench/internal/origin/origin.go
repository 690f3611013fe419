// Package origin is the server behind the measured proxies: fixed responses by path, made before the first request, from one
// thread over raw sockets. It is not a web server; it understands what the proxies send it and closes on anything else.
package origin

import (
	"bytes"
	"fmt"
	"net/netip"

	"section.internal/bench/internal/epoll"
)

// The sizes of the bodies, by the path that asks for them.
var sizes = map[string]int{"/1k": 1 << 10, "/100k": 100 << 10, "/10m": 10 << 20, Storable: 1 << 10}

// Storable is the path of the one response that a cache may store, for an hour.
const Storable = "/storable-1k"

// CountPath answers with the number of responses that have been begun until then, this one apart, in decimal digits.
const CountPath = "/count"

// Body returns the body that the origin gives for a path, nil for a path that it does not know.
func Body(path string) []byte {
	size, known := sizes[path]
	if !known {
		return nil
	}
	body := make([]byte, size)
	for i := range body { // not periodic in a power of two, so that a block in the wrong place shows
		body[i] = 'a' + byte(i%251%26)
	}
	return body
}

// response is head and body; the head has the fields that a response of a usual origin has.
func response(body []byte, cacheControl string) []byte {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Mon, 03 Nov 2025 10:00:00 GMT\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: %d\r\nLast-Modified: Sun, 02 Nov 2025 10:00:00 GMT\r\nCache-Control: %s\r\n\r\n", len(body), cacheControl)
	return append([]byte(head), body...)
}

// Origin is a server on a free port of the loopback interface.
type Origin struct {
	poller    *epoll.Poller
	listener  int
	responses map[string][]byte
	clients   []*client // by descriptor; nil: nobody
	answered  int
}

// client is a connection of a proxy.
type client struct {
	fd      int
	in      [8 << 10]byte // the beginning of requests that have not been answered
	filled  int
	out     []byte // what is still to be sent of a response; nil: nothing
	waiting bool   // for room to send
}

// Listen returns an Origin, whose connections are tagged with numbers from 0 on, and its address. Whoever waits with the poller
// hands it the events with these tags.
func Listen(poller *epoll.Poller) (*Origin, netip.AddrPort, error) {
	o := &Origin{poller: poller, responses: map[string][]byte{}}
	for path := range sizes {
		cacheControl := "private"
		if path == Storable {
			cacheControl = "public, max-age=3600"
		}
		o.responses[path] = response(Body(path), cacheControl)
	}
	var addr netip.AddrPort
	var err error
	if o.listener, addr, err = epoll.Listen(); err != nil {
		return nil, addr, err
	}
	return o, addr, o.poller.Add(o.listener, o.listener, epoll.In)
}

// Serve answers until something goes wrong with the origin itself, and does nothing else with the poller.
func (o *Origin) Serve() error {
	for {
		events, err := o.poller.Wait(-1)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := o.Handle(int(e.Fd)); err != nil {
				return err
			}
		}
	}
}

// Handle does what can be done without waiting on the connection with a tag. A connection that ends, or brings what is no
// request, is closed; an error is one of the origin itself.
func (o *Origin) Handle(tag int) error {
	if tag == o.listener {
		return o.accept()
	}
	if c := o.clients[tag]; o.serve(c) != nil {
		o.clients[tag] = nil
		epoll.Close(c.fd)
	}
	return nil
}

func (o *Origin) accept() error {
	for {
		fd, err := epoll.Accept(o.listener)
		if err == epoll.ErrAgain {
			return nil
		}
		if err != nil {
			return err
		}
		for fd >= len(o.clients) {
			o.clients = append(o.clients, nil)
		}
		o.clients[fd] = &client{fd: fd}
		if err := o.poller.Add(fd, fd, epoll.In); err != nil {
			return err
		}
	}
}

// serve sends and reads what it can without waiting. An error means that the connection has ended.
func (o *Origin) serve(c *client) error {
	if c.waiting {
		if err := o.send(c); err != nil || c.waiting {
			return err
		}
	} else {
		n, err := epoll.Recv(c.fd, c.in[c.filled:])
		switch {
		case err == epoll.ErrAgain:
			return nil
		case err != nil:
			return err
		}
		c.filled += n
	}
	for !c.waiting {
		path, size, err := parse(c.in[:c.filled])
		if err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
		if c.out = o.response(path); c.out == nil {
			return fmt.Errorf("nothing is known of %q", path)
		}
		c.filled = copy(c.in[:], c.in[size:c.filled])
		if err := o.send(c); err != nil {
			return err
		}
	}
	return nil
}

// response returns what answers a request, and counts it.
func (o *Origin) response(path []byte) []byte {
	if string(path) == CountPath {
		return response(fmt.Append(nil, o.answered), "no-store")
	}
	o.answered++
	return o.responses[string(path)]
}

// send sends what there is room for, and waits for room only while something is left.
func (o *Origin) send(c *client) error {
	n, err := epoll.Send(c.fd, c.out)
	if err != nil && err != epoll.ErrAgain {
		return err
	}
	c.out = c.out[n:]
	if waiting := len(c.out) > 0; waiting != c.waiting {
		c.waiting = waiting
		if waiting {
			return o.poller.Modify(c.fd, c.fd, epoll.Out)
		}
		return o.poller.Modify(c.fd, c.fd, epoll.In)
	}
	return nil
}

// parse finds the first request in b: its path and how many bytes it takes, 0 when it has not come whole.
func parse(b []byte) (path []byte, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) == len(client{}.in) {
			return nil, 0, fmt.Errorf("a request of more than %d bytes", len(b))
		}
		return nil, 0, nil
	}
	target, isGet := bytes.CutPrefix(b[:end], []byte("GET "))
	path, _, found := bytes.Cut(target, []byte(" "))
	if !isGet || !found {
		return nil, 0, fmt.Errorf("no GET request: %.40q", b[:end])
	}
	return path, end + 4, nil
}
