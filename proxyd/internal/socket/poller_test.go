package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"section.internal/contract/addrtest"
	"section.internal/proxyd/internal/watchtest"
)

func TestPark_ResumesOnceForWhateverHappens(t *testing.T) {
	s := newPoller(t)
	for name, happens := range map[string]func(c *Conn, peer *net.TCPConn){
		"bytes":     func(_ *Conn, peer *net.TCPConn) { send(t, peer, "x") },
		"end":       func(_ *Conn, peer *net.TCPConn) { peer.Close() },
		"reset":     func(_ *Conn, peer *net.TCPConn) { peer.SetLinger(0); peer.Close() },
		"limit":     func(c *Conn, _ *net.TCPConn) { c.LimitRead(time.Nanosecond) },
		"interrupt": func(c *Conn, _ *net.TCPConn) { c.Interrupt() },
		"cut":       func(c *Conn, _ *net.TCPConn) { c.Cut() },
	} {
		c, peer := pair(t, s)
		quiet(t, c)
		var resumed atomic.Int32
		wake := make(chan struct{}, 10)
		if !c.Park(func() { resumed.Add(1); wake <- struct{}{} }) {
			t.Fatalf("%s: a silent connection is not parked", name)
		}
		happens(c, peer)
		within(t, func() struct{} { return <-wake })
		c.Interrupt() // a second event
		if n := resumed.Load(); n != 1 {
			t.Errorf("%s: resumed %d times", name, n)
		}
	}
}

func TestPark_RefusesAConnectionThatHasNews(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	quiet(t, c)
	send(t, peer, "x")
	watchtest.Eventually(t, "the poller knows", func() bool { return c.in.state.Load() == ready })
	if c.Park(func() { t.Error("resumed although it was not parked") }) {
		t.Error("it was parked")
	}
	if err := c.Fill(1); err != nil {
		t.Error(err)
	}
}

func TestPark_KeepsWhatIsBufferedInABufferOfItsSize(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	quiet(t, c)
	text := ""
	for _, step := range []struct {
		more string
		most int // the size of the buffer while parked
	}{
		{"\r\n\r\nG", smallest},
		{"E", smallest},
		{strings.Repeat("x", smallest-10), smallest}, // fits into it
		{strings.Repeat("y", 100), 2 * (smallest - 6 + 98)},
		{strings.Repeat("z", 3<<10), 2 * (3<<10 + smallest + 100)},
		{strings.Repeat("z", 2<<10), bufferSize}, // so many that it is not worth it
		{strings.Repeat("z", 20<<10), 64 << 10},
	} {
		resumed := make(chan struct{})
		if !c.Park(func() { close(resumed) }) {
			t.Fatal("a silent connection is not parked")
		}
		text += step.more
		send(t, peer, step.more)
		within(t, func() struct{} { <-resumed; return struct{}{} })
		for len(c.Buffered()) < len(text) {
			if err := within(t, func() error { return c.Fill(64 << 10) }); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(text, "\r\n\r\n") {
			c.Consume(4)
			text = text[4:]
		}
		if string(c.Buffered()) != text {
			t.Fatalf("%d bytes are buffered, not the %d that were sent", len(c.Buffered()), len(text))
		}
		c.shrink()
		if len(c.buf) > step.most || len(c.buf) < len(text) || string(c.Buffered()) != text {
			t.Errorf("with %d bytes the buffer has %d; want at most %d, and the same bytes", len(text), len(c.buf), step.most)
		}
		for err := error(nil); err != ErrNotReady; err = c.FillReady(64 << 10) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Consume(len(c.Buffered()))
	if c.buf != nil {
		t.Error("the buffer was kept although all is consumed")
	}
}

// A buffer that parking has made small must not make a read of each few bytes of what comes then.
func TestPark_WhatComesThenTakesNoMoreThanOneReadMore(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	quiet(t, c)
	send(t, peer, "x")
	if err := within(t, func() error { return c.Fill(1) }); err != nil {
		t.Fatal(err)
	}
	resumed := make(chan struct{})
	if !c.Park(func() { close(resumed) }) {
		t.Fatal("a silent connection is not parked")
	}
	const n = 10 << 10
	send(t, peer, strings.Repeat("x", n))
	within(t, func() struct{} { <-resumed; return struct{}{} })
	watchtest.Eventually(t, "all has come", func() bool {
		unread, err := unix.IoctlGetInt(c.fd, unix.TIOCINQ)
		return err == nil && unread == n
	})
	for range 2 {
		if err := c.Fill(bufferSize); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.Buffered()); got != 1+n {
		t.Errorf("two reads gave %d bytes of %d", got-1, n)
	}
}

// quiet makes the connection know that there is nothing to read.
func quiet(t *testing.T, c *Conn) {
	t.Helper()
	c.LimitRead(time.Nanosecond)
	if err := c.Fill(1); err != ErrTimeout {
		t.Fatal(err)
	}
	c.LimitRead(0)
	c.shard.each(func(*Conn) {}) // behind the sweep that may have seen the limit before it was lifted
	c.in.clear()
}

// The bytes and the end of a stream may be told of at once, and the end must not be forgotten over the bytes.
func TestFill_FindsTheEndThatCameWithTheLastBytes(t *testing.T) {
	s := newPoller(t)
	for range 200 {
		c, peer := pair(t, s)
		send(t, peer, "last")
		peer.CloseWrite()
		for len(c.Buffered()) < len("last") {
			if err := within(t, func() error { return c.Fill(100) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := within(t, func() error { return c.Fill(100) }); err == nil {
			t.Fatal("no end")
		}
		c.Close()
		peer.Close()
	}
}

// News of a descriptor that was closed must not reach the connection that has it next.
func TestPoller_NewsOfTheDeadDoNotReachTheLiving(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	quiet(t, c)
	s.mu.Lock()
	c.generation++ // what epoll says from now on is of one that had the descriptor before
	s.mu.Unlock()
	send(t, peer, "x")
	c2, peer2 := pair(t, s)
	quiet(t, c2)
	send(t, peer2, "x") // of which c2 hears from the poller, and so after what there is for c
	if err := within(t, func() error { return c2.Fill(1) }); err != nil {
		t.Fatal(err)
	}
	if c.in.state.Load() != unready || c.hungUp.Load() {
		t.Error("it was told")
	}
}

func TestEnded_KnowsWithoutBeingTold(t *testing.T) {
	s := newPoller(t)
	for name, happens := range map[string]func(peer *net.TCPConn){
		"an end":           func(peer *net.TCPConn) { peer.Close() },
		"unsolicited byte": func(peer *net.TCPConn) { send(t, peer, "x") },
	} {
		c, peer := pair(t, s)
		quiet(t, c)
		if c.Ended() {
			t.Errorf("%s: ended before anything happened", name)
		}
		happens(peer)
		watchtest.Eventually(t, name+" is noticed", c.Ended)
	}
}

func TestDial_SaysWhyItFailed(t *testing.T) {
	s := newPoller(t)
	addr := addrtest.Nobody(t)
	at := netip.MustParseAddrPort(addr)
	if _, err := s.Dial(t.Context(), at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, at); err != context.Canceled {
		t.Errorf("the context had ended: %v", err)
	}
}

func TestListener_AcceptsAllUntilItsLimit(t *testing.T) {
	s := newPoller(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	listener, err := NewListener(l.(*net.TCPListener), s)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 3 { // several before the first is accepted: the kernel tells of them once
		var peers []net.Conn
		for range 5 {
			peer, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			peers = append(peers, peer)
		}
		for _, peer := range peers {
			c, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if c.Remote().String() != peer.LocalAddr().String() {
				t.Errorf("accepted %v; want %v", c.Remote(), peer.LocalAddr())
			}
			c.Close()
			peer.Close()
		}
	}
	listener.Limit(time.Nanosecond)
	if _, err := listener.Accept(); err != ErrTimeout {
		t.Errorf("Accept: %v; want ErrTimeout", err)
	}
}

// A time that was told of an earlier read must not be taken for that of a later one.
func TestTold_IsWhenTheKernelToldOrWhenNobodyHadToWait(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	c.in.clear() // of a new connection nothing is known
	fill := func() {
		t.Helper()
		if err := within(t, func() error { return c.Fill(1) }); err != nil {
			t.Fatal(err)
		}
		c.Consume(1)
	}
	for range 20 {
		resumed := make(chan time.Time, 1)
		if !c.Park(func() { resumed <- time.Now() }) {
			t.Fatal("not parked")
		}
		sent := time.Now()
		send(t, peer, "x")
		read := <-resumed
		fill()
		if told := c.Told(); told.Before(sent) || told.After(read) {
			t.Errorf("parked: sent at %v, resumed at %v, told at %v", sent, read, told)
		}

		for send(t, peer, "y"); !c.readable(); {
			runtime.Gosched()
		}
		before := time.Now()
		fill()
		if told := c.Told(); told.Before(before) {
			t.Errorf("there before the read at %v: told at %v", before, told)
		}

		written := make(chan struct{})
		go func() {
			for c.in.state.Load() != waiting {
				runtime.Gosched()
			}
			sent = time.Now()
			peer.Write([]byte("z"))
			close(written)
		}()
		fill()
		read = time.Now()
		<-written
		if told := c.Told(); told.Before(sent) || told.After(read) {
			t.Errorf("waited for: sent at %v, read at %v, told at %v", sent, read, told)
		}
	}
}
