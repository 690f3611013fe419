package exchange_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/exchange"
)

// rules returns what has a proxy apply these rules, as a file has them.
func rules(t testing.TB, text string) func(*config.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "proxy.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Rules = loaded.Config.Rules }
}

// What a rule's answer must have, in its order: fields of the rule, then the length.
func TestAnswer_IsWholeAndKeepsTheConnection(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 32<<10)
	p := start(t, rules(t, fmt.Sprintf(`
[[rule]]
name = "large"
match = { path = "/large" }
respond = { status = 200, body = %q }
[[rule]]
name = "empty"
match = { path = "/empty" }
respond = { status = 204, headers = { X-A = "b" } }
[[rule]]
name = "unknown status"
match = { path = "/299" }
respond = { status = 299, body = "x" }
`, large)))
	c := p.client()
	for _, ask := range []struct {
		method, path, status string
		length               int // -1: no field
		body                 string
		rule                 string
	}{
		{"GET", "/large", "200 OK", len(large), large, "large"},
		{"HEAD", "/large", "200 OK", len(large), "", "large"},
		{"GET", "/empty", "204 No Content", -1, "", "empty"},
		{"OPTIONS", "/299", "299 ", 1, "x", "unknown status"},
	} {
		c.say(ask.method + " " + ask.path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		head := c.head()
		length := ""
		if ask.length >= 0 {
			length = fmt.Sprintf("\r\nContent-Length: %d\r\n", ask.length)
		}
		if !strings.HasPrefix(head, "HTTP/1.1 "+ask.status+"\r\nDate: ") || strings.Contains(head, "\r\nConnection:") ||
			strings.Count(head, "\r\nContent-Length: ") != min(ask.length+1, 1) || !strings.Contains(head, length) {
			t.Errorf("%s %s:\n%s", ask.method, ask.path, head)
		}
		c.hear(ask.body)
		r := p.wantReason(httpcache.Responded, atoi(ask.status[:3]))
		if r.Rule != ask.rule || r.BodyBytes != int64(len(ask.body)) || r.Bytes != int64(len(head)+len(ask.body)) ||
			r.Cache != httpcache.Synth || r.UpstreamStatus != 0 {
			t.Errorf("%s %s: %+v", ask.method, ask.path, r.Record)
		}
	}
	p.notAsked()
}

func atoi(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

// A client that waits for the end of an answer to a request whose body nobody reads gets both.
func TestAnswer_ToABodyThatNobodyReadsEndsTheConnection(t *testing.T) {
	p := start(t, rules(t, "[[rule]]\nname = \"closed\"\nrespond = { status = 403, body = \"no\" }\n"))
	c := p.client()
	c.say("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50000))
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 403 ") || !strings.Contains(head, "\r\nConnection: close\r\n") {
		t.Errorf("%s", head)
	}
	c.hear("no")
	c.ended()
	p.wantReason(httpcache.Responded, 403)
	p.notAsked()
}

func TestDecide_ARuleComesBeforeTheAnswerToOptionsButNotBeforeALoop(t *testing.T) {
	p := start(t, rules(t, "[[rule]]\nname = \"closed\"\nrespond = { status = 403, body = \"no\" }\n"))
	c := p.client()
	c.say("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
	c.head()
	c.hear("no")
	p.wantReason(httpcache.Responded, 403)
	c.say("GET / HTTP/1.1\r\nHost: a\r\nVia: " + strings.Repeat("1.1 proxyd, ", 8) + "\r\n\r\n")
	wantError(t, c, 502, "proxy_loop_detected", httpcache.ProxyLoop, true)
	p.wantReason(httpcache.ProxyLoop, 502)
	p.notAsked()
}

// The request goes again with the same changes when the connection that was to carry it had ended.
func TestDecide_IsMadeOnceForAllAttempts(t *testing.T) {
	p := start(t, rules(t, `
[[rule]]
name = "limited"
match = { path = "/y" }
limit = { requests = 1, per = "1h", burst = 1 }
request = { set = { X-A = "{path}" } }
rewrite = { path = "/z" }
`))
	c, nextHop := p.reused()
	c.say("GET /y HTTP/1.1\r\nHost: a.test\r\n\r\n")
	nextHop.hear("GET /z HTTP/1.1\r\nHost: a.test\r\nX-A: /y\r\nVia: 1.1 proxyd\r\n\r\n")
	nextHop.Close()
	again := p.accept()
	again.hear("GET /z HTTP/1.1\r\nHost: a.test\r\nX-A: /y\r\nVia: 1.1 proxyd\r\n\r\n")
	again.say(okay)
	c.hear(okayed)
	p.wantReason(httpcache.Passed, 200)
}

// What is logged of the response is what the client got.
func TestRecord_ShowsTheResponseAsTheRulesHaveMadeIt(t *testing.T) {
	p := start(t, rules(t, `
[[rule]]
name = "type"
response = { set = { Content-Type = "text/new" }, remove = ["section-io-tag"] }
`))
	c := p.client()
	c.say(get)
	nextHop := p.accept()
	nextHop.hear(asked)
	nextHop.say("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/old\r\nsection-io-tag: x\r\nContent-Length: 0\r\n\r\n")
	c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nContent-Type: text/new\r\nVia: 1.1 proxyd\r\n\r\n")
	if r := p.wantReason(httpcache.Passed, 200); r.contentType != "text/new" || r.tag != "" {
		t.Errorf("logged %q, %q", r.contentType, r.tag)
	}
}

// changed is what the rules add to a response without Server.
const changed = "Strict-Transport-Security: max-age=31536000\r\nX-Content-Type-Options: nosniff\r\n" +
	"Referrer-Policy: strict-origin-when-cross-origin\r\nCache-Control: public, max-age=3600\r\n"

// noMatch are rules of which none matches what the browser asks for.
func noMatch() string {
	var b strings.Builder
	for n := range 100 {
		fmt.Fprintf(&b, "[[rule]]\nname = \"%d\"\nmatch = { host = \"h%d.example.com\", path = \"/p%d/**\" }\nrespond = { status = 403 }\n", n, n, n)
	}
	return b.String()
}

// ruled returns what carries one request through a proxy with rules that add so many bytes to the response.
func ruled(t testing.TB, text string, added int) (once func()) {
	response, answer := sizedResponse(1 << 10)
	return steady(t, rules(t, text), browser, response, answer+added)
}

// answeredByRule returns what has one request answered by a rule.
func answeredByRule(t testing.TB) (once func()) {
	p := start(t, rules(t, fmt.Sprintf(`
[[rule]]
name = "answered here"
match = { path = "/assets/**" }
respond = { status = 200, body = %q, headers = { Cache-Control = "public, max-age=3600" } }
`, strings.Repeat("x", 1<<10))))
	p.silent.Store(true)
	c := p.client()
	c.say(browser + "\r\n")
	in, out := make([]byte, len(c.head())+1<<10), []byte(browser+"\r\n")
	c.hear(strings.Repeat("x", 1<<10))
	return func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, in); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRules_AllocateNothingOnTheSteadyPath(t *testing.T) {
	f := func(name string, begin func(t testing.TB) (once func())) {
		t.Run(name, func(t *testing.T) {
			once := begin(t)
			const runs = 500
			if allocs := testing.AllocsPerRun(runs, once); allocs > allowedAllocs {
				t.Errorf("%v allocations a request; want at most %v", allocs, allowedAllocs)
			}
		})
	}
	f("none matches", func(t testing.TB) func() { return ruled(t, noMatch(), 0) })
	f("ten change headers", func(t testing.TB) func() { return ruled(t, exchange.TenRules, len(changed)) })
	f("one answers", answeredByRule)
}

func benchmarkOnce(b *testing.B, once func()) {
	b.SetBytes(1 << 10)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

func BenchmarkExchange_Pass1KiBNoRuleMatches(b *testing.B) { benchmarkOnce(b, ruled(b, noMatch(), 0)) }
func BenchmarkExchange_Pass1KiBTenRulesChange(b *testing.B) {
	benchmarkOnce(b, ruled(b, exchange.TenRules, len(changed)))
}
func BenchmarkExchange_Answer1KiB(b *testing.B) { benchmarkOnce(b, answeredByRule(b)) }
