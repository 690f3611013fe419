package exchange

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/limiter"
	"section.internal/proxyd/internal/socket"
)

// heads returns an exchange with a parsed request and response, under rules.
func heads(t testing.TB, rules, request, response string) *exchange {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "proxy.toml"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{
		engine: &Engine{Limits: limiter.New(), Name: "next-hop"}, course: course{client: &socket.Conn{}},
		begun: begun{config: &loaded.Config, policy: Compile(&loaded.Config), start: time.Now()},
	}
	x.reqHead, x.respHead = []byte(request), []byte(response)
	if err := http1.ParseRequest(x.reqHead, 100, &x.req); err != nil {
		t.Fatal(err)
	}
	if err := http1.ParseResponse(x.respHead, false, &x.resp); err != nil {
		t.Fatal(err)
	}
	return x
}

const browser = "GET /assets/app.css?v=3 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/css,*/*;q=0.1\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nReferer: https://www.example.com/\r\n" +
	"Cookie: session=0123456789abcdef\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nsection-io-id: 0123456789\r\n\r\n"

const page = "HTTP/1.1 200 OK\r\nServer: x\r\nDate: now\r\nContent-Type: text/css\r\nContent-Length: 1024\r\nCache-Control: private\r\n" +
	"Last-Modified: Sun, 02 Nov 2025 10:00:00 GMT\r\nETag: \"1\"\r\n\r\n"

// What rules cost beside the heads without them; the rest of a request takes some 15 µs.
func BenchmarkHeads(b *testing.B) {
	var distinct strings.Builder
	for n := range 100 {
		fmt.Fprintf(&distinct, "[[rule]]\nname = \"%d\"\nmatch = { host = \"h%d.example.com\", path = \"/p%d/**\" }\nrespond = { status = 403 }\n", n, n, n)
	}
	f := func(name, rules string) {
		b.Run(name, func(b *testing.B) {
			x := heads(b, rules, browser, page)
			b.ReportAllocs()
			for b.Loop() {
				if f := x.decide(); f != nil {
					b.Fatal(f)
				}
				x.appendRequest()
				x.appendResponse(false)
				x.decision.Forget()
			}
		})
	}
	f("no rules", "")
	f("none of 100 matches", distinct.String())
	f("ten change headers", TenRules)
}
