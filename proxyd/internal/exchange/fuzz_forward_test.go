package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"section.internal/proxyd/internal/http1"
)

// The heads that the engine itself builds are held here; the fuzz targets of http1 hold what it builds them of.

// maxFields is more than a head has that is taken, with those that we add.
const maxFields = 1010

// known are field lines that mutated bytes would hardly ever become, and that concern what we send on.
var known = [...]string{
	"Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked", "Connection: close", "Connection: keep-alive", "Connection: upgrade, te",
	"Connection: x-a, cookie, via, host, date, max-forwards", "Connection: content-length, transfer-encoding, trailer, expect",
	"Connection: connection, upgrade, te", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5", "Upgrade: websocket", "Upgrade: h2c", "TE: trailers",
	"TE: gzip, trailers;q=1", "Trailer: X-A", "Expect: 100-continue", "Host: b", "hOST:", "Max-Forwards: 1", "max-forwards: 9223372036854775807",
	"Max-Forwards: x", "Cookie: a", "X-A: 1", "x-a:\t2", "Date: x", "Via: 1.0 x, 1.1 proxyd", "Empty:", "X-B: \xff \t y ", "Pragma: no-cache",
}

// headWith is the head at the start of b with some of the known lines at its end, or nil when there is none.
func headWith(b, lines []byte) []byte {
	end, err := http1.HeadEnd(b, 0)
	if end <= 2 || err != nil {
		return nil
	}
	in := slices.Clone(b[:end-2])
	for _, i := range lines[:min(len(lines), 50)] {
		in = append(append(in, known[int(i)%len(known)]...), "\r\n"...)
	}
	return append(in, "\r\n"...)
}

func addHeads(f *testing.F, who, first string, rest func(b, lines []byte)) {
	for _, said := range Said(f, who) {
		rest(said, nil)
	}
	for i := range len(known) - 3 {
		rest([]byte(first+"\r\n\r\n"), []byte{byte(i), byte(i + 1), byte(i + 3)})
	}
}

// FuzzForwardedRequest holds, of every request that is taken and goes to next-hop: what is sent parses strictly to the same request
// with the end-to-end fields in their order, without a hop-by-hop one that is not ours, and net/http reads the same from it.
func FuzzForwardedRequest(f *testing.F) {
	addHeads(f, "client", "POST / HTTP/1.1\r\nHost: a", func(b, lines []byte) { f.Add(b, lines) })
	addHeads(f, "client", "OPTIONS http://b?c HTTP/1.0", func(b, lines []byte) { f.Add(b, lines) })
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9223372036854775807\r\n\r\n"), []byte{})
	engine := &Engine{Name: "next-hop"}
	f.Fuzz(func(t *testing.T, b, lines []byte) {
		in := headWith(b, lines)
		x := &exchange{engine: engine, out: []byte("what was sent before")}
		r := &x.req
		if in == nil || http1.ParseRequest(in, 1000, r) != nil || r.MaxForwards == 0 {
			return
		}
		x.appendRequest()
		out := x.out
		var sent http1.Request
		if end, err := http1.HeadEnd(out, 0); err != nil || end != len(out) {
			t.Fatalf("what is sent is not one head: %d, %v\n%q\n%q", end, err, in, out)
		}
		if err := http1.ParseRequest(out, maxFields, &sent); err != nil {
			t.Fatalf("what is sent is refused: %v\n%q\n%q", err, in, out)
		}
		if err := sameRequest(r, &sent, engine.Name); err != nil {
			t.Fatalf("what is sent is another request: %v\n%q\n%q", err, in, out)
		}
		if before, after := x.passes(), (&exchange{req: sent}).passes(); after != before+1 {
			t.Fatalf("it has passed %d times, and then %d\n%q\n%q", before, after, in, out)
		}
		if err := wantFields(endToEnd(r, engine.Name), requestExtras(r), sent.Fields); err != nil {
			t.Fatalf("%v\n%q\n%q", err, in, out)
		}
		if err := netHTTPReadsRequest(out, &sent); err != nil {
			t.Fatalf("net/http does not agree on what is sent: %v\n%q\n%q", err, in, out)
		}
	})
}

func sameRequest(r, sent *http1.Request, name string) error {
	host := string(r.Host)
	if r.Host == nil {
		host = name
	}
	hops := r.MaxForwards
	if hops > 0 {
		hops--
	}
	switch {
	case string(sent.Method) != string(r.Method):
		return fmt.Errorf("method %q became %q", r.Method, sent.Method)
	case string(sent.Target) != string(r.Path) || sent.Absolute:
		return fmt.Errorf("path %q became %q", r.Path, sent.Target)
	case string(sent.Host) != host:
		return fmt.Errorf("host %q became %q", host, sent.Host)
	case sent.Minor != 1 || !sent.KeepAlive:
		return fmt.Errorf("it is sent as HTTP/1.%d, and the connection may live on: %v", sent.Minor, sent.KeepAlive)
	case sent.Body != r.Body || sent.Length != r.Length:
		return fmt.Errorf("body %d of %d bytes became %d of %d", r.Body, r.Length, sent.Body, sent.Length)
	case sent.Continue != r.Continue || sent.Upgrade != r.Upgrade || sent.Trailers != r.Trailers:
		return errors.New("what is asked of the connection became another")
	case sent.MaxForwards != hops:
		return fmt.Errorf("Max-Forwards %d became %d", r.MaxForwards, sent.MaxForwards)
	}
	return nil
}

// hopByHop are the fields that no message of ours has unless we say so ourselves (RFC 9110 section 7.6.1).
var hopByHop = []string{"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}

// endToEnd returns the lines of r that must reach next-hop. Where there is no Host, it is the name of next-hop, and comes first.
func endToEnd(r *http1.Request, name string) (lines []string) {
	if !slices.ContainsFunc(r.Fields, func(f http1.Field) bool { return f.Kind == http1.Host }) {
		if r.Host != nil {
			name = string(r.Host)
		}
		lines = append(lines, "Host: "+name)
	}
	for _, f := range r.Fields {
		value := string(f.Value)
		switch name := strings.ToLower(string(f.Name)); {
		case name == "host":
			value = string(r.Host) // the target's, where it has one
		case name == "expect" && !r.Continue:
			continue // RFC 9110 section 10.1.1: means nothing without a body, and in HTTP/1.0
		case name == "max-forwards" && r.MaxForwards > 0:
			value = fmt.Sprint(r.MaxForwards - 1)
		case name == "upgrade" && r.Upgrade:
		case f.Hop:
			continue
		}
		lines = append(lines, string(f.Name)+": "+value)
	}
	return lines
}

// requestExtras returns the lines that we add, in their order, all of them behind those that came.
func requestExtras(r *http1.Request) (lines []string) {
	if r.Body == http1.Chunked {
		lines = append(lines, "Transfer-Encoding: chunked")
	}
	switch {
	case r.Upgrade && r.Trailers:
		lines = append(lines, "Connection: upgrade, TE", "TE: trailers")
	case r.Upgrade:
		lines = append(lines, "Connection: upgrade")
	case r.Trailers:
		lines = append(lines, "Connection: TE", "TE: trailers")
	}
	return append(lines, fmt.Sprintf("Via: 1.%d proxyd", r.Minor))
}

// wantFields expects exactly these lines, and that of those which came none is hop-by-hop but an Upgrade.
func wantFields(came, added []string, sent []http1.Field) error {
	for _, line := range came {
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		if slices.Contains(hopByHop, name) && (name != "upgrade" || !slices.ContainsFunc(added, func(l string) bool { return strings.HasPrefix(l, "Connection: upgrade") })) {
			return fmt.Errorf("a hop-by-hop field would be sent on: %q", line)
		}
	}
	var got []string
	for _, f := range sent {
		got = append(got, string(f.Name)+": "+string(f.Value))
	}
	if want := slices.Concat(came, added); !slices.Equal(got, want) {
		return fmt.Errorf("fields %q are sent instead of %q", got, want)
	}
	return nil
}

// netHTTPReadsRequest says how net/http reads out differently from r.
func netHTTPReadsRequest(out []byte, r *http1.Request) error {
	other, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(out)))
	if err != nil {
		if stricter(err, r.Target, r.Fields) {
			return nil
		}
		return err
	}
	framed := other.Body == http.NoBody
	switch r.Body {
	case http1.Length:
		framed = other.ContentLength == r.Length && other.TransferEncoding == nil
	case http1.Chunked:
		framed = other.ContentLength == -1 && slices.Equal(other.TransferEncoding, []string{"chunked"})
	}
	switch {
	case other.Method != string(r.Method) || other.RequestURI != string(r.Target) || other.Host != string(r.Host):
		return fmt.Errorf("%q %q of host %q", other.Method, other.RequestURI, other.Host)
	case other.ProtoMajor != 1 || other.ProtoMinor != 1 || other.Close:
		return fmt.Errorf("version %d.%d, and the connection ends: %v", other.ProtoMajor, other.ProtoMinor, other.Close)
	case !framed:
		return fmt.Errorf("body of %d bytes, coding %q", other.ContentLength, other.TransferEncoding)
	}
	without := slices.DeleteFunc(slices.Clone(r.Fields), func(f http1.Field) bool { return f.Kind == http1.Host })
	return sameHeader(without, other.Header)
}

// stricter lists why net/http refuses what we take and send on:
//   - it decodes targets, and finds a % without two hexadecimal digits;
//   - a Trailer field may not announce fields that frame a message; for us it is only a promise, and they are dropped when they come.
func stricter(err error, target []byte, fields []http1.Field) bool {
	if broken := (*url.Error)(nil); errors.As(err, &broken) {
		return bytes.Contains(target, []byte("%"))
	}
	return strings.HasPrefix(err.Error(), "bad trailer key") &&
		slices.ContainsFunc(fields, func(f http1.Field) bool { return f.Kind == http1.Trailer })
}

// sameHeader compares fields with what net/http has read of them. It takes out Transfer-Encoding
// and with it Trailer; and it repeats Pragma: no-cache as Cache-Control.
func sameHeader(fields []http1.Field, got http.Header) error {
	want := http.Header{}
	for _, f := range fields {
		want.Add(string(f.Name), string(f.Value))
	}
	if want["Transfer-Encoding"] != nil {
		want.Del("Trailer")
		want.Del("Transfer-Encoding")
	}
	if want.Get("Pragma") == "no-cache" && want["Cache-Control"] == nil {
		want.Set("Cache-Control", "no-cache")
	}
	if got["Connection"] == nil {
		want.Del("Connection") // of a response that ends the connection
	}
	if a, b := fmt.Sprintf("%q", want), fmt.Sprintf("%q", got); a != b { // maps are printed in order
		return fmt.Errorf("fields %s instead of %s", b, a)
	}
	return nil
}

// FuzzForwardedResponse holds, of every final response that is taken, for each kind of client: what is sent parses strictly to the
// same response, framed as that client can read it, and net/http reads the same from it.
func FuzzForwardedResponse(f *testing.F) {
	for kind := range byte(8) {
		addHeads(f, "origin", "HTTP/1.1 200 OK", func(b, lines []byte) { f.Add(b, lines, kind) })
		f.Add([]byte("HTTP/1.1 426 x\r\nUpgrade: a/1\r\nUpgrade: b\r\nTransfer-Encoding: chunked\r\n\r\n"), []byte{}, kind)
		f.Add([]byte("HTTP/1.0 599 \xe9\t\r\n\r\n"), []byte{}, kind)
	}
	f.Fuzz(func(t *testing.T, b, lines []byte, kind byte) {
		in := headWith(b, lines)
		headRequest, minor, wish := kind&1 != 0, int(kind>>1&1), kind&4 != 0
		x := &exchange{engine: &Engine{}, begun: begun{start: time.Unix(1e9, 0)}}
		x.req.Minor = minor
		r := &x.resp
		if in == nil || http1.ParseResponse(in, headRequest, r) != nil || r.Status < 200 {
			return
		}
		// As deliver has it.
		unframed := r.Body == http1.Chunked || r.Body == http1.UntilClose
		chunked := unframed && minor >= 1
		x.closing = wish || unframed && !chunked
		x.appendResponse(chunked)
		out := x.out
		var sent http1.Response
		if end, err := http1.HeadEnd(out, 0); err != nil || end != len(out) {
			t.Fatalf("what is sent is not one head: %d, %v\n%q\n%q", end, err, in, out)
		}
		if err := http1.ParseResponse(out, headRequest, &sent); err != nil {
			if len(r.Fields) > 990 && strings.Contains(err.Error(), "more field lines") {
				return // it came with as many as are taken, and has some of ours now
			}
			t.Fatalf("what is sent is refused: %v\n%q\n%q", err, in, out)
		}
		if err := sameResponse(r, &sent, minor, x.closing); err != nil {
			t.Fatalf("what is sent is another response: %v\n%q\n%q", err, in, out)
		}
		if err := wantFields(kept(r), responseExtras(x, chunked), sent.Fields); err != nil {
			t.Fatalf("%v\n%q\n%q", err, in, out)
		}
		if err := netHTTPReadsResponse(out, headRequest, &sent); err != nil {
			t.Fatalf("net/http does not agree on what is sent: %v\n%q\n%q", err, in, out)
		}
	})
}

func sameResponse(r, sent *http1.Response, minor int, closing bool) error {
	body := r.Body
	switch {
	case minor == 0 && body == http1.Chunked:
		body = http1.UntilClose // RFC 9112 section 6.1: HTTP/1.0 knows no chunks
	case minor == 1 && body == http1.UntilClose:
		body = http1.Chunked
	}
	switch {
	case sent.Status != r.Status || string(sent.Phrase) != string(r.Phrase):
		return fmt.Errorf("status %d %q became %d %q", r.Status, r.Phrase, sent.Status, sent.Phrase)
	case sent.Minor != 1 || sent.KeepAlive == closing:
		return fmt.Errorf("it is sent as HTTP/1.%d, and the connection lives on: %v", sent.Minor, sent.KeepAlive)
	case sent.Body != body || sent.Length != r.Length:
		return fmt.Errorf("body %d of %d bytes became %d of %d", r.Body, r.Length, sent.Body, sent.Length)
	case !sent.HasDate:
		return errors.New("it has no Date")
	}
	return nil
}

func kept(r *http1.Response) (lines []string) {
	for _, f := range r.Fields {
		// RFC 9110 section 8.6: a response without content by its status has no length.
		if !f.Hop && (f.Kind != http1.ContentLength || r.Status != 204) {
			lines = append(lines, string(f.Name)+": "+string(f.Value))
		}
	}
	return lines
}

func responseExtras(x *exchange, chunked bool) (lines []string) {
	if !x.resp.HasDate {
		lines = append(lines, "Date: Sun, 09 Sep 2001 01:46:40 GMT")
	}
	if chunked {
		lines = append(lines, "Transfer-Encoding: chunked")
	}
	if x.resp.Status == 426 && x.resp.Protocols && x.req.Minor >= 1 {
		for _, f := range x.resp.Fields {
			if f.Kind == http1.Upgrade {
				lines = append(lines, string(f.Name)+": "+string(f.Value))
			}
		}
		lines = append(lines, "Connection: upgrade")
	}
	switch {
	case x.closing:
		lines = append(lines, "Connection: close")
	case x.req.Minor == 0:
		lines = append(lines, "Connection: keep-alive")
	}
	return append(lines, fmt.Sprintf("Via: 1.%d proxyd", x.resp.Minor))
}

// netHTTPReadsResponse says how net/http reads out differently from r.
func netHTTPReadsResponse(out []byte, headRequest bool, r *http1.Response) error {
	request := &http.Request{Method: "GET"}
	if headRequest {
		request.Method = "HEAD"
	}
	other, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), request)
	if err != nil {
		if stricter(err, nil, r.Fields) {
			return nil
		}
		return err
	}
	framed := other.Body == http.NoBody
	switch r.Body {
	case http1.Length:
		framed = other.Body != http.NoBody && other.ContentLength == r.Length && other.TransferEncoding == nil
	case http1.Chunked:
		framed = other.Body != http.NoBody && slices.Equal(other.TransferEncoding, []string{"chunked"})
	case http1.UntilClose:
		framed = other.Body != http.NoBody && other.ContentLength == -1 && other.TransferEncoding == nil
	}
	switch {
	case other.Status != fmt.Sprintf("%d %s", r.Status, r.Phrase) || other.StatusCode != r.Status:
		return fmt.Errorf("status %d %q", other.StatusCode, other.Status)
	case other.ProtoMajor != 1 || other.ProtoMinor != 1 || other.Close == r.KeepAlive:
		return fmt.Errorf("version %d.%d, and the connection ends: %v", other.ProtoMajor, other.ProtoMinor, other.Close)
	case !framed:
		return fmt.Errorf("body of %d bytes, coding %q", other.ContentLength, other.TransferEncoding)
	}
	return sameHeader(r.Fields, other.Header)
}
