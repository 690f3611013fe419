package exchange

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"section.internal/contract/config"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/limiter"
	"section.internal/proxyd/internal/socket"
)

// echo writes into heads whatever of a request a rule can.
const echo = `
[[rule]]
name = "echo"
request = { set = { X-Set = "{host}{path}{query}{uri}{method}{client}{country}{id}{header.X-A}{cookie.a}{query.a}" }, add = { X-Add = "{query.b}" }, remove = ["X-Gone"] }
response = { set = { X-Set = "{header.X-A}{query.a}" }, add = { X-Add = "{cookie.a}" }, remove = ["X-Gone"] }
[[rule]]
name = "rewrite"
match = { path_regex = '(?s)^/a(?P<rest>.*)$' }
rewrite = { path = "/b{rest}{header.X-A}" }
[[rule]]
name = "redirect"
match = { path_regex = '(?s)^/r(?P<rest>.*)$' }
redirect = { to = "/x{rest}?{query.a}#{header.X-A}" }
[[rule]]
name = "respond"
match = { path = "/s/**" }
respond = { status = 200, body = "x", headers = { X-Own = "{query.a}{cookie.a}" } }
`

// Whatever the rules make of a request, what next-hop and the client get parses strictly, to a message of the same framing and host in
// which each field of a rule is one field.
func FuzzHeads(f *testing.F) {
	f.Add([]byte(browser), []byte(page))
	f.Add([]byte("POST /a/%0d%0a?a=%0d%0aX-Evil:1&b=%00 HTTP/1.1\r\nHost: a\r\nX-A: \tb\x80\r\nCookie: a=\x0b; a=2\r\nTransfer-Encoding: chunked\r\n"+
		"X-Gone: 1\r\nConnection: X-Set\r\nX-Set: no\r\n\r\n"), []byte("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nx-set: no\r\n\r\n"))
	f.Add([]byte("GET /r/%2f//evil?a=%0a HTTP/1.0\r\nX-A: ?#%\r\n\r\n"), []byte("HTTP/1.0 304 x\r\n\r\n"))
	f.Add([]byte("HEAD http://b/s/?a=%0d&a=+ HTTP/1.1\r\nHost: a\r\nCookie: a=x\r\n\r\n"), []byte("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost:\r\nMax-Forwards: 3\r\n\r\n"), []byte("HTTP/1.1 599 x\r\nContent-Length: 7\r\n\r\n"))
	c := &config.Config{}
	*c = *heads(f, echo, browser, page).config
	rules := Compile(c)
	f.Fuzz(func(t *testing.T, request, response []byte) {
		x := &exchange{engine: &Engine{Limits: limiter.New(), Name: "next-hop"}, begun: begun{config: c, policy: rules}, course: course{client: &socket.Conn{}}}
		for _, head := range [][]byte{request, response} {
			if end, err := http1.HeadEnd(head, 0); err != nil || end != len(head) || end <= len("\r\n") {
				return
			}
		}
		if http1.ParseRequest(request, 100, &x.req) != nil || http1.ParseResponse(response, false, &x.resp) != nil {
			return
		}
		if failure := x.decide(); failure != nil {
			t.Fatalf("%q: %+v", request, failure)
		}
		ruled := func(fields []http1.Field) {
			t.Helper()
			set, gone := 0, 0
			for i := range fields {
				if strings.EqualFold(string(fields[i].Name), "X-Set") {
					set++
				}
				if strings.EqualFold(string(fields[i].Name), "X-Gone") {
					gone++
				}
			}
			if set != 1 || gone != 0 {
				t.Errorf("%q, %q: %d fields X-Set, %d fields X-Gone; want 1, 0", request, response, set, gone)
			}
		}
		x.appendRequest()
		var sent http1.Request
		if err := http1.ParseRequest(whole(t, x.out), 200, &sent); err != nil {
			t.Fatalf("%q went out as %q: %v", request, x.out, err)
		}
		if sent.Body != x.req.Body || sent.Length != x.req.Length || !bytes.Equal(sent.Method, x.req.Method) || sent.Absolute ||
			x.req.Host != nil && !bytes.Equal(sent.Host, x.req.Host) {
			t.Errorf("%q went out as %q", request, x.out)
		}
		ruled(sent.Fields)
		x.appendResponse(false)
		var got http1.Response
		if err := http1.ParseResponse(whole(t, x.out), false, &got); err != nil {
			t.Fatalf("%q went out as %q: %v", response, x.out, err)
		}
		if got.Status != x.resp.Status || x.resp.Body != http1.Chunked && (got.Body != x.resp.Body || got.Length != x.resp.Length) {
			t.Errorf("%q went out as %q", response, x.out)
		}
		ruled(got.Fields)
		if x.decision.End == nil {
			return
		}
		x.decision.Answer(&x.made)
		x.appendAnswer(true)
		if err := http1.ParseResponse(whole(t, x.out), false, &got); err != nil || got.Status != x.made.Status {
			t.Fatalf("%q is answered %q: %v", request, x.out, err)
		}
		ruled(got.Fields)
		if i := slices.IndexFunc(got.Fields, func(f http1.Field) bool { return string(f.Name) == "Location" }); i >= 0 {
			if to := string(got.Fields[i].Value); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\ ") {
				t.Errorf("%q is sent to %q", request, to)
			}
		}
	})
}

// whole checks that a head is one, and no more.
func whole(t *testing.T, head []byte) []byte {
	t.Helper()
	if end, err := http1.HeadEnd(head, 0); err != nil || end != len(head) {
		t.Fatalf("%q ends at %d of %d, %v", head, end, len(head), err)
	}
	return head
}
