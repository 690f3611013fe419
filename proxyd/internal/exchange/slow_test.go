package exchange_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/watchtest"
)

// drip says text byte by byte, each when proxyd has read the one before.
func (p *peer) drip(text string) {
	p.t.Helper()
	fd := otherEnd(p.TCPConn)
	for i := range len(text) {
		p.say(text[i : i+1])
		watchtest.Eventually(p.t, "a byte is read", func() bool { return unread(fd) == 0 })
	}
}

// unfinished waits until n requests have begun, and no goroutine of proxyd waits for the rest of one.
func (p *proxy) unfinished(n int64, goroutines int) {
	p.t.Helper()
	watchtest.Eventually(p.t, "heads have begun and are left alone", func() bool {
		return p.engine.InFlight.Load() == n && runtime.NumGoroutine() <= goroutines
	})
}

func TestReceive_HeadThatComesByteByByteIsAnsweredAsIfItCameAtOnce(t *testing.T) {
	p := startParking(t, func(c *config.Config) { c.Client.MaxRequests = 4 })
	c := p.client()
	c.drip(get)
	nextHop := p.accept()
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)

	c.drip("\r\n\r\n") // empty lines are no request, however slow
	c.drip("\r\n" + sized(5) + "\r\nhello")
	nextHop.hear(sized(5) + via + "\r\nhello")
	nextHop.say(okay)
	c.hear(okayed)

	c.say(get + get[:1]) // the second is not there yet
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
	c.drip(get[1:20])
	c.say(get[20:])
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(strings.Replace(okayed, "Via", "Connection: close\r\nVia", 1)) // the fourth is the last
	c.ended()

	for i, want := range []int{len(get), 2 + len(sized(5)+"\r\nhello"), len(get), len(get)} {
		r := p.wantReason(httpcache.Passed, 200)
		if r.BytesIn != int64(want) && i != 1 || i == 1 && (r.BytesIn < int64(want)-2 || r.BytesIn > int64(want)) {
			t.Errorf("request %d: bytes_in = %d; want %d", i, r.BytesIn, want)
		}
	}
	p.settled()
	if n := p.engine.Requests.Load(); n != 4 {
		t.Errorf("%d requests were counted; want 4", n)
	}
}

// A reload does not change the limits of a request that has begun.
func TestReceive_SlowHeadKeepsItsGeneration(t *testing.T) {
	p := startParking(t, nil)
	c := p.client()
	c.drip(get)
	nextHop := p.accept()
	nextHop.hear(asked)
	if n := p.generations.Load(); n != 1 {
		t.Errorf("the generation in force was asked for %d times; want once", n)
	}
	nextHop.say(okay)
	c.hear(okayed)
}

func TestReceive_HeaderTimeoutCountsFromTheFirstByteHoweverManyFollow(t *testing.T) {
	const timeout = 300 * time.Millisecond
	for name, start := range map[string]func(testing.TB, func(*config.Config)) *proxy{"waits": start, "parks": startParking} {
		p := start(t, func(c *config.Config) { c.Client.HeaderTimeout = timeout })
		c := p.client()
		begin := time.Now()
		c.say("GET / HTTP/1.1\r\nX: ")
		done := make(chan struct{})
		wait := meanwhile(t, func() {
			for each := time.Tick(10 * time.Millisecond); ; {
				select {
				case <-done:
					return
				case <-each:
					c.Write([]byte("x")) // each of them would move a limit that counts from the last byte
				}
			}
		})
		wantError(t, c, 408, "http_request_error", httpcache.RequestTimeout, false)
		took := time.Since(begin)
		close(done)
		wait()
		r := p.wantReason(httpcache.RequestTimeout, 408)
		most := time.Since(begin) // it is logged after it was sent
		if took < timeout || r.Taken < timeout || r.Taken > most {
			t.Errorf("%s: answered after %v, logged with %v within %v; want %v", name, took, r.Taken, most, timeout)
		}
		if r.line != "GET / HTTP/1.1" || r.Time.Before(begin) || r.Time.After(begin.Add(took-timeout)) {
			t.Errorf("%s: logged %q at %v; it began at %v", name, r.line, r.Time, begin)
		}
	}
}

// More come than may wait: some are parked at once, the others after a while.
func TestReceive_UnfinishedHeadsHoldNoGoroutine(t *testing.T) {
	p := start(t, nil)
	before := runtime.NumGoroutine()
	clients := make([]*peer, exchange.MaxWaiting+100)
	for i := range clients {
		clients[i] = p.client()
		clients[i].say(get[:1+i%10])
	}
	p.unfinished(int64(len(clients)), before)
	for _, c := range clients {
		c.say("\n")
	}
	for _, c := range clients {
		wantError(t, c, 400, "http_request_error", httpcache.BadRequestLine, false)
		p.wantReason(httpcache.BadRequestLine, 400)
	}
	p.settled()
}

// Without the bound each would keep its goroutine for as long as anybody waits before parking. One round in which they are seen to have
// gone before that is enough: a machine may be slow.
func TestReceive_NoMoreHeadsAreWaitedForThanMay(t *testing.T) {
	const most, all = 3, 30
	p := startWaiting(t, most, nil)
	before := runtime.NumGoroutine()
	for round := range 20 {
		clients := make([]*peer, all)
		for i := range clients {
			clients[i] = p.client()
		}
		p.unfinished(0, before)
		begin := time.Now()
		for _, c := range clients {
			c.say(get[:5])
		}
		watchtest.Eventually(t, "all have begun, and few are waited for", func() bool {
			return p.engine.InFlight.Load() == all && runtime.NumGoroutine() <= before+most
		})
		took := time.Since(begin)
		for _, c := range clients {
			c.Close()
			p.wantReason(httpcache.ClientClosed, 0)
		}
		p.settled()
		if took < socket.ParkAfter {
			return
		}
		t.Logf("round %d: it took %v", round, took)
	}
	t.Errorf("in no round fewer than %d goroutines were left before %v", most+1, socket.ParkAfter)
}

func TestReceive_PieceThatDoesNotFinishAParkedHeadIsNotWaitedBehind(t *testing.T) {
	p := start(t, nil)
	before := runtime.NumGoroutine()
	c := p.client()
	c.say(get[:1])
	p.unfinished(1, before)
	begin := time.Now()
	for i := range get[1 : len(get)-1] {
		c.drip(get[1:][i : i+1])
		p.unfinished(1, before)
	}
	if took := time.Since(begin); took > time.Duration(len(get)-2)*socket.ParkAfter {
		t.Errorf("%d pieces took %v: a goroutine waited behind each", len(get)-2, took)
	}
	c.say(get[len(get)-1:])
	nextHop := p.accept()
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
}

// Limits hold to the byte, as for a head that comes at once.
func TestReceive_ParkedHeadIsRefusedByTheByteThatBreaksALimit(t *testing.T) {
	for _, c := range []struct {
		name, head string // the last byte of which is one too many
		status     int
		reason     httpcache.Reason
		line       string
	}{
		{"line", "GET /" + strings.Repeat("x", 47), 414, httpcache.TargetTooLong, "GET /" + strings.Repeat("x", 47)},
		{"fields", "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n", 431, httpcache.TooManyFields, "GET / HTTP/1.1"},
		{"size", "GET / HTTP/1.1\r\nA: " + strings.Repeat("x", 1000-19), 431, httpcache.HeaderTooLarge, "GET / HTTP/1.1"},
		{"bare LF in the line", "GET / HTTP/1.1\n", 400, httpcache.BadRequestLine, "GET / HTTP/1.1"},
		{"bare LF in a field", "GET / HTTP/1.1\r\nA: 1\n", 400, httpcache.BadField, "GET / HTTP/1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := startParking(t, func(c *config.Config) {
				c.Client.MaxRequestLine, c.Client.MaxFields, c.Client.MaxHeaderSize = 50, 3, 1000
			})
			client := p.client()
			client.drip(c.head)
			wantError(t, client, c.status, "http_request_error", c.reason, false)
			client.ended()
			if r := p.wantReason(c.reason, c.status); r.line != c.line || r.BytesIn != int64(len(c.head)) {
				t.Errorf("logged %q with %d bytes; want %q with %d", r.line, r.BytesIn, c.line, len(c.head))
			}
		})
	}
}

func TestDrain_WaitsForAParkedHeadAndAnswersIt(t *testing.T) {
	p := startParking(t, nil)
	before := runtime.NumGoroutine()
	c := p.client()
	c.say(get[:20])
	p.unfinished(1, before)
	drained := make(chan int, 1)
	wait := meanwhile(t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- p.server.Drain(ctx)
	})
	watchtest.Eventually(t, "it drains", p.server.Draining)
	c.drip(get[20:30])
	select {
	case <-drained:
		t.Fatal("Drain did not wait for the head")
	default:
	}
	c.say(get[30:])
	nextHop := p.accept()
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(strings.Replace(okayed, "Via", "Connection: close\r\nVia", 1))
	c.ended()
	c.Close()
	wait()
	if cut := <-drained; cut != 0 {
		t.Errorf("%d were cut off", cut)
	}
	p.wantReason(httpcache.Passed, 200)
}

func TestDrain_CutsAParkedHeadOff(t *testing.T) {
	p := startParking(t, nil)
	before := runtime.NumGoroutine()
	c := p.client()
	c.say(get[:20])
	p.unfinished(1, before)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if cut := p.server.Drain(now); cut != 1 {
		t.Errorf("%d were cut off; want 1", cut)
	}
	c.cut()
	if r := p.wantReason(httpcache.ClientClosed, 0); r.line != "GET /x HTTP/1.1" {
		t.Errorf("logged %q", r.line)
	}
}

// The client may leave, or break the connection, while nobody waits for it.
func TestReceive_ClientThatLeavesAParkedHeadIsLogged(t *testing.T) {
	p := startParking(t, nil)
	before := runtime.NumGoroutine()
	for _, leave := range []func(*peer){
		func(c *peer) { c.Close() },
		func(c *peer) { c.SetLinger(0); c.Close() },
		func(c *peer) { c.CloseWrite(); c.ended() },
	} {
		c := p.client()
		c.say("GET /left")
		p.unfinished(1, before)
		leave(c)
		if r := p.wantReason(httpcache.ClientClosed, 0); r.line != "GET /left" || r.BytesIn != int64(len("GET /left")) {
			t.Errorf("logged %q with %d bytes", r.line, r.BytesIn)
		}
		p.settled()
	}
}

// What comes behind a parked head may be the beginning of its body, or all of it and the next request.
func TestReceive_WhatComesInOneReadWithTheEndOfAParkedHeadIsNotLost(t *testing.T) {
	p := startParking(t, nil)
	c := p.client()
	body := strings.Repeat("0123456789abcdef", 2<<10)
	request := sized(len(body)) + "X-Long: " + strings.Repeat("x", 6<<10) + "\r\n"
	c.drip(request[:10])
	wait := meanwhile(t, func() { io.WriteString(c, request[10:]+"\r\n"+body+get) })
	nextHop := p.accept()
	nextHop.hear(request + via + "\r\n" + body)
	nextHop.say(okay)
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed + okayed)
	wait()
}
