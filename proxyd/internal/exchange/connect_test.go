package exchange_test

import (
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/watchtest"
)

// patient is a proxy that has one connection to next-hop at most, and for which requests wait longer than a test does.
func patient(c *config.Config) {
	c.NextHop.MaxConnections = 1
	c.NextHop.ConnectTimeout = time.Hour
}

const (
	get10   = "GET /x HTTP/1.0\r\nHost: a.test\r\n\r\n"
	post    = "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
	probing = "HTTP/1.1 102 Processing\r\n\r\n"
)

// departures are ways to leave that must not go unnoticed.
var departures = map[string]struct {
	request string
	leave   func(*peer)
}{
	"closes":                   {get, func(c *peer) { c.Close() }},
	"resets":                   {get, func(c *peer) { c.SetLinger(0); c.Close() }},
	"resets, of HTTP/1.0":      {get10, func(c *peer) { c.SetLinger(0); c.Close() }},
	"half-closes, then closes": {get, func(c *peer) { c.CloseWrite(); c.hear(probing); c.SetLinger(0); c.Close() }},
	"closes behind a body":     {post, func(c *peer) { c.Close() }},
	"closes within a body":     {strings.TrimSuffix(post, "lo"), func(c *peer) { c.Close() }},
}

func TestConnect_ClientThatLeavesGivesItsPlaceInTheQueueUp(t *testing.T) {
	for how, d := range departures {
		t.Run(how, func(t *testing.T) {
			p := start(t, patient)
			busy, nextHop := p.occupied()
			leaving := p.client()
			leaving.say(d.request)
			watchtest.Eventually(t, "both are in flight", func() bool { return p.engine.InFlight.Load() == 2 })
			d.leave(leaving)
			p.wantReason(httpcache.ClientClosed, 0)
			watchtest.Eventually(t, "only the first is in flight", func() bool { return p.engine.InFlight.Load() == 1 })
			staying := p.client()
			staying.say(get)
			watchtest.Eventually(t, "both are in flight", func() bool { return p.engine.InFlight.Load() == 2 })
			nextHop.say(okay)
			busy.hear(okayed)
			nextHop.hear(asked)
			nextHop.say(okay)
			staying.hear(okayed)
		})
	}
}

func TestConnect_ClientThatLeavesEndsItsConnect(t *testing.T) {
	for how, d := range departures {
		t.Run(how, func(t *testing.T) {
			p := start(t, patient)
			watchtest.FillQueue(t, p.nextHop)
			c := p.client()
			c.say(d.request)
			watchtest.Eventually(t, "a connection is being made", func() bool { return p.pool.Status().Open == 1 })
			d.leave(c)
			p.wantReason(httpcache.ClientClosed, 0)
			if s := p.pool.Status(); s.Open != 0 {
				t.Errorf("its place is still taken: %+v", s)
			}
		})
	}
}

// Who has only ended its side waits on, and is asked once whether it is there: in the wait for a connection or in that for the answer.
func TestConnect_ClientThatHalfClosesIsAnswered(t *testing.T) {
	for name, c := range map[string]struct{ request, asked, probe, answer string }{
		"HTTP/1.1":             {get, asked, probing, okayed},
		"HTTP/1.1 with a body": {post, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nVia: 1.1 proxyd\r\n\r\nhello", probing, okayed},
		"HTTP/1.0": {get10, "GET /x HTTP/1.1\r\nHost: a.test\r\nVia: 1.0 proxyd\r\n\r\n", "",
			"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 proxyd\r\n\r\nhi"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, patient)
			busy, nextHop := p.occupied()
			half := p.client()
			half.say(c.request)
			half.CloseWrite()
			half.hear(c.probe)
			watchtest.Eventually(t, "both are in flight", func() bool { return p.engine.InFlight.Load() == 2 })
			nextHop.say(okay)
			busy.hear(okayed)
			nextHop.hear(c.asked)
			nextHop.say(okay)
			half.hear(c.answer)
			half.ended()
		})
	}
}
