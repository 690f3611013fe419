package http1

import (
	"strings"
	"testing"
)

// browserRequest is what a browser's request looks like when it has come through the platform's edge.
var browserRequest = head(
	"GET /assets/img/products/2026/large/blue-bicycle.webp?width=1280&v=8f3c1a HTTP/1.1",
	"Host: www.example.com",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
	"Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Accept-Language: en-AU,en;q=0.9,de;q=0.8",
	"Referer: https://www.example.com/products/bicycles",
	"Cookie: session=b1946ac92492d2347c6235b4d2611184; _ga=GA1.2.1290391.1718000",
	"X-Forwarded-For: 203.0.113.7, 198.51.100.23",
	"X-Forwarded-Proto: https",
	"True-Client-IP: 203.0.113.7",
	"section-io-id: 5d41402abc4b2a76b9719d911017c592",
	"Connection: keep-alive",
)

// cdnResponse is what an origin behind another cache answers.
var cdnResponse = head(
	"HTTP/1.1 200 OK",
	"Date: Sat, 13 Jun 2026 08:12:31 GMT",
	"Content-Type: image/webp",
	"Content-Length: 48213",
	"Connection: keep-alive",
	"Cache-Control: public, max-age=31536000, immutable",
	`ETag: "66b2c1f4-bc55"`,
	"Last-Modified: Wed, 10 Jun 2026 22:02:44 GMT",
	"Vary: Accept-Encoding, Accept",
	"Age: 5213",
	"Server: nginx",
	"Via: 1.1 varnish, 1.1 edge-syd",
	"X-Cache: HIT, HIT",
	"X-Timer: S1718266351.201331,VS0,VE1",
	"Section-Cache-Tags: 4bt8 3vnt 9xa1 node_list media_412",
	"Strict-Transport-Security: max-age=63072000; includeSubDomains",
	"Accept-Ranges: bytes",
)

// head makes a head of its lines.
func head(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n") }

func TestParse_AllocatesNothingOnceItsListHasGrown(t *testing.T) {
	var request Request
	var response Response
	var trailers []Field
	var out []byte
	chunk, section := []byte("1f;name=value\r\n"), head("X-Sum: 1", "Age: 3")
	nominating := head("POST / HTTP/1.1", "Host: a", "Connection: close, x-a, cookie, upgrade", "X-A: 1", "Cookie: c", "TE: gzip, trailers",
		"Upgrade: websocket", "Transfer-Encoding: chunked", "Expect: 100-continue")
	for name, parse := range map[string]func() error{
		"the end of a head":      func() error { _, err := HeadEnd(browserRequest, 0); return err },
		"a request":              func() error { return ParseRequest(browserRequest, 1000, &request) },
		"a request with options": func() error { return ParseRequest(nominating, 1000, &request) },
		"a response":             func() error { return ParseResponse(cdnResponse, false, &response) },
		"trailers": func() (err error) {
			trailers, err = ParseTrailers(section, nil, trailers)
			return err
		},
		"a chunk": func() error { c := Chunks{MaxExtensions: someExtensions}; _, err := c.Advance(chunk); return err },
		"a head to be sent": func() error {
			out = AppendRequestLine(out[:0], request.Method, request.Path)
			out = AppendFields(out, request.Fields)
			out = AppendStatusLine(out, response.Status, response.Phrase)
			out = AppendChunkStart(out, 1<<40)
			return nil
		},
	} {
		if err := parse(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = parse() }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkHeadEnd(b *testing.B) {
	b.SetBytes(int64(len(browserRequest)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := HeadEnd(browserRequest, 0); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseRequest(b *testing.B) {
	var r Request
	b.SetBytes(int64(len(browserRequest)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseRequest(browserRequest, 1000, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	var r Response
	b.SetBytes(int64(len(cdnResponse)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseResponse(cdnResponse, false, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFields(b *testing.B) {
	var r Request
	if err := ParseRequest(browserRequest, 1000, &r); err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendFields(out[:0], r.Fields)
	}
}

func BenchmarkChunks(b *testing.B) {
	line := []byte("\r\n4000\r\n")
	b.ReportAllocs()
	for b.Loop() {
		c := Chunks{started: true}
		if n, err := c.Advance(line); n != len(line) || err != nil {
			b.Fatal(n, err)
		}
	}
}
