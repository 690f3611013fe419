package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/leaktest"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/accesslog"
	"section.internal/proxyd/internal/downstream"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/limiter"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
	"section.internal/proxyd/internal/watchtest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// patience bounds what a test waits for and expects to come.
const patience = 10 * time.Second

// short is a limit of time that a test waits for.
const short = 20 * time.Millisecond

// proxy is an engine between a client and a next-hop that are both played by the test.
type proxy struct {
	t        testing.TB
	addr     string
	nextHop  *net.TCPListener
	engine   *exchange.Engine
	server   *downstream.Server
	pool     *upstream.Pool
	inForce  atomic.Pointer[config.Config]
	records  chan record
	draining atomic.Bool
	silent   atomic.Bool // records are dropped

	generations atomic.Int64 // how often it was asked which one is in force
}

// record is what the access log got, with texts of its own.
type record struct {
	accesslog.Record
	line, host, contentType, tag string
}

func (p *proxy) Append(r *accesslog.Record) {
	if p.silent.Load() {
		return
	}
	own := record{
		Record: *r, line: string(r.Request), host: string(r.Host), contentType: string(r.ContentType), tag: string(r.Tag),
	}
	select {
	case p.records <- own:
	default:
	}
}

// settings returns the defaults as changed, with limits that let a test which hangs fail.
func settings(change func(*config.Config)) *config.Config {
	c := config.Default()
	c.Client.HeaderTimeout, c.Client.BodyTimeout, c.Client.WriteTimeout, c.Client.IdleTimeout = patience, patience, patience, patience
	c.NextHop.HeaderTimeout, c.NextHop.BodyTimeout, c.NextHop.ConnectTimeout = patience, patience, patience
	if change != nil {
		change(&c)
	}
	return &c
}

// start returns a running proxy. At the end of the test it is drained, and must have given back all descriptors.
func start(t testing.TB, change func(*config.Config)) *proxy {
	t.Helper()
	return startWaiting(t, exchange.MaxWaiting, change)
}

// startParking is start, of a proxy that parks a connection as soon as the rest of a head is not there yet.
func startParking(t testing.TB, change func(*config.Config)) *proxy {
	t.Helper()
	return startWaiting(t, 0, change)
}

func startWaiting(t testing.TB, maxWaiting int64, change func(*config.Config)) *proxy {
	t.Helper()
	before := watchtest.Descriptors(t)
	nextHop, listener := watchtest.Listen(t), watchtest.Listen(t)
	poller, err := socket.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p := &proxy{t: t, addr: listener.Addr().String(), nextHop: nextHop, records: make(chan record, 1000)}
	p.inForce.Store(settings(change))
	rules := exchange.Compile(p.inForce.Load())
	limits := func() config.NextHop { return p.inForce.Load().NextHop }
	p.pool, err = upstream.NewPool(nextHop.Addr().String(), nil, limits, poller, log)
	if err != nil {
		t.Fatal(err)
	}
	p.engine = &exchange.Engine{
		NextHop: p.pool, Log: p, Limits: limiter.New(), Name: "next-hop", MaxWaiting: maxWaiting,
		InForce:  func() (*config.Config, *policy.Policy) { p.generations.Add(1); return p.inForce.Load(), rules },
		Draining: func() bool { return p.draining.Load() || p.server.Draining() },
	}
	p.server = downstream.NewServer(p.engine, func() *config.Client { return &p.inForce.Load().Client }, poller, log)
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if cut := p.server.Drain(ctx); cut > 0 {
			t.Errorf("%d connections were still busy at the end", cut)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		nextHop.Close()
		p.pool.Close()
		if s := p.pool.Status(); s.Open != 0 {
			t.Errorf("connections to next-hop were not given back: %+v", s)
		}
		if n := p.engine.InFlight.Load(); n != 0 {
			t.Errorf("%d exchanges are in flight", n)
		}
		poller.Close()
		watchtest.Eventually(t, "all descriptors are given back", func() bool { return watchtest.Descriptors(t) <= before })
	})
	return p
}

// reload puts a changed configuration in force for the requests that come from now on. The rules stay.
func (p *proxy) reload(change func(*config.Config)) {
	c := *p.inForce.Load()
	change(&c)
	p.inForce.Store(&c)
}

// client connects a client.
func (p *proxy) client() *peer {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	return newPeer(p.t, c)
}

// accept is next-hop's: it takes the next connection of proxyd.
func (p *proxy) accept() *peer {
	p.t.Helper()
	p.nextHop.SetDeadline(time.Now().Add(patience))
	c, err := p.nextHop.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	return newPeer(p.t, c)
}

// notAsked expects that no further connection came to next-hop. It is called when an exchange is over.
func (p *proxy) notAsked() {
	p.t.Helper()
	if n, _ := watchtest.Queue(p.t, p.nextHop); n > 0 {
		p.t.Error("next-hop was asked once more")
	}
	if n := p.pool.Status().Open; n > 0 {
		p.t.Logf("%d connections to next-hop are open", n)
	}
}

// record returns the next record of the access log.
func (p *proxy) record() record {
	p.t.Helper()
	select {
	case r := <-p.records:
		return r
	case <-time.After(patience):
		p.t.Fatal("no line in the access log")
		return record{}
	}
}

func (p *proxy) wantReason(want httpcache.Reason, status int) record {
	p.t.Helper()
	r := p.record()
	if r.Reason != want || r.Status != status {
		p.t.Errorf("logged %s with status %d; want %s with %d", r.Reason, r.Status, want, status)
	}
	return r
}

// peer is a client or a next-hop.
type peer struct {
	*net.TCPConn
	t testing.TB
}

func newPeer(t testing.TB, c net.Conn) *peer {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{c.(*net.TCPConn), t}
}

func (p *peer) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

// hear expects exactly this to come next.
func (p *peer) hear(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p, got); err != nil || string(got) != want {
		p.t.Fatalf("heard\n%q, %v; want\n%q", trimmed(got[:n]), err, trimmed([]byte(want)))
	}
}

func trimmed(b []byte) []byte {
	if len(b) > 2000 {
		return fmt.Appendf(nil, "%s... (%d bytes)", b[:2000], len(b))
	}
	return b
}

// head reads one head.
func (p *peer) head() string {
	p.t.Helper()
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(p, one); err != nil {
			p.t.Fatalf("heard\n%q, %v; want a head", head, err)
		}
		head = append(head, one...)
	}
	return string(head)
}

// rest reads until the end of the connection.
func (p *peer) rest() (string, error) {
	p.t.Helper()
	all, err := io.ReadAll(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("the connection did not end after %q", trimmed(all))
	}
	return string(all), err
}

// ended expects that nothing more comes and the connection ends well.
func (p *peer) ended() {
	p.t.Helper()
	if rest, err := p.rest(); err != nil || rest != "" {
		p.t.Errorf("heard %q, %v; want the end", rest, err)
	}
}

// cut expects that nothing more comes and the connection ends, well or not.
func (p *peer) cut() {
	p.t.Helper()
	if rest, err := p.rest(); rest != "" {
		p.t.Errorf("heard %q, %v; want the end", rest, err)
	}
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// get is a request, asked what proxyd makes of it, okay a response and okayed what proxyd makes of that.
const (
	get    = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
	asked  = "GET /x HTTP/1.1\r\nHost: a.test\r\nVia: 1.1 proxyd\r\n\r\n"
	okay   = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi"
	okayed = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nVia: 1.1 proxyd\r\n\r\nhi"
)

// passes sends one plain request through.
func passes(c, nextHop *peer) {
	c.t.Helper()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
}

// reused returns a client, and a connection to next-hop that waits in the pool.
func (p *proxy) reused() (c, nextHop *peer) {
	p.t.Helper()
	c, nextHop = p.occupied()
	nextHop.say(okay)
	c.hear(okayed)
	p.record()
	return c, nextHop
}

// settled waits until what has been answered is counted as well.
func (p *proxy) settled() {
	p.t.Helper()
	watchtest.Eventually(p.t, "nothing is in flight", func() bool { return p.engine.InFlight.Load() == 0 && p.engine.Waiting() == 0 })
}

// occupied returns a client whose request next-hop has and has not answered, and its connection there.
func (p *proxy) occupied() (busy, nextHop *peer) {
	p.t.Helper()
	busy = p.client()
	busy.say(get)
	nextHop = p.accept()
	nextHop.hear(asked)
	return busy, nextHop
}

// meanwhile runs f beside the test, which waits for it at its end.
func meanwhile(t testing.TB, f func()) (wait func()) {
	var running sync.WaitGroup
	running.Go(f)
	t.Cleanup(running.Wait)
	return running.Wait
}
