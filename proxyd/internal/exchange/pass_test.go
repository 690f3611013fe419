package exchange_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/watchtest"
)

func TestPass_KeepsTheConnectionsOfBothSides(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(get)
	nextHop := p.accept()
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
	for range 5 {
		passes(c, nextHop)
	}
	for range 6 {
		p.wantReason(httpcache.Passed, 200)
	}
	if s := p.pool.Status(); s.Total != 1 {
		t.Errorf("%d connections to next-hop were made; want 1", s.Total)
	}
	p.settled()
	if n := p.engine.Requests.Load(); n != 6 || p.engine.Failed.Load() != 0 {
		t.Errorf("%d requests are counted, %d failed; want 6, 0", n, p.engine.Failed.Load())
	}
}

func TestPass_AnswersPipelinedRequestsInOrder(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	post := "POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab%d"
	c.say(fmt.Sprintf(post, 0, 0) + get + fmt.Sprintf(post, 1, 1) + get[:10])
	nextHop := p.accept()
	posted := "POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nVia: 1.1 proxyd\r\n\r\nab%d"
	for i, request := range []string{fmt.Sprintf(posted, 0, 0), asked, fmt.Sprintf(posted, 1, 1)} {
		nextHop.hear(request)
		body := fmt.Sprint("no. ", i)
		nextHop.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		c.hear(fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: %d\r\nVia: 1.1 proxyd\r\n\r\n%s", len(body), body))
	}
	c.say(get[10:])
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
}

// What proxyd says of bytes is what went over the wire.
func TestPass_CountsBytes(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 20<<10) // moved by the kernel
	upload := func(body string) string {
		return fmt.Sprintf("PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	chunked := "PUT /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" +
		fmt.Sprintf("%x;ext=1\r\n%s\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n", len(large), large)
	length := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for _, c := range []struct {
		name, request, response string
		body                    int // of the response
		ends                    bool
	}{
		{"length", get, okay, 2, false},
		{"large length", get, length(large), len(large), false},
		{"chunks", get, "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large), 5 + len(large), false},
		{"until close", get, "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n" + large, len(large), true},
		{"until close, HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n" + large, len(large), true},
		{"head", "HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 100\r\n\r\n", 0, false},
		{"no content", get, "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n", 0, false},
		{"not modified", get, "HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 100\r\n\r\n", 0, false},
		{"interim", get, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okay, 2, false},
		{"small upload", upload("abc"), okay, 2, false},
		{"upload in several reads", upload(large[:20<<10]), okay, 2, false},
		{"large upload", upload(large), okay, 2, false},
		{"chunked upload", chunked, okay, 2, false},
		{"after empty lines", "\r\n\r\n" + get, okay, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, nil)
			client := p.client()
			meanwhile(t, func() { io.WriteString(client, c.request) })
			nextHop := p.accept()
			head := nextHop.head()
			switch {
			case strings.Contains(head, "chunked"):
				all := ""
				for !strings.HasSuffix(all, "0\r\nT: 1\r\n\r\n") {
					all += nextHop.head()
				}
			case strings.Contains(head, "Content-Length"):
				var n int64
				fmt.Sscanf(head[strings.Index(head, "Content-Length: "):], "Content-Length: %d", &n)
				io.CopyN(io.Discard, nextHop, n)
			}
			meanwhile(t, func() {
				io.WriteString(nextHop, c.response)
				if c.ends {
					nextHop.CloseWrite()
				}
			})
			r := p.wantReasonLater(client, httpcache.Passed)
			if got := r.received; int64(got) != r.Bytes {
				t.Errorf("bytes = %d; the client got %d", r.Bytes, got)
			}
			if r.BytesIn != int64(len(c.request)) {
				t.Errorf("bytes_in = %d; the client sent %d", r.BytesIn, len(c.request))
			}
			if r.BodyBytes != int64(c.body) {
				t.Errorf("response_body_bytes = %d; want %d", r.BodyBytes, c.body)
			}
		})
	}
}

type counted struct {
	record
	received int64
}

// wantReasonLater lets the client read until the exchange is logged and the bytes that it says have come.
func (p *proxy) wantReasonLater(client *peer, want httpcache.Reason) counted {
	p.t.Helper()
	done := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, client)
		done <- n
	}()
	r := p.record()
	if r.Reason != want {
		p.t.Errorf("logged %s; want %s", r.Reason, want)
	}
	client.CloseWrite() // an idle connection ends
	return counted{r, <-done}
}

func TestPass_FramesAnewForAnHTTP10Client(t *testing.T) {
	for _, c := range []struct{ request, response, want string }{
		{"GET / HTTP/1.0\r\n\r\n", "Content-Length: 2\r\n\r\nhi", "Content-Length: 2\r\nConnection: close\r\nVia: 1.1 proxyd\r\n\r\nhi"},
		{"GET / HTTP/1.0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: 1\r\n\r\n", "Connection: close\r\nVia: 1.1 proxyd\r\n\r\nhi"},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
			"Connection: close\r\nVia: 1.1 proxyd\r\n\r\nhi"},
	} {
		p := start(t, nil)
		client := p.client()
		client.say(c.request)
		nextHop := p.accept()
		nextHop.head()
		nextHop.say("HTTP/1.1 200 OK\r\nDate: now\r\n" + c.response)
		client.hear("HTTP/1.1 200 OK\r\nDate: now\r\n" + c.want)
		client.ended()
	}
	p := start(t, nil)
	client := p.client()
	client.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	nextHop := p.accept()
	nextHop.hear("GET / HTTP/1.1\r\nHost: next-hop\r\nVia: 1.0 proxyd\r\n\r\n")
	nextHop.say(okay)
	client.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nConnection: keep-alive\r\nVia: 1.1 proxyd\r\n\r\nhi")
	passes(client, nextHop)
}

func TestPass_InterimResponsesGoToWhoKnowsThem(t *testing.T) {
	p := start(t, nil)
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say(hints)
	c.hear("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 proxyd\r\n\r\n") // before the final one
	nextHop.say(hints + okay)
	c.hear("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 proxyd\r\n\r\n" + okayed)
	old := p.client()
	old.say("GET /x HTTP/1.0\r\n\r\n")
	nextHop.head()
	nextHop.say(hints + okay)
	old.hear("HTTP/1.1 200 OK\r\nDate: now\r\n")
}

func TestPass_TrailersGoBothWays(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nSum: 1\r\nHost: evil\r\n\r\n" + get)
	nextHop := p.accept()
	nextHop.hear("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nVia: 1.1 proxyd\r\n\r\n2\r\nhi\r\n0\r\nSum: 1\r\n\r\n")
	nextHop.say("HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSum: 1\r\nContent-Length: 7\r\n\r\n")
	c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\nVia: 1.1 proxyd\r\n\r\n2\r\nhi\r\n0\r\nSum: 1\r\n\r\n")
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
}

func TestPass_AnEmptyLineBeforeARequestIsIgnoredEvenInHalves(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.SetNoDelay(true)
	for _, before := range []string{"\r\n", "\r\n\r\n"} {
		p.settled()
		c.say(before[:1])
		watchtest.Eventually(t, "the half line is read", func() bool { return p.engine.InFlight.Load() == 1 })
		c.say(before[1:] + get)
		nextHop.hear(asked)
		nextHop.say(okay)
		c.hear(okayed)
	}
}

func TestPass_LastResponseOfADrainSaysSo(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(get + get) // the second one cannot be answered; it must not cost the first its answer
	nextHop.hear(asked)
	p.draining.Store(true)
	nextHop.say(okay)
	c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 proxyd\r\n\r\nhi")
	c.ended()
}

// The client has not heard of the end yet, and its next request is on the way.
func TestPass_EndOfOurOwnWishDoesNotResetTheClient(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	p.draining.Store(true)
	nextHop.say(okay)
	p.settled()
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, get); err != nil {
		t.Errorf("the connection was reset: %v", err)
	}
	c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 proxyd\r\n\r\nhi")
	c.ended()
}

func TestPass_BytesBehindAResponseEndTheConnectionToNextHop(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say(okay + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
	c.hear(okayed)
	nextHop.cut()
	c.say(get)
	second := p.accept()
	second.hear(asked)
	second.say(okay)
	c.hear(okayed)
}

func TestPass_NextHopThatEndsItsConnectionsIsNotReused(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.0 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi",
	} {
		c.say(get)
		nextHop := p.accept()
		nextHop.hear(asked)
		nextHop.say(response)
		via := "Via: 1." + response[7:8] + " proxyd\r\n"
		c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n" + via + "\r\nhi")
		nextHop.cut()
	}
}

func TestPass_AddsTheDateThatNextHopLeftOut(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	if head := c.head(); !strings.Contains(head, "\r\nDate: ") || !strings.Contains(head, " GMT\r\n") {
		t.Errorf("no date:\n%s", head)
	}
}

func TestCutOff_LetsTheClientNotice(t *testing.T) {
	for _, c := range []struct{ name, request, response, end string }{
		{"length", get, "Content-Length: 100\r\n\r\npart", "part"},
		{"chunks", get, "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "4\r\npart\r\n"},
		{"within a chunk", get, "Transfer-Encoding: chunked\r\n\r\n64\r\npart", "4\r\npart\r\n"},
		{"chunks, HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "part"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, nil)
			client := p.client()
			client.say(c.request)
			nextHop := p.accept()
			nextHop.head()
			nextHop.say("HTTP/1.1 200 OK\r\nDate: now\r\n" + c.response)
			client.head()
			if !strings.HasSuffix(c.name, "HTTP/1.0") {
				nextHop.Close()
				if rest, err := client.rest(); err != nil || !strings.HasSuffix(rest, c.end) || strings.Contains(rest, "\r\n0\r\n") {
					t.Errorf("the client got %q, %v", rest, err)
				}
			} else {
				// Its only end of a body is the end of the connection: a broken one must not look like that.
				client.hear(c.end)
				nextHop.Close()
				if rest, err := client.rest(); !isReset(err) {
					t.Errorf("the client got %q, %v; want a reset", rest, err)
				}
			}
			p.wantReason(httpcache.NextHopIncomplete, 200)
			p.settled()
			if p.engine.Failed.Load() != 1 {
				t.Error("not counted as failed")
			}
		})
	}
}

func TestCutOff_BodyUntilCloseThatIsResetIsNoWholeBody(t *testing.T) {
	for _, request := range []string{get, "GET /x HTTP/1.0\r\n\r\n"} {
		p := start(t, nil)
		client := p.client()
		client.say(request)
		nextHop := p.accept()
		nextHop.head()
		nextHop.say("HTTP/1.1 200 OK\r\nDate: now\r\n\r\npart")
		client.head()
		client.Read(make([]byte, 1))
		nextHop.SetLinger(0)
		nextHop.Close()
		rest, err := client.rest()
		if request == get && (err != nil || strings.Contains(rest, "0\r\n\r\n")) {
			t.Errorf("HTTP/1.1: the client got %q, %v; want chunks without the last one", rest, err)
		}
		if request != get && !isReset(err) {
			t.Errorf("HTTP/1.0: the client got %q, %v; want a reset", rest, err)
		}
		p.wantReason(httpcache.NextHopIncomplete, 200)
	}
}

func TestCutOff_SaysWhoWasTooSlow(t *testing.T) {
	p := start(t, func(c *config.Config) { c.NextHop.BodyTimeout = short })
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
	c.head()
	c.hear("part")
	c.ended()
	p.wantReason(httpcache.NextHopBodyTimeout, 200)

	p = start(t, func(c *config.Config) { c.Client.WriteTimeout = short })
	c, nextHop = p.reused()
	c.SetReadBuffer(4 << 10)
	c.say(get)
	nextHop.hear(asked)
	nextHop.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
	meanwhile(t, func() { // it ends when proxyd gives up
		for part := make([]byte, 1<<20); ; {
			if _, err := nextHop.Write(part); err != nil {
				return
			}
		}
	})
	p.wantReason(httpcache.ClientTooSlow, 200)
}

func TestCutOff_ClientThatGoesAwayCostsNextHopItsConnectionOnly(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(get)
	nextHop.hear(asked)
	nextHop.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
	c.head()
	c.SetLinger(0)
	c.Close()
	for part := make([]byte, 1<<20); ; {
		if _, err := nextHop.Write(part); err != nil {
			break
		}
	}
	p.wantReason(httpcache.ClientClosed, 200)
	p.reused()
}

// Who has got an answer to its end need not wait for anything: its connection to next-hop is there for the next one already.
func TestPass_TheConnectionIsFreeBeforeTheAnswerHasEnded(t *testing.T) {
	for name, response := range map[string]string{
		"nothing":        "Content-Length: 0\r\n\r\n",
		"small":          "Content-Length: 2\r\n\r\nhi",
		"a buffer full":  "Content-Length: 16200\r\n\r\n" + strings.Repeat("x", 16_200),
		"gathered":       "Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 20_000),
		"moved":          "Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 300_000),
		"chunked":        "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"with a trailer": "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, func(c *config.Config) { c.NextHop.MaxConnections = 1 })
			head, body, _ := strings.Cut(response, "\r\n\r\n")
			one, other := p.client(), p.client()
			one.say(get)
			nextHop := p.accept()
			for range 50 {
				nextHop.hear(asked)
				meanwhile(t, func() { io.WriteString(nextHop, "HTTP/1.1 200 OK\r\nDate: now\r\n"+response) })
				one.hear("HTTP/1.1 200 OK\r\nDate: now\r\n" + head + "\r\n" + via + "\r\n" + body)
				if s := p.pool.Status(); s.Open != 1 || s.Idle != 1 {
					t.Fatalf("%d connections to next-hop are open and %d free; want 1 and 1", s.Open, s.Idle)
				}
				one, other = other, one
				one.say(get)
			}
			nextHop.hear(asked)
			nextHop.say(okay)
			one.hear(okayed)
		})
	}
}
