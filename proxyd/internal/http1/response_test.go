package http1

import (
	"testing"

	"section.internal/contract/httpcache"
)

// parseResponse parses a head that must be good.
func parseResponse(t *testing.T, in []byte, headRequest bool) *Response {
	t.Helper()
	if end, err := HeadEnd(in, 0); end != len(in) || err != nil {
		t.Fatalf("%q is not one head: %d, %v", in, end, err)
	}
	r := new(Response)
	if err := ParseResponse(in, headRequest, r); err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return r
}

func TestParseResponse_StatusLine(t *testing.T) {
	for _, c := range []struct {
		line   string
		minor  int
		status int
		phrase string
	}{
		{"HTTP/1.1 200 OK", 1, 200, "OK"},
		{"HTTP/1.0 404 Not  Found ", 0, 404, "Not  Found "},
		{"HTTP/1.1 204 ", 1, 204, ""},
		{"HTTP/1.1 204", 1, 204, ""}, // common, and clear
		{"HTTP/1.2 599  \tx", 2, 599, " \tx"},
		{"HTTP/1.1 100 Continue", 1, 100, "Continue"},
		{"HTTP/1.1 299 \xe9\u00e9", 1, 299, "\xe9\u00e9"},
	} {
		r := parseResponse(t, head(c.line), false)
		if r.Minor != c.minor || r.Status != c.status || string(r.Phrase) != c.phrase {
			t.Errorf("%q: got 1.%d %d %q, want 1.%d %d %q", c.line, r.Minor, r.Status, r.Phrase, c.minor, c.status, c.phrase)
		}
	}
	for _, line := range statusLines {
		if err := ParseResponse(head(line), false, new(Response)); err != error(errStatusLine) {
			t.Errorf("%q: got %v, want %v", line, err, errStatusLine)
		}
	}
	if err := ParseResponse([]byte("\r\n"), false, new(Response)); err != error(errStatusLine) {
		t.Errorf("an empty line: got %v, want %v", err, errStatusLine)
	}
}

// statusLines are none.
var statusLines = []string{
	"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 2000 OK", "HTTP/1.1 20x OK", "HTTP/1.1 -20 OK", "HTTP/1.1 +20 OK",
	"HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1 000 x", "HTTP/1.1 999 x", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200OK",
	"HTTP/1.1 200 O\x00K", "HTTP/1.1 200 OK\r", "HTTP/1.1 200 O\rK", "HTTP/1.1 200\r", "HTTP/1.1 200 \x7f",
	"HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1.x 200 OK", "HTTP/1.10 200 OK", "http/1.1 200 OK", "HTTP 200 OK", "ICY 200 OK", "200 OK", " HTTP/1.1 200 OK",
	"GET / HTTP/1.1", "<html>not even a head</html>",
}

func TestParseResponse_EveryErrorIsNextHops(t *testing.T) {
	for _, in := range [][]byte{
		head("nonsense at length"), head("HTTP/1.1 200 OK", "no colon"), head("HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 1"),
		head("HTTP/1.1 200 OK", "Transfer-Encoding: gzip"),
	} {
		err := ParseResponse(in, false, new(Response))
		if e, ok := err.(*Error); !ok || e.Reason != httpcache.NextHopBadResponse {
			t.Errorf("%q: got %+v, want the reason %s", in, err, httpcache.NextHopBadResponse)
		}
	}
	in := []byte("HTTP/1.1 200 OK\r\n")
	for range maxResponseFields + 1 {
		in = append(in, "X: y\r\n"...)
	}
	err := ParseResponse(append(in, "\r\n"...), false, new(Response))
	if e, ok := err.(*Error); !ok || e.Reason != httpcache.NextHopHeaderTooLarge {
		t.Errorf("too many fields: got %+v, want the reason %s", err, httpcache.NextHopHeaderTooLarge)
	}
}

func TestParseResponse_ConnectionLivesOnUnlessItsEndIsTheBodys(t *testing.T) {
	for _, c := range []struct {
		want bool
		in   []byte
	}{
		{true, head("HTTP/1.1 200 OK", "Content-Length: 1")},
		{true, head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")},
		{true, head("HTTP/1.1 204 No Content")},
		{true, head("HTTP/1.1 304 Not Modified")},
		{true, head("HTTP/1.0 200 OK", "Content-Length: 1", "Connection: keep-alive")},
		{false, head("HTTP/1.0 200 OK", "Content-Length: 1")},
		{false, head("HTTP/1.0 200 OK", "Connection: keep-alive")},
		{false, head("HTTP/1.1 200 OK")},
		{false, head("HTTP/1.1 200 OK", "Connection: keep-alive")},
		{false, head("HTTP/1.1 200 OK", "Content-Length: 1", "Connection: x, Close")},
		{false, head("HTTP/1.1 204 No Content", "Connection: close")},
	} {
		if r := parseResponse(t, c.in, false); r.KeepAlive != c.want {
			t.Errorf("%q: lives on: %v, want %v", c.in, r.KeepAlive, c.want)
		}
	}
}

func TestParseResponse_TellsUpgradeAndDate(t *testing.T) {
	r := parseResponse(t, head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket", "date: x"), false)
	if !r.Upgrade || !r.HasDate {
		t.Errorf("got upgrade %v, date %v, want both", r.Upgrade, r.HasDate)
	}
	// The response parsed before leaves nothing behind.
	if err := ParseResponse(head("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "X-Date: x"), false, r); err != nil || r.Upgrade || r.HasDate {
		t.Errorf("got upgrade %v, date %v, error %v, want none", r.Upgrade, r.HasDate, err)
	}
}

func TestParseResponse_NoFramingFieldWithInterimAnd204(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.1 103 Early Hints":  "Link",
		"HTTP/1.1 100 Continue":     "Link",
		"HTTP/1.1 204 No Content":   "Link",
		"HTTP/1.1 304 Not Modified": "Content-Length Link", // tells of the 200's body
		"HTTP/1.1 200 OK":           "Content-Length Link",
	} {
		if got := forwarded(parseResponse(t, head(in, "Content-Length: 5", "Link: x"), false).Fields); got != want {
			t.Errorf("%s: forwarded %q, want %q", in, got, want)
		}
	}
	r := parseResponse(t, head("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked"), false)
	if got := forwarded(r.Fields); got != "" || r.Body != None {
		t.Errorf("304: forwarded %q with body %d, want neither", got, r.Body)
	}
}

func TestParseResponse_LengthWhereNoBodyCanBeIsNotTrusted(t *testing.T) {
	for _, c := range []struct {
		want bool
		in   []byte
	}{
		{true, head("HTTP/1.1 204 No Content", "Content-Length: 5")},
		{true, head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked")},
		{true, head("HTTP/1.1 103 Early Hints", "Content-Length: 5")},
		{false, head("HTTP/1.1 204 No Content")},
		{false, head("HTTP/1.1 204 No Content", "Content-Length: 0")}, // common, and no two can differ on what follows
		{false, head("HTTP/1.1 304 Not Modified", "Content-Length: 5")},
		{false, head("HTTP/1.1 200 OK", "Content-Length: 5")},
	} {
		if r := parseResponse(t, c.in, false); r.Unsafe != c.want {
			t.Errorf("%q: unsafe: %v, want %v", c.in, r.Unsafe, c.want)
		}
	}
}

func TestSwitches_OnlyToWhatTheRequestOffered(t *testing.T) {
	asked := parseRequest(t, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: websocket, a/1", "Upgrade: b"))
	for _, c := range []struct {
		want    bool
		request *Request
		in      []byte
	}{
		{true, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: WebSocket")},
		{true, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: a/1, b")},
		{true, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: a/1", "Upgrade: b")},
		{false, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: a/2")},
		{false, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: websocket, h2c")},
		{false, asked, head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: websocket", "Upgrade: c")},
		{false, asked, head("HTTP/1.1 101 x", "Connection: upgrade")},
		{false, asked, head("HTTP/1.1 101 x", "Upgrade: websocket")},
		{false, asked, head("HTTP/1.1 200 x", "Connection: upgrade", "Upgrade: websocket")},
		{false, parseRequest(t, head("GET / HTTP/1.1", "Host: a", "Upgrade: websocket")), head("HTTP/1.1 101 x", "Connection: upgrade", "Upgrade: websocket")},
	} {
		if got := parseResponse(t, c.in, false).Switches(c.request); got != c.want {
			t.Errorf("%q: switches: %v, want %v", c.in, got, c.want)
		}
	}
}
