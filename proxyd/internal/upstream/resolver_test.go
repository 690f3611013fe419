package upstream

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/watchtest"
)

var (
	one           = netip.MustParseAddr("192.0.2.1")
	two           = netip.MustParseAddr("192.0.2.2")
	six           = netip.MustParseAddr("2001:db8::6")
	errOutOfOrder = errors.New("the name server is out of order")
)

// inBubble runs a resolver in fake time.
func inBubble(t *testing.T, names *lookup, every time.Duration, f func(t *testing.T, r *resolver, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r, err := newResolver("next-hop.test:80", names.look, func() time.Duration { return every },
			slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.run(ctx)
		}()
		synctest.Wait()
		f(t, r, &log)
		cancel()
		<-done
	})
}

func addrs(r *resolver) (ips []netip.Addr) {
	for _, a := range r.answer().addrs {
		ips = append(ips, a.Addr())
	}
	return ips
}

func TestResolver_AsksAgainOnItsInterval(t *testing.T) {
	names := &lookup{addrs: []netip.Addr{one}}
	inBubble(t, names, 10*time.Second, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		if names.count() != 1 || !slices.Equal(addrs(r), []netip.Addr{one}) {
			t.Fatalf("asked %d times, have %v", names.count(), addrs(r))
		}
		names.set(nil, two, six)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if names.count() != 1 {
			t.Error("asked before the interval had passed")
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if names.count() != 2 || !slices.Equal(addrs(r), []netip.Addr{two, six}) {
			t.Errorf("asked %d times, have %v", names.count(), addrs(r))
		}
	})
}

func TestResolver_KeepsTheLastGoodAnswer(t *testing.T) {
	names := &lookup{addrs: []netip.Addr{one, two}}
	inBubble(t, names, 10*time.Second, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		good := r.answer().at
		for _, bad := range []error{errOutOfOrder, nil} { // an answer without addresses is no good one
			names.set(bad)
			time.Sleep(time.Minute)
			synctest.Wait()
			a := r.answer()
			if !slices.Equal(addrs(r), []netip.Addr{one, two}) || a.err == nil || !a.at.Equal(good) {
				t.Errorf("after %v: %v, %v, of %v", bad, addrs(r), a.err, a.at)
			}
		}
		if n := strings.Count(log.String(), "does not resolve"); n != 1 {
			t.Errorf("said %d times that the name does not resolve; want once:\n%s", n, log)
		}
		names.set(nil, two, one)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.answer().err != nil || strings.Count(log.String(), "resolves again") != 1 {
			t.Errorf("%v\n%s", r.answer().err, log)
		}
	})
}

func TestResolver_AFailureIsRetriedSoonButNotInARush(t *testing.T) {
	names := &lookup{err: errOutOfOrder}
	inBubble(t, names, time.Hour, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		before := names.count()
		for range 1000 { // as many requests want an address
			r.again()
			time.Sleep(10 * time.Millisecond)
		}
		if asked := names.count() - before; asked < 9 || asked > 11 {
			t.Errorf("asked %d times in 10 s; want once a second", asked)
		}
	})
}

func TestResolver_AFailedConnectionMakesItAskAgain(t *testing.T) {
	names := &lookup{addrs: []netip.Addr{one}}
	inBubble(t, names, time.Hour, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		time.Sleep(time.Minute)
		names.set(nil, two)
		r.again()
		synctest.Wait()
		if names.count() != 2 || !slices.Equal(addrs(r), []netip.Addr{two}) {
			t.Errorf("asked %d times, have %v; want 2 times", names.count(), addrs(r))
		}
	})
}

func TestResolver_NewerWaitsForAResolutionThatTheCallerHasNotSeen(t *testing.T) {
	names := &lookup{err: errOutOfOrder}
	inBubble(t, names, time.Hour, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		seen := r.answer()
		start := time.Now()
		newer, err := r.newer(t.Context(), seen)
		if err != nil || newer.err == nil || newer.tries != seen.tries+1 || time.Since(start) != retryAfter {
			t.Errorf("%+v, %v after %v", newer, err, time.Since(start))
		}
		names.set(nil, one)
		newer, err = r.newer(t.Context(), newer)
		if err != nil || newer.err != nil || len(newer.addrs) != 1 {
			t.Errorf("%+v, %v", newer, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := r.newer(short, newer); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; want that the time is over", err)
		}
	})
}

func TestResolver_AHangingNameServerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		r, err := newResolver("next-hop.test:80", hang, func() time.Duration { return time.Hour }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.run(ctx)
		}()
		time.Sleep(lookupTimeout)
		synctest.Wait()
		if a := r.answer(); a.tries != 1 || !errors.Is(a.err, context.DeadlineExceeded) {
			t.Errorf("%+v", a)
		}
		cancel()
		<-done
		if a := r.answer(); a.tries != 1 {
			t.Errorf("the stop was taken for an answer: %+v", a)
		}
	})
}

func TestResolver_SaysWhatANextHopLooksLike(t *testing.T) {
	for _, bad := range []string{"", "next-hop", ":80", "next-hop:", "next-hop:0", "next-hop:65536", "next-hop:http-but-wrong", "a:b:c"} {
		_, err := newResolver(bad, nil, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "want HOST:PORT") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for name, want := range map[string]string{"192.0.2.1:8080": "192.0.2.1:8080", "[2001:db8::6]:80": "[2001:db8::6]:80"} {
		r, err := newResolver(name, nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.resolve(t.Context()) // without a name server
		if a := r.answer(); len(a.addrs) != 1 || a.addrs[0].String() != want {
			t.Errorf("%s: %v, %v", name, a.addrs, a.err)
		}
	}
}

func TestResolver_AnAddressThatComesTwiceCountsOnce(t *testing.T) {
	mapped := netip.AddrFrom16(one.As16()) // IPv4 in IPv6
	names := &lookup{addrs: []netip.Addr{one, mapped, six, one}}
	inBubble(t, names, time.Hour, func(t *testing.T, r *resolver, log *bytes.Buffer) {
		if !slices.Equal(addrs(r), []netip.Addr{one, six}) {
			t.Errorf("%v", addrs(r))
		}
	})
}

func TestPool_StartsWithoutANameServer(t *testing.T) {
	o := newOrigin(t, "127.0.0.1")
	names := &lookup{err: errOutOfOrder}
	p := newPoolAt(t, o.name(), names.look, testSettings(), slog.New(slog.DiscardHandler))
	_, err := take(p, false)
	wantReason(t, err, httpcache.NextHopUnresolved, "cannot resolve "+o.name(), errOutOfOrder.Error())
	names.set(nil, o.addrs...)
	c, err := take(p, false) // waits for the next resolution
	if err != nil {
		t.Fatal(err)
	}
	p.Put(c)
	if s := p.Status(); s.Err != nil || len(s.Addresses) != 1 || s.Resolved.IsZero() || s.Name != o.name() {
		t.Errorf("%+v", s)
	}
}

func TestPool_GoesToTheNewAddressWhenNextHopMoves(t *testing.T) {
	o := newOrigin(t, "127.0.0.2")
	names := &lookup{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.9")}} // where nobody listens any more
	p := newPoolAt(t, o.name(), names.look, testSettings(), slog.New(slog.DiscardHandler))
	_, err := take(p, false)
	wantReason(t, err, httpcache.NextHopRefused)
	names.set(nil, o.addrs...) // the interval is an hour: the failure makes the pool ask
	watchtest.Eventually(t, "a connection to the new address", func() bool {
		c, err := take(p, true)
		if err != nil {
			return false
		}
		p.Put(c)
		return c.Remote().Addr() == o.addrs[0]
	})
}
