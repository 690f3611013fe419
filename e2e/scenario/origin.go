package scenario

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// NewShared starts an origin for many scenarios; it ends with the test.
func NewShared(tb testing.TB) *Shared {
	tb.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	o := &Shared{sockets: &sockets{listener: l, open: map[*net.TCPConn]bool{}}, visits: map[int]*visit{}}
	o.sockets.all.Go(func() { o.sockets.acceptAll(o.serve) })
	tb.Cleanup(o.sockets.close)
	return o
}

// Addr is where proxyd finds the origin.
func (o *Shared) Addr() string { return o.sockets.listener.Addr().String() }

// sockets is a listener with its connections, each of which has a goroutine.
type sockets struct {
	listener *net.TCPListener
	all      sync.WaitGroup

	mu   sync.Mutex // guards open
	open map[*net.TCPConn]bool
}

func (s *sockets) acceptAll(serve func(*net.TCPConn)) {
	for {
		c, err := s.listener.AcceptTCP()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		s.all.Go(func() {
			serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		})
	}
}

func (s *sockets) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// request is one request that has come over a connection of proxyd's, and the time from its first byte to that of the next.
type request struct {
	on     *net.TCPConn
	said   chan []byte   // its bytes; closed when the connection has ended
	err    error         // how it ended; set before said is closed
	whole  chan struct{} // closed when the request has come whole
	ended  atomic.Bool   // said is closed, or about to be
	tunnel atomic.Bool   // the origin has said 101: whatever comes belongs to this request
}

// serve reads the requests of one connection and hands each to its scenario.
func (o *Shared) serve(c *net.TCPConn) {
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		head, err := readHead(in)
		if err != nil {
			return
		}
		mark, head := unmark(head)
		if mark == 0 {
			if _, err := c.Write(echo(head)); err != nil {
				return
			}
			continue
		}
		v := o.visit(mark)
		if v == nil {
			return
		}
		q := &request{on: c, said: make(chan []byte), whole: make(chan struct{})}
		select {
		case v.arrived <- q:
		case <-v.over:
			return
		}
		if !q.read(in, head, v.over) {
			return
		}
	}
}

// read hands on what belongs to the request, until the next one begins on the same connection; false: there will be none.
func (q *request) read(in *bufio.Reader, head []byte, over <-chan struct{}) bool {
	hand := func(b []byte) error {
		select {
		case q.said <- bytes.Clone(b):
			return nil
		case <-over:
			return errOver
		}
	}
	err := hand(head)
	if err == nil {
		err = readBody(in, head, hand)
	}
	if err == nil {
		close(q.whole)
		if _, err = in.Peek(1); err == nil && !q.tunnel.Load() {
			return true
		}
	}
	for err == nil {
		if _, err = in.Peek(1); err == nil {
			b, _ := in.Peek(in.Buffered())
			err = hand(b)
			in.Discard(len(b))
		}
	}
	q.err = err
	q.ended.Store(true)
	close(q.said)
	<-over // proxyd may have ended its half only
	return false
}

var errOver = errors.New("the scenario is over")

// readHead reads up to and including the empty line.
func readHead(in *bufio.Reader) (head []byte, err error) {
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
	}
	return head, nil
}

// readBody hands on the body of a request as it comes. proxyd frames it strictly, and that is what the scenarios are about: what
// cannot be read here is a fault of proxyd's that the scenario will see.
func readBody(in *bufio.Reader, head []byte, hand func([]byte) error) error {
	some := func(n int) error {
		for n > 0 {
			if _, err := in.Peek(1); err != nil {
				return err
			}
			b, _ := in.Peek(min(n, in.Buffered()))
			if err := hand(b); err != nil {
				return err
			}
			in.Discard(len(b))
			n -= len(b)
		}
		return nil
	}
	length, chunked := framing(head)
	if !chunked {
		return some(length)
	}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		if err := hand(line); err != nil {
			return err
		}
		size, err := strconv.ParseUint(strings.TrimSpace(string(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("proxyd sent %q for a chunk size", line)
		}
		if size > 0 {
			if err := some(int(size) + len("\r\n")); err != nil {
				return err
			}
			continue
		}
		for { // the trailer section
			line, err := in.ReadBytes('\n')
			if err != nil {
				return err
			}
			if err := hand(line); err != nil {
				return err
			}
			if len(line) == 2 {
				return nil
			}
		}
	}
}

func framing(head []byte) (length int, chunked bool) {
	for line := range strings.Lines(string(head)) {
		switch name, value, _ := strings.Cut(line, ":"); strings.ToLower(name) {
		case "content-length":
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		case "transfer-encoding":
			chunked = true
		}
	}
	return length, chunked
}

// echo answers a request without a body with its target.
func echo(head []byte) []byte {
	words := strings.Fields(string(head[:bytes.IndexByte(head, '\n')]))
	target := "no target"
	if len(words) == 3 {
		target = words[1]
	}
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
}

// sharedConn is what stands for a connection of the scenario's origin: the connection of its newest request, whichever that is.
type sharedConn struct {
	visit    *visit
	now      atomic.Pointer[request] // read by the writer of the queue too
	rest     []byte                  // of what its connection said
	deadline time.Time               // of Read
	ending   bool                    // what is awaited is the connection's end, and no further request
}

// Read returns what the request says. After its end it waits for the next of the scenario's requests, or for the connection's end.
func (c *sharedConn) Read(p []byte) (int, error) {
	late := time.NewTimer(time.Until(c.deadline))
	defer late.Stop()
	for len(c.rest) == 0 {
		q := c.now.Load()
		var next <-chan *request
		select {
		case <-q.whole:
			next = c.visit.arrived
		default:
		}
		said := q.said
		if next != nil && q.ended.Load() && !c.ending {
			said = nil // proxyd has let the idle connection go, and the next request comes over another
		}
		select {
		case b, ok := <-said:
			if ok {
				c.rest = b
			} else if next == nil || c.ending {
				return 0, q.err
			}
		case q := <-next:
			c.now.Store(q)
		case <-whenNot(next != nil, q.whole):
		case <-late.C:
			return 0, os.ErrDeadlineExceeded
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// whenNot returns the channel unless it has been seen.
func whenNot(seen bool, ch <-chan struct{}) <-chan struct{} {
	if seen {
		return nil
	}
	return ch
}

func (c *sharedConn) Write(p []byte) (int, error) {
	q := c.now.Load()
	if bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
		q.tunnel.Store(true)
	}
	return q.on.Write(p)
}

func (c *sharedConn) conn() *net.TCPConn                 { return c.now.Load().on }
func (c *sharedConn) Close() error                       { return c.conn().Close() }
func (c *sharedConn) CloseWrite() error                  { return c.conn().CloseWrite() }
func (c *sharedConn) SetLinger(seconds int) error        { return c.conn().SetLinger(seconds) }
func (c *sharedConn) LocalAddr() net.Addr                { return c.conn().LocalAddr() }
func (c *sharedConn) RemoteAddr() net.Addr               { return c.conn().RemoteAddr() }
func (c *sharedConn) SetDeadline(t time.Time) error      { return errors.ErrUnsupported }
func (c *sharedConn) SetWriteDeadline(t time.Time) error { return c.conn().SetWriteDeadline(t) }
func (c *sharedConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}
