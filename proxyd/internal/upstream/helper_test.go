package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/leaktest"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/watchtest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// patience bounds what a test waits for and expects to come.
const patience = 10 * time.Second

// origin listens on some loopback addresses at one port and hands out what it accepts. At the test's end all descriptors that
// were opened since must have been given back.
type origin struct {
	port     uint16
	addrs    []netip.Addr
	accepted chan *net.TCPConn
}

func newOrigin(t testing.TB, addrs ...string) *origin {
	t.Helper()
	o := &origin{accepted: make(chan *net.TCPConn, 100)}
	before := watchtest.Descriptors(t)
	t.Cleanup(func() {
		watchtest.Eventually(t, "all descriptors are given back", func() bool { return watchtest.Descriptors(t) <= before })
	})
	var accepting sync.WaitGroup
	var listeners []net.Listener
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		go func() { // there may be more of them than the channel holds
			accepting.Wait()
			close(o.accepted)
		}()
		for c := range o.accepted {
			c.Close()
		}
	})
	listeners = listenAtOnePort(t, 0, addrs...)
	for listeners == nil { // somebody had the first one's port at another address
		listeners = listenAtOnePort(t, 0, addrs...)
	}
	for _, l := range listeners {
		at := l.Addr().(*net.TCPAddr).AddrPort()
		o.port, o.addrs = at.Port(), append(o.addrs, at.Addr())
		accepting.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				o.accepted <- c.(*net.TCPConn)
			}
		})
	}
	return o
}

// listenAtOnePort listens on addresses at one port; nil where somebody else has it. Port 0 is one that the first address has free.
func listenAtOnePort(t testing.TB, port uint16, addrs ...string) (listeners []net.Listener) {
	t.Helper()
	for _, addr := range addrs {
		l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr(addr), port).String())
		if errors.Is(err, syscall.EADDRINUSE) {
			for _, l := range listeners {
				l.Close()
			}
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	return listeners
}

func (o *origin) name() string { return net.JoinHostPort("next-hop.test", strconv.Itoa(int(o.port))) }

// accept returns the next connection that came in.
func (o *origin) accept(t testing.TB) *net.TCPConn {
	t.Helper()
	select {
	case c := <-o.accepted:
		t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(patience):
		t.Fatal("no connection came in")
		return nil
	}
}

// lookup is a name server.
type lookup struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
	asked int
}

func (l *lookup) look(ctx context.Context, host string) ([]netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if host != "next-hop.test" {
		return nil, errors.New("asked for " + host)
	}
	return l.addrs, l.err
}

func (l *lookup) set(err error, addrs ...netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs, l.err = addrs, err
}

func (l *lookup) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func testSettings() config.NextHop {
	s := config.Default().NextHop
	s.ConnectTimeout = patience
	s.ResolveEvery = time.Hour
	return s
}

// newPool returns a pool for the addresses of o, which at the test's end must have given back all places.
func newPool(t testing.TB, o *origin, settings config.NextHop) *Pool {
	t.Helper()
	return newPoolAt(t, o.name(), (&lookup{addrs: o.addrs}).look, settings, slog.New(slog.DiscardHandler))
}

func newPoolAt(t testing.TB, name string, look Lookup, settings config.NextHop, log *slog.Logger) *Pool {
	t.Helper()
	poller, err := socket.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPool(name, look, func() config.NextHop { return settings }, poller, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		poller.Close()
		watchtest.Eventually(t, "all places are given back", func() bool { return p.Status().Open == 0 })
	})
	return p
}

// take returns a connection as an exchange does: an idle one, if there is one and fresh does not forbid it, before it waits.
func take(p *Pool, fresh bool) (*Conn, error) {
	if !fresh {
		if c := p.Idle(); c != nil {
			return c, nil
		}
	}
	return p.Get(context.Background(), fresh)
}

func get(t testing.TB, p *Pool, fresh bool) *Conn {
	t.Helper()
	c, err := take(p, fresh)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connect returns a new connection and its peer.
func connect(t testing.TB, p *Pool, o *origin) (*Conn, *net.TCPConn) {
	t.Helper()
	c := get(t, p, true)
	return c, o.accept(t)
}

// getLater starts a Get and returns when it waits for a place.
func getLater(t testing.TB, p *Pool, fresh bool) <-chan got {
	t.Helper()
	return getUntil(t, context.Background(), p, fresh)
}

func getUntil(t testing.TB, ctx context.Context, p *Pool, fresh bool) <-chan got {
	t.Helper()
	waiting := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.waiting)
	}
	before := waiting()
	result := make(chan got, 1)
	go func() {
		c, err := p.Get(ctx, fresh)
		result <- got{c, err}
	}()
	watchtest.Eventually(t, "Get waits", func() bool { return waiting() > before })
	return result
}

type got struct {
	*Conn
	err error
}

func wait(t testing.TB, result <-chan got) got {
	t.Helper()
	select {
	case g := <-result:
		return g
	case <-time.After(patience):
		t.Fatal("Get did not return")
		return got{}
	}
}

// wantReason expects an *Error with this reason, whose text holds the words.
func wantReason(t testing.TB, err error, reason httpcache.Reason, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != reason {
		t.Errorf("%v (%T); want the reason %s", err, err, reason)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
