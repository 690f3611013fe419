package http1

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestFields_LineThatTwoCouldReadDifferentlyRefused(t *testing.T) {
	for line, want := range fieldLines {
		var r Request
		if err := parseWhole(head("GET / HTTP/1.1", "Host: a", line), &r); err != error(want) {
			t.Errorf("request with %q: got %v, want %v", line, err, want)
		}
		var p Response
		err := ParseResponse(head("HTTP/1.1 200 OK", line, "X: y"), false, &p)
		if e, ok := err.(*Error); !ok || e.Detail != want.Detail {
			t.Errorf("response with %q: got %v, want %v", line, err, want)
		}
		_, err = ParseTrailers(head("X: y", line), nil, nil)
		if err != error(want) {
			t.Errorf("trailers with %q: got %v, want %v", line, err, want)
		}
	}
}

var fieldLines = map[string]*Error{
	"no colon here":     errNoColon,
	"x":                 errNoColon,
	" ":                 errFold, // or white space before the first field
	" folded":           errFold,
	"\r":                errNoColon,
	": value":           errFieldName,
	":":                 errFieldName,
	"X : y":             errFieldName,
	"X\t: y":            errFieldName,
	" X: y":             errFold,
	"\tX: y":            errFold,
	"X Y: z":            errFieldName,
	"X\x00: y":          errFieldName,
	"X\r: y":            errFieldName,
	"X\u00e9: y":        errFieldName,
	"X\x7f: y":          errFieldName,
	"\"X\": y":          errFieldName,
	"X(Y): z":           errFieldName,
	"X/Y: z":            errFieldName,
	"X;Y: z":            errFieldName,
	"GET / HTTP/1.1: x": errFieldName,
	"X: y\x00":          errFieldValue,
	"X: \x00":           errFieldValue,
	"X: y\rz":           errFieldValue,
	"X: y\r":            errFieldValue,
	"X:\r":              errFieldValue,
	"X: \r y":           errFieldValue,
	"X: y\x01z":         errFieldValue,
	"X: y\x0bz":         errFieldValue,
	"X: y\x1fz":         errFieldValue,
	"X: y\x7fz":         errFieldValue,
}

func TestFields_KeepCaseOrderAndValues(t *testing.T) {
	r := parseRequest(t, head("GET / HTTP/1.1", "HoSt: a", "x_under-SCORE:1", "X: \t y \t z \t ", "Empty:", "Blank:  \t", "X: \xff\u00e9", "A:b:c", "!#$%&'*+-.^_`|~9: odd"))
	var got []string
	for _, f := range r.Fields {
		got = append(got, string(f.Name)+"|"+string(f.Value))
	}
	want := []string{"HoSt|a", "x_under-SCORE|1", "X|y \t z", "Empty|", "Blank|", "X|\xff\u00e9", "A|b:c", "!#$%&'*+-.^_`|~9|odd"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestFields_EveryByteIsTakenOrRefusedByItsClass(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for b := range 256 {
		c := byte(b)
		if c == '\n' {
			continue // ends the line: see HeadEnd
		}
		// At each place in a value of some length: what is looked at in groups must not hide in one.
		for at := range 20 {
			value := []byte(strings.Repeat("v", 20))
			value[at] = c
			err := ParseRequest(head("GET / HTTP/1.0", "X: "+string(value)), 1000, new(Request))
			if want := c == '\t' || c >= ' ' && c != 0x7f; (err == nil) != want {
				t.Fatalf("byte %#02x at %d of a value: got error %v, want it taken: %v", b, at, err, want)
			}
		}
		err := ParseRequest(head("GET / HTTP/1.0", "X"+string([]byte{c})+"X: y"), 1000, new(Request))
		if want := strings.IndexByte(token, c) >= 0 || c == ':'; (err == nil) != want {
			t.Errorf("byte %#02x in a name: got error %v, want it taken: %v", b, err, want)
		}
		err = ParseRequest(head("GET /"+string([]byte{c})+"x HTTP/1.0"), 1000, new(Request))
		if want := c > ' ' && c < 0x7f && c != '#'; (err == nil) != want {
			t.Errorf("byte %#02x in a target: got error %v, want it taken: %v", b, err, want)
		}
	}
}

func TestFields_MoreThanTheLimitRefused(t *testing.T) {
	lines := append(slices.Repeat([]string{"X: y"}, maxResponseFields), "")
	in := []byte("HTTP/1.1 200 OK\r\n" + strings.Join(lines, "\r\n") + "\r\n")
	var r Response
	if err := ParseResponse(in, false, &r); err != nil || len(r.Fields) != maxResponseFields {
		t.Fatalf("got %d fields and %v, want %d", len(r.Fields), err, maxResponseFields)
	}
	lines[maxResponseFields] = "X: y\r\n"
	in = []byte("GET / HTTP/1.0\r\n" + strings.Join(lines, "\r\n") + "\r\n")
	if err := ParseRequest(in, 1000, new(Request)); err != error(errTooManyFields) {
		t.Errorf("got %v, want %v", err, errTooManyFields)
	}
}

func TestKind_EachKnownNameInAnyCase(t *testing.T) {
	for k := Other + 1; k < kinds; k++ {
		name := kindNames[k]
		for _, spelled := range []string{name, strings.ToUpper(name), http.CanonicalHeaderKey(name)} {
			if got := kindOf([]byte(spelled)); got != k {
				t.Errorf("%s: got kind %d, want %d", spelled, got, k)
			}
		}
		for _, other := range []string{name[:len(name)-1], name + "x", name[1:], strings.ReplaceAll(name, "-", "_") + "-"} {
			if got := kindOf([]byte(other)); got != Other {
				t.Errorf("%s: got kind %d (%s), want none", other, got, kindNames[got])
			}
		}
	}
	for _, name := range []string{"content_length", "transfer_encoding", "hos", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 5000)} {
		if got := kindOf([]byte(name)); got != Other {
			t.Errorf("%s: got %s, want none", name, kindNames[got])
		}
	}
	for n, same := range kindsByLength {
		if len(same) > 3 {
			t.Errorf("%d names have %d letters, want three at most", len(same), n)
		}
	}
}

// forwarded returns the names of the fields that are not marked as Hop.
func forwarded(fields []Field) string {
	var names []string
	for _, f := range fields {
		if !f.Hop {
			names = append(names, string(f.Name))
		}
	}
	return strings.Join(names, " ")
}

func TestConnection_FieldsOfOneHopGoNoFurther(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want string
	}{
		{head("GET / HTTP/1.1", "Host: a", "Connection: close", "Keep-Alive: 5", "Proxy-Connection: close", "TE: trailers", "Transfer-Encoding: chunked", "Upgrade: x", "X: y"), "Host X"},
		{head("GET / HTTP/1.1", "Host: a", "Connection: x-a ,, X-B,\tx-c\t", "X-A: 1", "x-b: 2", "X-C: 3", "X-D: 4", "X-A: 5"), "Host X-D"},
		{head("GET / HTTP/1.1", "X-A: 1", "Host: a", "Connection: x-a", "X-B: 2", "Connection: x-b", "X-C: 3"), "Host X-C"},
		{head("GET / HTTP/1.1", "Host: a", "Connection: x", "X-A: 1", "Xx: 2"), "Host X-A Xx"}, // whole names only
		{head("GET / HTTP/1.1", "Host: a", "Connection: user-agent, referer, trailer", "User-Agent: u", "Referer: r", "Trailer: t"), "Host"},
		{head("GET / HTTP/1.1", "Host: a", "Connection: \"x-a\", x-b;q=1", "X-A: 1", "X-B: 2"), "Host X-A X-B"}, // not names
		{head("GET / HTTP/1.1", "Host: a", "Connection:", "X-A: 1"), "Host X-A"},
		{head("GET / HTTP/1.1", "Host: a", "Connection: te, connection, transfer-encoding, keep-alive", "TE: gzip", "Keep-Alive: 5", "X: y"), "Host X"},
		{head("GET / HTTP/1.1", "Host: a", "Proxy-Connection: x-a", "Keep-Alive: x-a", "X-A: 1"), "Host X-A"}, // they nominate nothing
	} {
		if got := forwarded(parseRequest(t, c.in).Fields); got != c.want {
			t.Errorf("%q: forwarded %q, want %q", c.in, got, c.want)
		}
	}
}

func TestConnection_CannotTakeAwayWhatIsEndToEnd(t *testing.T) {
	for _, name := range []string{
		"Host", "Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Date", "Expect", "Via",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Forwarded", "True-Client-IP",
		"section-io-id", "section-io-tag", "section-io-geo-country-code", "section-origin", "section-debug",
		"Authorization", "Cookie", "Set-Cookie", "Cache-Control", "Age", "Vary", "ETag", "Expires", "Range", "Location",
	} {
		value := map[string]string{"Host": "a", "Content-Length": "7", "Expect": "100-continue"}[name]
		lines := []string{"POST / HTTP/1.1", "Connection: close, " + strings.ToUpper(name), name + ": " + value}
		if name != "Host" {
			lines = append(lines, "Host: a")
		}
		r := parseRequest(t, head(lines...))
		if got := forwarded(r.Fields); !slices.Contains(strings.Split(got, " "), name) {
			t.Errorf("Connection took %s away: forwarded %q", name, got)
		}
		if name == "Content-Length" && (r.Body != Length || r.Length != 7) {
			t.Errorf("Connection took the body away: %d, %d", r.Body, r.Length)
		}
		var p Response
		if err := ParseResponse(head("HTTP/1.1 200 OK", "Connection: "+name, name+": "+value), false, &p); err != nil {
			t.Errorf("response with %s: %v", name, err)
		} else if got := forwarded(p.Fields); got != name {
			t.Errorf("a response's Connection took %s away: forwarded %q", name, got)
		}
	}
}

func TestConnection_BoundedInWhatItNames(t *testing.T) {
	var names []string
	for i := range maxNominated {
		names = append(names, fmt.Sprintf("x-%d", i))
	}
	in := func(more ...string) []byte {
		return head(append([]string{"GET / HTTP/1.1", "Host: a", "Connection: close, keep-alive, upgrade, te, " + strings.Join(names, ",")}, more...)...)
	}
	parseRequest(t, in("Connection: close, close, te"))
	if err := ParseRequest(in("Connection: one-more"), 1000, new(Request)); err != error(errTooManyNominated) {
		t.Errorf("got %v, want %v", err, errTooManyNominated)
	}
}

func TestTrailers_WhatMustStandInTheHeadIsDropped(t *testing.T) {
	section := head("X-Checksum: 1", "Server-Timing: total", "ETag: \"x\"", "grpc-status: 0", "X-Section: 2")
	for _, name := range []string{
		"Transfer-Encoding", "Content-Length", "Host", "Trailer", "TE", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Via", "Date",
		"Cache-Control", "Expect", "Max-Forwards", "Pragma", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
		"Authorization", "Proxy-Authenticate", "Proxy-Authorization", "WWW-Authenticate", "Cookie", "Set-Cookie",
		"Age", "Expires", "Location", "Retry-After", "Vary", "Warning", "Content-Encoding", "Content-Type", "Content-Range",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "True-Client-IP", "User-Agent", "Referer",
		"section-io-id", "section-io-tag", "section-io-geo-asn", "section-origin", "Section-Cache-Tags",
	} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			section = slices.Insert(section, len(section)-2, []byte(spelled+": v\r\n")...)
		}
	}
	fields, err := ParseTrailers(section, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := forwarded(fields), "X-Checksum Server-Timing ETag grpc-status X-Section"; got != want {
		t.Errorf("forwarded %q, want %q", got, want)
	}
}

func TestTrailers_EmptySectionHasNone(t *testing.T) {
	fields, err := ParseTrailers([]byte("\r\n"), nil, make([]Field, 3))
	if len(fields) != 0 || err != nil {
		t.Errorf("got %v, %v, want none", fields, err)
	}
}

func TestIsToken_NeedsAByte(t *testing.T) {
	for in, want := range map[string]bool{"": false, "a": true, "a b": false, "a:": false, "WebSocket/13": false, "x-y": true} {
		if IsToken([]byte(in)) != want {
			t.Errorf("%q is a token: %v, want %v", in, !want, want)
		}
	}
}

func TestAppend_WritesWhatWasParsed(t *testing.T) {
	r := parseRequest(t, head("GET /x?y HTTP/1.1", "hOST:a", "Connection: x-a", "X-A: 1", "X-B:   2  "))
	got := string(AppendFields(AppendRequestLine(nil, r.Method, r.Path), r.Fields))
	if want := "GET /x?y HTTP/1.1\r\nhOST: a\r\nX-B: 2\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = string(AppendStatusLine(AppendStatusLine(nil, 404, []byte("Not here")), 200, nil))
	if want := "HTTP/1.1 404 Not here\r\nHTTP/1.1 200 \r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = string(AppendChunkStart(AppendChunkStart(nil, 0), 1<<62|0xabc))
	if want := "0\r\n4000000000000abc\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseTrailers_DropWhatConnectionNames(t *testing.T) {
	head := []Field{{Name: []byte("Connection"), Value: []byte("X-Hop, close"), Kind: Connection}}
	fields, err := ParseTrailers([]byte("X-Hop: 1\r\nX-End: 2\r\n\r\n"), head, nil)
	if err != nil || len(fields) != 2 || !fields[0].Hop || fields[1].Hop {
		t.Errorf("got %v, %v; want X-Hop alone to be dropped", fields, err)
	}
}
