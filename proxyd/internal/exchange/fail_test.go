package exchange_test

import (
	"fmt"
	"strings"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
)

// wantError expects an answer of proxyd's own.
func wantError(t *testing.T, c *peer, status int, errorType string, reason httpcache.Reason, keeps bool) {
	t.Helper()
	head := c.head()
	var n int
	if i := strings.Index(head, "\r\nContent-Length: "); i < 0 {
		t.Fatalf("no length:\n%s", head)
	} else {
		fmt.Sscanf(head[i:], "\r\nContent-Length: %d", &n)
	}
	body := make([]byte, n)
	for read := 0; read < n; {
		m, err := c.Read(body[read:])
		if err != nil {
			t.Fatal(err)
		}
		read += m
	}
	if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) ||
		!strings.Contains(head, fmt.Sprintf("\r\nProxy-Status: proxyd; error=%s; details=\"%s\"\r\n", errorType, reason)) ||
		!strings.Contains(head, "\r\nDate: ") || !strings.Contains(head, "\r\nCache-Control: no-store\r\n") ||
		strings.Contains(head, "\r\nConnection: close\r\n") == keeps {
		t.Errorf("want %d, error %s, reason %s, keep-alive %v:\n%s", status, errorType, reason, keeps, head)
	}
	if text := string(body); !strings.HasPrefix(text, fmt.Sprintf("%d ", status)) || !strings.Contains(text, "\nproxyd: ") ||
		!strings.HasSuffix(text, fmt.Sprintf(" (%s)\n", reason)) {
		t.Errorf("the body is %q", text)
	}
}

func TestFail_HEADHasNoBodyHoweverLittleOfTheRequestWasGood(t *testing.T) {
	for request, status := range map[string]int{
		"HEAD / HTTP/1.1\nHost: a\n\n":                                       400,
		"HEAD / HTTP/1.1\r\nno colon\r\n\r\n":                                400,
		"HEAD /\x7f HTTP/1.1\r\nHost: a\r\n\r\n":                             400,
		"HEAD / HTTP/2.0\r\nHost: a\r\n\r\n":                                 505,
		"HEAD / HTTP/1.1\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n": 431,
		"HEAD /" + strings.Repeat("x", 100<<10):                              414,
	} {
		p := start(t, nil)
		c := p.client()
		wait := meanwhile(t, func() { c.Write([]byte(request)) })
		if head := c.head(); !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) {
			t.Errorf("%.60q: %s", request, head)
		}
		c.ended()
		wait()
		if r := p.record(); r.BodyBytes != 0 {
			t.Errorf("%.60q: a body of %d bytes is logged", request, r.BodyBytes)
		}
	}
}

func TestFail_SaysWhatNextHopDidAndKeepsTheClient(t *testing.T) {
	for _, c := range []struct {
		name, response string
		change         func(*config.Config)
		status         int
		errorType      string
		reason         httpcache.Reason
	}{
		{"ends at once", "", nil, 502, "connection_terminated", httpcache.NextHopClosed},
		{"ends within the head", "HTTP/1.1 200 OK\r\nDa", nil, 502, "http_response_incomplete", httpcache.NextHopIncomplete},
		{"speaks something else", "SSH-2.0-OpenSSH\r\n\r\n", nil, 502, "http_protocol_error", httpcache.NextHopBadResponse},
		{"ends lines with LF", "HTTP/1.1 200 OK\n\n", nil, 502, "http_protocol_error", httpcache.NextHopBadResponse},
		{"has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", nil, 502, "http_protocol_error", httpcache.NextHopBadResponse},
		{"has too large a head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 130<<10), nil, 502, "http_response_header_section_size", httpcache.NextHopHeaderTooLarge},
		{"never ends interim responses", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 102), nil, 502, "http_protocol_error", httpcache.NextHopBadResponse},
		{"says nothing", "wait", func(c *config.Config) { c.NextHop.HeaderTimeout = short }, 504, "http_response_timeout", httpcache.NextHopTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.change)
			client := p.client()
			client.say(get)
			nextHop := p.accept()
			nextHop.hear(asked)
			if c.response != "wait" {
				meanwhile(t, func() {
					nextHop.Write([]byte(c.response))
					nextHop.CloseWrite()
				})
			}
			for range strings.Count(c.response, " 102 ") - 2 { // those up to the limit are passed on
				client.hear("HTTP/1.1 102 Processing\r\n" + via + "\r\n")
			}
			wantError(t, client, c.status, c.errorType, c.reason, true)
			p.wantReason(c.reason, c.status)
			nextHop.Close()
			p.reload(func(c *config.Config) { c.NextHop.HeaderTimeout = patience })
			client.say(get) // the client's connection lives on
			second := p.accept()
			second.hear(asked)
			second.say(okay)
			client.hear(okayed)
		})
	}
}

func TestFail_SaysThatThereIsNoConnection(t *testing.T) {
	p := start(t, nil)
	p.nextHop.Close()
	c := p.client()
	c.say(get + strings.Replace(get, "GET", "HEAD", 1))
	wantError(t, c, 502, "connection_refused", httpcache.NextHopRefused, true)
	p.wantReason(httpcache.NextHopRefused, 502)
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") {
		t.Errorf("the answer to HEAD:\n%s", head)
	}
	if r := p.wantReason(httpcache.NextHopRefused, 502); r.BodyBytes != 0 {
		t.Errorf("a body of %d bytes for HEAD", r.BodyBytes)
	}

	p = start(t, func(c *config.Config) { c.NextHop.MaxConnections = 1 })
	busy, nextHop := p.occupied()
	p.reload(func(c *config.Config) { c.NextHop.ConnectTimeout = short })
	c = p.client()
	c.say(get)
	wantError(t, c, 503, "connection_limit_reached", httpcache.TooManyConnections, true)
	p.wantReason(httpcache.TooManyConnections, 503)
	nextHop.say(okay)
	busy.hear(okayed)
	passes(c, nextHop)
}

func TestFail_SaysWhatTheClientDidAndEndsTheConnection(t *testing.T) {
	small := func(c *config.Config) { c.Client.MaxHeaderSize = 1 << 10 }
	for _, c := range []struct {
		name, request string
		change        func(*config.Config)
		status        int
		errorType     string
		reason        httpcache.Reason
		line          string // in the access log
	}{
		{"no HTTP", "hello\r\n\r\n", nil, 400, "http_request_error", httpcache.BadRequestLine, "hello"},
		{"TLS", "\x16\x03\x01\x02\x00", nil, 400, "http_request_error", httpcache.BadRequestLine, "\x16\x03\x01\x02\x00"},
		{"a bare LF", "GET / HTTP/1.1\nHost: a\r\n", nil, 400, "http_request_error", httpcache.BadRequestLine, "GET / HTTP/1.1"},
		{"a bare LF in a field", "GET / HTTP/1.1\r\nHost: a\n", nil, 400, "http_request_error", httpcache.BadField, "GET / HTTP/1.1"},
		{"two lengths", sized(1) + "Transfer-Encoding: chunked\r\n\r\nx", nil, 400, "http_request_error", httpcache.BadFraming, "PUT /x HTTP/1.1"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", nil, 400, "http_request_error", httpcache.BadHost, "GET / HTTP/1.1"},
		{"an expectation", put + "Expect: magic\r\n\r\n", nil, 417, "http_request_error", httpcache.UnknownExpectation, "PUT /x HTTP/1.1"},
		{"a tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", nil, 501, "http_request_denied", httpcache.MethodRefused, "CONNECT a:443 HTTP/1.1"},
		{"a coding", put + "Transfer-Encoding: gzip, chunked\r\n\r\n", nil, 501, "http_request_error", httpcache.UnknownCoding, "PUT /x HTTP/1.1"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", nil, 505, "http_request_error", httpcache.UnsupportedVersion, "PRI * HTTP/2.0"},
		{"a long target", "GET /" + strings.Repeat("x", 20<<10), small, 414, "http_request_error", httpcache.TargetTooLong, "GET /" + strings.Repeat("x", 1<<10-5)},
		{"large fields", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20<<10), small, 431, "http_request_error", httpcache.HeaderTooLarge, "GET / HTTP/1.1"},
		{"large fields in one read", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2<<10) + "\r\n\r\n", small, 431, "http_request_error", httpcache.HeaderTooLarge, "GET / HTTP/1.1"},
		{"half a request", "GET / HTT", func(c *config.Config) { c.Client.HeaderTimeout = short }, 408, "http_request_error", httpcache.RequestTimeout, "GET / HTT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.change)
			client := p.client()
			client.say(c.request)
			wantError(t, client, c.status, c.errorType, c.reason, false)
			client.ended()
			r := p.wantReason(c.reason, c.status)
			if r.line != c.line {
				t.Errorf("logged the request %.100q; want %.100q", r.line, c.line)
			}
			p.notAsked()
		})
	}
}

func TestFail_ClientThatGoesAwayWithinTheHeadIsOnlyLogged(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say("GET / HTT")
	c.CloseWrite()
	c.ended()
	p.wantReason(httpcache.ClientClosed, 0)
}

// Some clients send an empty line behind a body.
func TestFail_EmptyLinesWithoutARequestAreNoRequest(t *testing.T) {
	p := start(t, func(c *config.Config) { c.Client.HeaderTimeout, c.Client.IdleTimeout = short, patience })
	for _, last := range []string{"\r\n", "\r\n\r\n\r\n", "\r", "\r\n\r"} {
		c := p.client()
		c.say(last)
		if last[len(last)-1] == '\n' {
			p.settled()
			c.CloseWrite()
		}
		c.ended() // half an empty line for client.header_timeout, without an answer
	}
	c, nextHop := p.reused()
	c.say("\r\n")
	passes(c, nextHop)
	p.record()
	c.say("\r\n")
	c.CloseWrite()
	c.ended()
	if n := len(p.records); n > 0 {
		t.Errorf("%d lines were logged for no request", n)
	}
	if n := p.engine.Requests.Load(); n != 2 {
		t.Errorf("%d requests were counted, want 2", n)
	}
}

func TestRefuse_AnswersWhoIsOneTooMany(t *testing.T) {
	p := start(t, func(c *config.Config) { c.Client.MaxConnections = 1 })
	busy, nextHop := p.occupied()
	c := p.client()
	wantError(t, c, 503, "connection_limit_reached", httpcache.TooManyConnections, false)
	c.ended()
	p.wantReason(httpcache.TooManyConnections, 503)
	nextHop.say(okay)
	busy.hear(okayed)
}
