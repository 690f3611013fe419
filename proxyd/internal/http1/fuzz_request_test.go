package http1

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzRequest holds, of every request that is taken:
//   - net/http reads the same from the same bytes, or refuses them for a reason in stricterAboutRequests;
//   - what is sent on parses to the same request, and net/http reads that from it as well;
//   - sending on what was sent on changes nothing more.
func FuzzRequest(f *testing.F) {
	for _, in := range requestSeeds() {
		f.Add(in, []byte(nil))
	}
	for i := range len(knownLines) - 2 {
		f.Add(head("POST / HTTP/1.1", "Host: a"), []byte{byte(i), byte(i + 1), byte(i + 2)})
	}
	f.Fuzz(func(t *testing.T, b, lines []byte) {
		in := headWith(b, lines)
		var r Request
		if in == nil || ParseRequest(in, 1000, &r) != nil {
			return
		}
		if err := agreeOnRequest(in, &r); err != nil {
			t.Fatalf("net/http does not agree: %v\n%q", err, in)
		}
		out := forwardRequest(&r)
		var sent Request
		if err := parseWhole(out, &sent); err != nil {
			t.Fatalf("what is sent on is refused: %v\n%q\n%q", err, in, out)
		}
		if err := sameRequest(&r, &sent); err != nil {
			t.Fatalf("what is sent on is another request: %v\n%q\n%q", err, in, out)
		}
		if err := agreeOnRequest(out, &sent); err != nil {
			t.Fatalf("net/http does not agree on what is sent on: %v\n%q\n%q", err, in, out)
		}
		if again := forwardRequest(&sent); !bytes.Equal(out, again) {
			t.Fatalf("sent on twice, it changes once more\n%q\n%q\n%q", in, out, again)
		}
	})
}

// knownLines are what mutated bytes would hardly ever become: fields that matter to us, which a fuzzer may combine.
var knownLines = [...]string{
	"Content-Length: 5", "Transfer-Encoding: chunked", "content-length: 0", "TRANSFER-ENCODING:\tChunked ", "Content-Length: 05", "Content-Length: 5,5",
	"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked,", "Connection: close", "Connection: Keep-Alive", "Connection: upgrade, te",
	"Connection: content-length, transfer-encoding, host, trailer", "Connection: x-a, cookie, pragma, user-agent", "Connection: connection, upgrade",
	"Proxy-Connection: keep-alive", "Keep-Alive: timeout=5", "Upgrade: websocket", "Upgrade: h2c", "TE: trailers", "TE: gzip", "Trailer: X-A", "Trailer: Content-Length",
	"Expect: 100-continue", "Host: b", "hOST: [::1]:80", "Host:", "Host: a%20b", "Cookie: a=b", "Cookie: c=d", "Pragma: no-cache", "Cache-Control: no-store", "X-A: 1",
	"x-a:2", "User-Agent: u", "Date: x", "Via: 1.0 x", "Empty:", "X-B: \xff \t y ",
}

// headWith is the head at the start of b with some of the known lines at its end, or nil when there is none.
func headWith(b, lines []byte) []byte {
	end, err := HeadEnd(b, 0)
	if end <= 2 || err != nil {
		return nil
	}
	in := b[: end-2 : end-2]
	for _, i := range lines[:min(len(lines), 50)] {
		in = append(append(in, knownLines[int(i)%len(knownLines)]...), "\r\n"...)
	}
	return append(in, "\r\n"...)
}

func requestSeeds() [][]byte {
	seeds := [][]byte{
		head("POST / HTTP/1.1", "Host: a", "Content-Length: 010"),
		browserRequest,
		head("OPTIONS HTTP://A:80 HTTP/1.1", "Host: B", "Max-Forwards: 0"),
		head("OPTIONS * HTTP/1.0"),
		head("GET https://[::1]?x HTTP/1.2", "Host: a", "Connection: close, x-a, host, cookie", "X-A: 1", "Cookie: c"),
		head("GET //a/%2f%zz?%%& HTTP/1.1", "Host: a%20b", "Pragma: no-cache"),
		head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: Chunked", "Trailer: X-Sum, Content-Length", "TE: trailers, gzip;q=0.5", "Connection: TE"),
		head("PUT / HTTP/1.1", "Host: a", "Content-Length: 0000005", "Expect: 100-Continue", "Content-Length: 5"),
		head("PUT / HTTP/1.1", "Host: a", "Content-Length: 9223372036854775807", "Expect: 100-continue", "Connection: expect, content-length"),
		head("PUT / HTTP/1.0", "Content-Length: 0", "Expect: 100-continue", "Connection: Keep-Alive", "Keep-Alive: timeout=5"),
		head("GET /chat HTTP/1.1", "Host: a", "Connection: Upgrade,TE", "Upgrade: websocket, x/2", "Upgrade: y", "TE: trailers", "Sec-WebSocket-Key: x=="),
		head("GET / HTTP/1.1", "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
	}
	for _, table := range [][]refusal{requestLines, targets, hosts} {
		for _, c := range table {
			seeds = append(seeds, c.in)
		}
	}
	for line := range fieldLines {
		seeds = append(seeds, head("GET / HTTP/1.1", "Host: a", line))
	}
	for _, host := range slices.Concat(goodHosts, badHosts) {
		seeds = append(seeds, head("GET / HTTP/1.1", "Host: "+host), head("GET http://"+host+" HTTP/1.0"))
	}
	for _, c := range ambiguous {
		seeds = append(seeds, head(append([]string{"POST / HTTP/1.1", "Host: a"}, c.fields...)...))
	}
	return seeds
}

// nameOfNextHop stands in for the host of a request that has none.
const nameOfNextHop = "next-hop"

// forwardRequest builds the head that next-hop gets, as package exchange does, but for Via, which grows.
func forwardRequest(r *Request) []byte {
	out := AppendRequestLine(nil, r.Method, r.Path)
	hasHost := false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Kind == Host:
			hasHost = true
			out = AppendField(out, f.Name, r.Host)
		case f.Kind == Upgrade && r.Upgrade, !f.Hop && (f.Kind != Expect || r.Continue):
			out = AppendField(out, f.Name, f.Value)
		}
	}
	if !hasHost {
		host := r.Host
		if host == nil {
			host = []byte(nameOfNextHop)
		}
		out = AppendField(out, []byte("Host"), host)
	}
	if r.Body == Chunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	var options []string
	if r.Upgrade {
		options = append(options, "upgrade")
	}
	if r.Trailers {
		options = append(options, "TE")
		out = append(out, "TE: trailers\r\n"...)
	}
	if len(options) > 0 {
		out = append(out, "Connection: "+strings.Join(options, ", ")+"\r\n"...)
	}
	return append(out, "\r\n"...)
}

// sameRequest says how sent differs from the request r that it was made from.
func sameRequest(r, sent *Request) error {
	host := string(r.Host)
	if r.Host == nil {
		host = nameOfNextHop
	}
	switch {
	case string(sent.Method) != string(r.Method):
		return fmt.Errorf("method %q became %q", r.Method, sent.Method)
	case string(sent.Target) != string(r.Path) || string(sent.Path) != string(r.Path) || sent.Absolute:
		return fmt.Errorf("path %q became %q", r.Path, sent.Target)
	case string(sent.Host) != host:
		return fmt.Errorf("host %q became %q", host, sent.Host)
	case sent.Minor != 1:
		return fmt.Errorf("it is sent as HTTP/1.%d", sent.Minor)
	case sent.Body != r.Body || sent.Length != r.Length:
		return fmt.Errorf("body %d of %d bytes became %d of %d", r.Body, r.Length, sent.Body, sent.Length)
	case sent.Continue != r.Continue || sent.Upgrade != r.Upgrade || sent.Trailers != r.Trailers || !sent.KeepAlive:
		return fmt.Errorf("what is asked of the connection became another")
	}
	var fields [2][]string
	for i, of := range []*Request{r, sent} {
		for _, f := range of.Fields {
			if !f.Hop && f.Kind != Host && (f.Kind != Expect || r.Continue) {
				fields[i] = append(fields[i], string(f.Name)+": "+string(f.Value))
			}
		}
	}
	if !slices.Equal(fields[0], fields[1]) {
		return fmt.Errorf("fields %q became %q", fields[0], fields[1])
	}
	return nil
}

// agreeOnRequest says how net/http reads in differently from r.
func agreeOnRequest(in []byte, r *Request) error {
	other, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
	if err != nil {
		if stricterAboutRequests(r, err) {
			return nil
		}
		return err
	}
	framed := other.Body == http.NoBody
	switch r.Body {
	case Length:
		framed = other.ContentLength == r.Length && other.TransferEncoding == nil
	case Chunked:
		framed = slices.Equal(other.TransferEncoding, []string{"chunked"}) && other.ContentLength == -1
	}
	switch {
	case other.Method != string(r.Method):
		return fmt.Errorf("method %q", other.Method)
	case other.RequestURI != string(r.Target):
		return fmt.Errorf("target %q", other.RequestURI)
	case other.ProtoMajor != 1 || other.ProtoMinor != r.Minor:
		return fmt.Errorf("version %d.%d", other.ProtoMajor, other.ProtoMinor)
	case other.Host != string(r.Host) && !bytes.Contains(r.Host, []byte("%")): // it decodes the host of an absolute target
		return fmt.Errorf("host %q", other.Host)
	case !framed:
		return fmt.Errorf("body of %d bytes, coding %q", other.ContentLength, other.TransferEncoding)
	case other.Close == r.KeepAlive:
		return fmt.Errorf("the connection ends: %v", other.Close)
	}
	want := headerOf(r.Fields)
	delete(want, "Host")
	return sameHeader(want, other.Header)
}

// stricterAboutRequests lists why net/http refuses what we take.
func stricterAboutRequests(r *Request, err error) bool {
	var broken *url.Error
	if errors.As(err, &broken) {
		// It decodes targets, and finds a % without two hexadecimal digits, or one that its host must not have. We pass them on.
		return bytes.Contains(r.Target, []byte("%"))
	}
	return announcesFraming(r.Fields, err)
}

// announcesFraming says whether net/http refused a Trailer field that names fields which frame a message. We pass it on as it
// is only a promise, and drop those fields when they come.
func announcesFraming(fields []Field, err error) bool {
	if !strings.HasPrefix(err.Error(), "bad trailer key") {
		return false
	}
	for _, f := range fields {
		for name := range tokens(f.Value) {
			if k := kindOf(name); f.Kind == Trailer && (k == TransferEncoding || k == ContentLength || k == Trailer) {
				return true
			}
		}
	}
	return false
}

// headerOf makes of fields what net/http does: it takes Transfer-Encoding out, and with it Trailer; and it repeats
// Pragma: no-cache as Cache-Control.
func headerOf(fields []Field) http.Header {
	header := make(http.Header)
	for _, f := range fields {
		header.Add(string(f.Name), string(f.Value))
	}
	if _, chunked := header["Transfer-Encoding"]; chunked {
		delete(header, "Transfer-Encoding")
		delete(header, "Trailer")
	}
	if header.Get("Pragma") == "no-cache" && header["Cache-Control"] == nil {
		header.Set("Cache-Control", "no-cache")
	}
	return header
}

// sameHeader holds got, which net/http has read, against what we take from the same bytes: the zeros before a length are not.
func sameHeader(want, got http.Header) error {
	for i, length := range got["Content-Length"] {
		got["Content-Length"][i] = cmp.Or(strings.TrimLeft(length, "0"), "0")
	}
	if !maps.EqualFunc(want, got, slices.Equal) {
		return fmt.Errorf("fields %q instead of %q", got, want)
	}
	return nil
}
