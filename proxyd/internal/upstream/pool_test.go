package upstream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/watchtest"
)

func TestPool_HandsOutTheConnectionUsedLast(t *testing.T) {
	p := newPool(t, newOrigin(t, "127.0.0.1"), testSettings())
	a, b := get(t, p, false), get(t, p, false)
	if a.Reused || b.Reused {
		t.Error("new connections count as reused")
	}
	p.Put(a)
	p.Put(b)
	if c := get(t, p, false); c != b || !c.Reused {
		t.Error("want the one that was given back last, marked as reused")
	} else {
		p.Discard(c)
	}
	if s := p.Status(); s.Open != 1 || s.Idle != 1 || s.Total != 2 {
		t.Errorf("%+v", s)
	}
}

func TestPool_FreshForbidsAPooledOne(t *testing.T) {
	p := newPool(t, newOrigin(t, "127.0.0.1"), testSettings())
	a := get(t, p, false)
	p.Put(a)
	c := get(t, p, true)
	if c == a || c.Reused {
		t.Error("a pooled connection was returned")
	}
	p.Discard(c)
}

func TestPool_LimitsOfAnExchangeEndWithIt(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	p := newPool(t, o, testSettings())
	c := get(t, p, false)
	c.LimitRead(time.Nanosecond)
	c.LimitWrite(time.Nanosecond)
	if err := c.Fill(1); err == nil {
		t.Fatal("the limit did not fire")
	}
	p.Put(c)
	if c != get(t, p, false) {
		t.Fatal("another connection")
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Errorf("a write of the next exchange: %v", err)
	}
	peer := o.accept(t)
	if _, err := io.ReadFull(peer, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	go peer.Write([]byte("pong"))
	if err := c.Fill(1); err != nil {
		t.Errorf("a read of the next exchange: %v", err)
	}
	p.Discard(c)
}

func TestPool_EndedConnectionIsNeverUsedAgain(t *testing.T) {
	for name, spoil := range map[string]func(*net.TCPConn){
		"ended":         func(c *net.TCPConn) { c.Close() },
		"reset":         func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"unasked bytes": func(c *net.TCPConn) { c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, "127.0.0.1")
			p := newPool(t, o, testSettings())
			good, _ := connect(t, p, o)
			bad, peer := connect(t, p, o)
			spoil(peer)
			watchtest.Eventually(t, "the kernel has taken what the peer did", bad.Ended)
			p.Put(good)
			p.Put(bad)
			if c := get(t, p, false); c != good {
				t.Error("want the good one below the spoilt one")
			}
			if s := p.Status(); s.Idle != 0 {
				t.Errorf("%+v", s)
			}
			// It may take a moment: tidy may have taken the spoilt one out of the idle ones, to end it.
			watchtest.Eventually(t, "only the good one is open", func() bool { return p.Status().Open == 1 })
			p.Discard(good)
		})
	}
}

func TestPool_AtItsLimitGetWaitsForAnother(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	p := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	a := get(t, p, false)
	second, third := getLater(t, p, false), getLater(t, p, false)
	p.Put(a)
	g := wait(t, second) // who waited longest
	if g.err != nil || g.Conn != a || !g.Reused {
		t.Fatalf("%v; want the connection that was given back", g.err)
	}
	p.Discard(g.Conn)
	g = wait(t, third)
	if g.err != nil || g.Conn == a || g.Reused {
		t.Fatalf("%v; want a new connection in the discarded one's place", g.err)
	}
	if s := p.Status(); s.Open != 1 || s.Idle != 0 {
		t.Errorf("%+v", s)
	}
	p.Put(g.Conn)
}

func TestPool_AtItsLimitGetGivesUpInTime(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	settings.ConnectTimeout = 20 * time.Millisecond
	p := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	var a *Conn
	watchtest.Eventually(t, "a connection in so little time", func() bool {
		var err error
		a, err = take(p, false)
		return err == nil
	})
	_, err := take(p, false)
	wantReason(t, err, httpcache.TooManyConnections, "all 1 connections", "20ms", "next_hop.max_connections", "next_hop.connect_timeout")
	_, err = take(p, true)
	wantReason(t, err, httpcache.TooManyConnections)
	p.Put(a) // goes to nobody who has given up
	if c := get(t, p, false); c != a {
		t.Error("the connection went elsewhere")
	} else {
		p.Put(c)
	}
}

// Between the look for an idle connection and the wait for one, the only one may be given back.
func TestPool_GetDoesNotWaitBesideAnIdleConnection(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	p := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	a := get(t, p, false)
	p.Put(a)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c, err := p.reserve(ctx, settings.MaxConnections, false)
	if err != nil || c != a {
		t.Fatalf("%v; want the idle connection", err)
	}
	p.Put(c)
}

func TestPool_ConnectionThatEndedIsNotHandedToOneWhoWaits(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	settings := testSettings()
	settings.MaxConnections = 1
	p := newPool(t, o, settings)
	a := get(t, p, false)
	waiting := getLater(t, p, false)
	o.accept(t).Close()
	watchtest.Eventually(t, "the end is seen", a.Ended)
	p.Put(a)
	g := wait(t, waiting)
	if g.err != nil || g.Conn == a || g.Reused {
		t.Errorf("%v; want a new connection", g.err)
	}
	if s := p.Status(); s.Open != 1 {
		t.Errorf("%+v", s)
	}
	p.Discard(g.Conn)
}

func TestPool_FreshAtTheLimitTakesAnothersPlace(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 2
	p := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	a, b := get(t, p, false), get(t, p, false)
	p.Put(a)
	c := get(t, p, true) // the idle one makes way
	if c == a || c.Reused || p.Status().Open != 2 || p.Status().Idle != 0 {
		t.Errorf("%+v", p.Status())
	}
	waiting := getLater(t, p, true) // none is idle: the next that is given back makes way
	p.Put(b)
	g := wait(t, waiting)
	if g.err != nil || g.Conn == b || g.Reused || p.Status().Open != 2 {
		t.Errorf("%v, %+v", g.err, p.Status())
	}
	p.Put(c)
	p.Discard(g.Conn)
}

func TestPool_NoPlaceAndNobodyWhoWaitsIsEverLost(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	settings := testSettings()
	settings.MaxConnections = 3
	p := newPool(t, o, settings)
	stop := make(chan struct{})
	var peers, users sync.WaitGroup
	peers.Go(func() { // next-hop ends one connection in three
		for {
			select {
			case c := <-o.accepted:
				if rand.IntN(3) == 0 {
					c.Close()
				} else {
					defer c.Close()
				}
			case <-stop:
				return
			}
		}
	})
	for range 12 {
		users.Go(func() {
			for range 100 {
				c, err := take(p, rand.IntN(5) == 0)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				if open := p.Status().Open; open > 3 {
					t.Errorf("%d are open; want 3 at most", open)
				}
				if rand.IntN(4) == 0 {
					p.Discard(c)
				} else {
					p.Put(c)
				}
			}
		})
	}
	users.Wait()
	close(stop)
	peers.Wait()
	// It may take a moment: tidy ends what it has taken out of the idle ones.
	watchtest.Eventually(t, "all that are open are idle", func() bool { s := p.Status(); return s.Open == s.Idle })
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		t.Errorf("%d wait", len(p.waiting))
	}
}

func TestPool_UsesAllAddresses(t *testing.T) {
	o := newOrigin(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	p := newPool(t, o, testSettings())
	seen := map[string]int{}
	for range 6 {
		c := get(t, p, true)
		seen[c.Remote().Addr().String()]++
		p.Discard(c)
	}
	for _, addr := range o.addrs {
		if seen[addr.String()] != 2 {
			t.Errorf("six connections went to %v; want two to each", seen)
			break
		}
	}
}

func TestPool_AddressThatFailedIsTriedLast(t *testing.T) {
	o := newOrigin(t, "127.0.0.1", "127.0.0.2")
	dead := netip.MustParseAddr("127.0.0.9")
	var log bytes.Buffer
	p := newPoolAt(t, o.name(), (&lookup{addrs: append([]netip.Addr{dead}, o.addrs...)}).look, testSettings(),
		slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	for range 6 {
		p.Discard(get(t, p, true))
	}
	known := p.resolver.answer().addrs
	for range len(known) {
		if order := p.inOrder(known); len(order) != 3 || order[2].Addr() != dead {
			t.Errorf("tried in the order %v; want %v last", order, dead)
		}
	}
	if n := strings.Count(log.String(), "does not connect"); n != 1 || !strings.Contains(log.String(), dead.String()) {
		t.Errorf("logged %d times; want once, with the address:\n%s", n, &log)
	}
	// After a while it gets its turn again.
	p.mu.Lock()
	p.failed[netip.AddrPortFrom(dead, o.port)] = time.Now().Add(-failedFor)
	p.mu.Unlock()
	first := map[netip.Addr]bool{}
	for range len(known) {
		first[p.inOrder(known)[0].Addr()] = true
	}
	if !first[dead] {
		t.Error("the address never gets its turn again")
	}
}

func TestPool_SaysWhyThereIsNoConnection(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	refusing := newPoolAt(t, o.name(), (&lookup{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.9")}}).look, testSettings(),
		slog.New(slog.DiscardHandler))
	_, err := take(refusing, false)
	wantReason(t, err, httpcache.NextHopRefused, "cannot connect to "+o.name(), "connection refused")

	settings := testSettings()
	settings.ConnectTimeout = 30 * time.Millisecond
	silent := newPoolAt(t, fullBacklog(t), nil, settings, slog.New(slog.DiscardHandler))
	watchtest.Eventually(t, "the address is known", func() bool { return len(silent.Status().Addresses) > 0 })
	_, err = take(silent, false)
	wantReason(t, err, httpcache.NextHopConnectTimeout, "within 30ms", "next_hop.connect_timeout")

	unknown := newPoolAt(t, o.name(), (&lookup{err: &net.DNSError{Err: "no such host", Name: "next-hop.test"}}).look, testSettings(),
		slog.New(slog.DiscardHandler))
	_, err = take(unknown, false)
	wantReason(t, err, httpcache.NextHopUnresolved, "cannot resolve "+o.name(), "no such host")

	unreachable := newPoolAt(t, "255.255.255.255:80", nil, testSettings(), slog.New(slog.DiscardHandler))
	_, err = take(unreachable, false)
	wantReason(t, err, httpcache.NextHopUnreachable, "cannot connect to 255.255.255.255:80")

	for _, p := range []*Pool{refusing, silent, unknown, unreachable} {
		if s := p.Status(); s.Open != 0 {
			t.Errorf("a place was lost: %+v", s)
		}
	}
}

// fullBacklog returns the address of a listener that takes no more connections, without refusing them.
func fullBacklog(t testing.TB) string {
	t.Helper()
	l := listenAtOnePort(t, 0, "127.0.0.1")[0]
	t.Cleanup(func() { l.Close() })
	watchtest.FillQueue(t, l.(*net.TCPListener))
	return l.Addr().String()
}

func TestPool_ADeadAddressLeavesTimeForTheOthers(t *testing.T) {
	var dead netip.AddrPort // on 127.0.0.1
	var live []net.Listener
	for live == nil {
		dead = netip.MustParseAddrPort(fullBacklog(t))
		live = listenAtOnePort(t, dead.Port(), "127.0.0.2")
	}
	defer live[0].Close()
	settings := testSettings()
	settings.ConnectTimeout = 2 * time.Second // half of it for each
	o := &origin{port: dead.Port(), addrs: []netip.Addr{netip.MustParseAddr("127.0.0.2"), dead.Addr()}}
	p := newPool(t, o, settings)
	for range 4 {
		c := get(t, p, true)
		if c.Remote().Addr() != o.addrs[0] {
			t.Errorf("connected to %v", c.Remote())
		}
		p.Discard(c)
	}
}

// Who has waited for a place until there is no time left must not blame an address for it.
func TestPool_NoTimeLeftIsNoFaultOfAnAddress(t *testing.T) {
	p := newPool(t, newOrigin(t, "127.0.0.1"), testSettings())
	p.Discard(get(t, p, false))
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err := p.connect(ctx)
	wantReason(t, err, httpcache.NextHopConnectTimeout)
	if len(p.failed) > 0 {
		t.Errorf("blamed: %v", p.failed)
	}
}

func TestPool_TidiesIdleConnectionsAway(t *testing.T) {
	o := newOrigin(t, "127.0.0.1", "127.0.0.2")
	names := &lookup{addrs: o.addrs}
	settings := testSettings()
	p := newPoolAt(t, o.name(), names.look, settings, slog.New(slog.DiscardHandler))
	// Connections go to the addresses in turn: ended and moved share one, old and good the other.
	ended, endedPeer := connect(t, p, o)
	old, _ := connect(t, p, o)
	moved, _ := connect(t, p, o)
	good, _ := connect(t, p, o)
	endedPeer.Close()
	for _, c := range []*Conn{ended, old, moved, good} {
		p.Put(c)
	}
	p.mu.Lock()
	old.idleAt = time.Now().Add(-settings.IdleTimeout)
	p.mu.Unlock()
	names.set(nil, good.Remote().Addr())
	p.resolver.again()
	watchtest.Eventually(t, "one is left", func() bool { s := p.Status(); return s.Open == 1 && s.Idle == 1 })
	if c := get(t, p, false); c != good {
		t.Error("a good one was ended")
	} else {
		p.Put(c)
	}
}

func TestPool_CloseEndsIdleOnesAtOnceAndOthersWhenTheyComeBack(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	p := newPool(t, o, testSettings())
	idle, busy := get(t, p, false), get(t, p, false)
	idlePeer, busyPeer := o.accept(t), o.accept(t)
	p.Put(idle)
	p.Close()
	if _, err := idlePeer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle one's peer reads %v; want EOF", err)
	}
	if _, err := busy.Write([]byte("x")); err != nil {
		t.Errorf("the busy one was ended: %v", err)
	}
	p.Put(busy)
	io.ReadFull(busyPeer, make([]byte, 1))
	if _, err := busyPeer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the busy one's peer reads %v; want EOF", err)
	}
	if s := p.Status(); s.Open != 0 || s.Idle != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := take(p, false); err == nil {
		t.Error("a closed pool connects")
	}
}

func TestPool_WhoGivesUpLeavesItsPlaceInTheQueueToTheNext(t *testing.T) {
	settings := testSettings()
	settings.ConnectTimeout = time.Hour
	settings.MaxConnections = 1
	p := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	a := get(t, p, false)
	ctx, leave := context.WithCancel(t.Context())
	second, third := getUntil(t, ctx, p, false), getLater(t, p, false)
	leave()
	if g := wait(t, second); g.err == nil {
		t.Fatal("Get returned a connection")
	}
	p.Put(a)
	if g := wait(t, third); g.err != nil || g.Conn != a {
		t.Fatalf("%v; want the connection that was given back", g.err)
	}
	p.Put(a)
}

func TestPool_WhoGivesUpEndsItsConnect(t *testing.T) {
	settings := testSettings()
	settings.ConnectTimeout = time.Hour
	settings.MaxConnections = 1
	p := newPoolAt(t, fullBacklog(t), nil, settings, slog.New(slog.DiscardHandler))
	ctx, leave := context.WithCancel(t.Context())
	result := make(chan got, 1)
	go func() {
		c, err := p.Get(ctx, false)
		result <- got{c, err}
	}()
	watchtest.Eventually(t, "a connect is under way", func() bool { return p.Status().Open == 1 })
	next, leaveToo := context.WithCancel(t.Context())
	waiting := getUntil(t, next, p, false)
	leave()
	if g := wait(t, result); g.err == nil {
		t.Fatal("Get returned a connection")
	}
	watchtest.Eventually(t, "the next one connects in its place", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.open == 1 && len(p.waiting) == 0
	})
	leaveToo()
	if g := wait(t, waiting); g.err == nil {
		t.Fatal("Get returned a connection")
	}
	if s := p.Status(); s.Open != 0 || len(p.failed) > 0 {
		t.Errorf("%+v, blamed: %v; want neither", s, p.failed)
	}
}

func TestPool_AbortEndsAllWaits(t *testing.T) {
	settings := testSettings()
	settings.ConnectTimeout = time.Hour
	settings.MaxConnections = 1
	full := newPool(t, newOrigin(t, "127.0.0.1"), settings)
	busy := get(t, full, false)
	place := getLater(t, full, false)

	connecting := newPoolAt(t, fullBacklog(t), nil, settings, slog.New(slog.DiscardHandler))
	resolving := newPoolAt(t, "next-hop.test:80", func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, settings, slog.New(slog.DiscardHandler))
	results := []<-chan got{place}
	for _, p := range []*Pool{connecting, resolving} {
		result := make(chan got, 1)
		go func() {
			c, err := take(p, false)
			result <- got{c, err}
		}()
		watchtest.Eventually(t, "Get is under way", func() bool { return p.Status().Open == 1 })
		results = append(results, result)
	}
	full.Abort()
	connecting.Abort()
	resolving.Abort()
	for _, r := range results {
		if g := wait(t, r); g.err == nil {
			t.Error("Get returned a connection")
		}
	}
	full.Put(busy)
}
