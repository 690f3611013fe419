package downstream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/leaktest"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/watchtest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// patience bounds what a test waits for and expects to come.
const patience = 10 * time.Second

// lines is a protocol of which a request is a line that says what is to become of the connection. The answer is the same line.
type lines struct {
	busy  chan struct{}                       // gets one for each request "wait"
	goOn  chan struct{}                       // lets one of them be answered
	await func(*socket.Conn) exchange.Verdict // carries out "await"
}

func (l *lines) Exchange(c *exchange.Client) exchange.Verdict {
	c.LimitRead(patience)
	eol := 0
	for eol == 0 {
		if eol = bytes.IndexByte(c.Buffered(), '\n') + 1; eol == 0 {
			switch err := c.FillReady(1 << 10); err {
			case nil:
			case socket.ErrNotReady:
				return exchange.Unfinished
			default:
				return exchange.Close
			}
		}
	}
	line := string(c.Buffered()[:eol])
	c.Consume(eol)
	switch line {
	case "wait\n":
		l.busy <- struct{}{}
		<-l.goOn
	case "await\n":
		return l.await(c.Conn)
	}
	if _, err := io.WriteString(c, line); err != nil {
		return exchange.Close
	}
	return map[string]exchange.Verdict{"close\n": exchange.Close, "linger\n": exchange.Linger, "reset\n": exchange.Reset}[line]
}

func (l *lines) Refuse(c *exchange.Client, reason httpcache.Reason) {
	io.WriteString(c, string(reason)+"\n")
}

// server is a running Server.
type server struct {
	*Server
	*lines
	addr   string
	poller *socket.Poller
	served chan error
}

func testSettings() config.Client {
	s := config.Default().Client
	s.IdleTimeout = patience
	return s
}

// newServer returns a server of which only Serve is to be called. At the end of the test it is drained, when the test has not
// done that, and all descriptors must have been given back.
func newServer(t testing.TB, settings config.Client) (*server, *net.TCPListener) {
	t.Helper()
	before := watchtest.Descriptors(t)
	poller, err := socket.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		lines:  &lines{busy: make(chan struct{}, 100), goOn: make(chan struct{}, 100)},
		poller: poller, served: make(chan error, 1),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.Server = NewServer(s.lines, func() *config.Client { return &settings }, poller, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if !s.Draining() {
			s.drain(t, patience)
		}
		if err := <-s.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if status := s.Status(); status.Open != 0 || status.Idle != 0 {
			t.Errorf("%+v", status)
		}
		poller.Close()
		watchtest.Eventually(t, "all descriptors are given back", func() bool { return watchtest.Descriptors(t) <= before })
	})
	return s, l.(*net.TCPListener)
}

func start(t testing.TB, settings config.Client) *server {
	t.Helper()
	s, l := newServer(t, settings)
	go func() { s.served <- s.Serve(l) }()
	return s
}

func (s *server) drain(t testing.TB, timeout time.Duration) (cut int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan int, 1)
	go func() { done <- s.Drain(ctx) }()
	select {
	case cut = <-done:
	case <-time.After(2 * patience):
		t.Fatal("Drain did not return")
	}
	return cut
}

// dial connects a client.
func (s *server) dial(t testing.TB) *peer {
	t.Helper()
	return s.dialFrom(t, "127.0.0.1")
}

// dialFrom connects a client that has the given address.
func (s *server) dialFrom(t testing.TB, addr string) *peer {
	t.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	c, err := from.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{c.(*net.TCPConn), t}
}

// dialIdle connects a client and returns when the server waits for its next request.
func (s *server) dialIdle(t testing.TB) *peer {
	t.Helper()
	c := s.dial(t)
	c.ask("keep")
	watchtest.Eventually(t, "the server waits for the next request", func() bool { return s.idleOnes() == s.open() })
	return c
}

func (s *server) open() int64     { return s.Status().Open }
func (s *server) idleOnes() int64 { return s.Status().Idle }

// goroutines says how many connections have one.
func (s *server) goroutines() (n int) {
	all := make([]byte, 1<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), "downstream.(*Server).serve(")
}

// peer is a client.
type peer struct {
	*net.TCPConn
	t testing.TB
}

func (p *peer) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) hear(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p, got); err != nil || string(got) != want {
		p.t.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

func (p *peer) ask(line string) {
	p.t.Helper()
	p.say(line + "\n")
	p.hear(line + "\n")
}

// ended expects that the server says no more and ends the connection.
func (p *peer) ended() {
	p.t.Helper()
	if rest, err := io.ReadAll(p); err != nil || len(rest) > 0 {
		p.t.Errorf("read %q, %v; want the end", rest, err)
	}
}

func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
