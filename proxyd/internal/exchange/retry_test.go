package exchange_test

import (
	"strings"
	"testing"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/watchtest"
)

// A reused connection that takes the request and then ends, without a byte of a response, had most likely ended before.
func TestRetry_GoesOnceToAFreshConnection(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		for how, end := range map[string]func(*peer){
			"end": func(o *peer) { o.Close() }, "reset": func(o *peer) { o.SetLinger(0); o.Close() },
		} {
			t.Run(method+" "+how, func(t *testing.T) {
				p := start(t, nil)
				c, first := p.reused()
				request := strings.Replace(get, "GET", method, 1)
				c.say(request)
				first.head()
				end(first)
				second := p.accept()
				second.hear(strings.Replace(asked, "GET", method, 1))
				second.say("HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n")
				c.hear("HTTP/1.1 204 No Content\r\nDate: now\r\nVia: 1.1 proxyd\r\n\r\n")
				p.wantReason(httpcache.Passed, 204)
				p.settled()
				if p.engine.Requests.Load() != 2 {
					t.Error("the retry counts as a request of its own")
				}
			})
		}
	}
}

func TestRetry_NotTwice(t *testing.T) {
	p := start(t, nil)
	c, first := p.reused()
	c.say(get)
	first.head()
	first.Close()
	second := p.accept()
	second.head()
	second.Close()
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") {
		t.Errorf("the client got\n%s", head)
	}
	p.wantReason(httpcache.NextHopClosed, 502)
	p.notAsked()
}

func TestRetry_NotWhereNextHopMayHaveActed(t *testing.T) {
	for name, c := range map[string]struct {
		request, partial string
		reason           httpcache.Reason
	}{
		"not idempotent":      {"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", "", httpcache.NextHopClosed},
		"an unknown method":   {"PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n", "", httpcache.NextHopClosed},
		"a body":              {"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "", httpcache.NextHopClosed},
		"a chunked body":      {"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", httpcache.NextHopClosed},
		"a byte of response":  {get, "H", httpcache.NextHopIncomplete},
		"an interim response": {get, "HTTP/1.1 103 Early Hints\r\n\r\n", httpcache.NextHopClosed},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil)
			client, first := p.reused()
			client.say(c.request)
			first.head()
			if strings.Contains(c.request, "Content-Length") {
				first.hear("x")
			}
			if strings.Contains(c.request, "chunked") {
				first.hear("0\r\n\r\n")
			}
			first.say(c.partial)
			first.Close()
			head := client.head()
			if strings.Contains(c.partial, "103") {
				head = client.head()
			}
			if !strings.HasPrefix(head, "HTTP/1.1 502 ") {
				t.Errorf("the client got\n%s", head)
			}
			p.wantReason(c.reason, 502)
			p.notAsked()
		})
	}
}

func TestRetry_NotOnAFreshConnection(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(get)
	first := p.accept()
	first.head()
	first.Close()
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") {
		t.Errorf("the client got\n%s", head)
	}
	p.wantReason(httpcache.NextHopClosed, 502)
	p.notAsked()
}

func TestRetry_AConnectionThatIsSeenToHaveEndedIsNotEvenTried(t *testing.T) {
	p := start(t, nil)
	c, first := p.reused()
	pooled := p.pool.Idle() // nobody else looks at it meanwhile
	if pooled == nil {
		t.Fatal("the connection was not given back")
	}
	first.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
	first.Close()
	watchtest.Eventually(t, "proxyd has heard of the end", pooled.Ended)
	p.pool.Put(pooled)
	post := strings.Replace(get, "GET", "POST", 1) // for which there is no second try
	c.say(post)
	second := p.accept()
	second.hear(strings.Replace(asked, "GET", "POST", 1))
	second.say(okay)
	c.hear(okayed)
}
