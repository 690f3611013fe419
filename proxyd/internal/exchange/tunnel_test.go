package exchange_test

import (
	"io"
	"strings"
	"testing"

	"section.internal/contract/httpcache"
)

const (
	upgrade   = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	upgraded  = "GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + via + "\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
	switched  = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + via + "\r\n"
)

func TestTunnel_PassesBytesBothWaysUntilBothSidesHaveEnded(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(upgrade + "early")
	nextHop := p.accept()
	nextHop.hear(upgraded)
	nextHop.say(switching + "first")
	c.hear(switched + "first")
	nextHop.hear("early")
	large := strings.Repeat("0123456789abcdef", 20<<10)
	meanwhile(t, func() { io.WriteString(c, large) })
	meanwhile(t, func() { io.WriteString(nextHop, large) })
	heard := meanwhile(t, func() { io.CopyN(io.Discard, c, int64(len(large))) })
	nextHop.hear(large)
	heard()
	c.CloseWrite()
	nextHop.ended()
	nextHop.say("the other half still works")
	c.hear("the other half still works")
	nextHop.Close()
	c.ended()
	r := p.wantReason(httpcache.Tunnel, 101)
	if want := int64(len(upgrade) + len("early") + len(large)); r.BytesIn != want {
		t.Errorf("bytes_in = %d; want %d", r.BytesIn, want)
	}
	body := int64(len("first") + len(large) + len("the other half still works"))
	if r.BodyBytes != body || r.Bytes != body+int64(len(switched)) {
		t.Errorf("bytes = %d, response_body_bytes = %d; want %d, %d", r.Bytes, r.BodyBytes, body+int64(len(switched)), body)
	}
	if s := p.pool.Status(); s.Open != 0 {
		t.Errorf("the tunnel's connection is pooled: %+v", s)
	}
}

func TestTunnel_AResetOfOneSideEndsTheOther(t *testing.T) {
	for _, who := range []string{"client", "next-hop"} {
		p := start(t, nil)
		c := p.client()
		c.say(upgrade)
		nextHop := p.accept()
		nextHop.hear(upgraded)
		nextHop.say(switching)
		c.hear(switched)
		ends, stays := c, nextHop
		if who != "client" {
			ends, stays = nextHop, c
		}
		ends.SetLinger(0)
		ends.Close()
		stays.cut()
		p.wantReason(httpcache.Tunnel, 101)
	}
}

func TestTunnel_OnlyWhereTheClientHasAskedForIt(t *testing.T) {
	p := start(t, nil)
	for _, request := range []string{
		get,
		"GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n", // without Connection
		"GET /ws HTTP/1.0\r\nHost: a.test\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
	} {
		c := p.client()
		c.say(request)
		nextHop := p.accept()
		if head := nextHop.head(); strings.Contains(head, "Upgrade") {
			t.Errorf("next-hop was asked\n%s", head)
		}
		nextHop.say(switching)
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") {
			t.Errorf("the client got\n%s", head)
		}
		p.wantReason(httpcache.NextHopBadResponse, 502)
	}
}

func TestTunnel_NextHopMayAnswerOrdinarily(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(upgrade)
	nextHop := p.accept()
	nextHop.hear(upgraded)
	nextHop.say(okay)
	c.hear(okayed)
	passes(c, nextHop)
}
