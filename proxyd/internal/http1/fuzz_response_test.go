package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
)

// FuzzResponse holds, of every response that is taken:
//   - net/http reads the same from the same bytes, or refuses them because of what the Trailer field announces;
//   - what is sent on parses to the same response, and net/http reads that from it as well;
//   - sending on what was sent on changes nothing more.
func FuzzResponse(f *testing.F) {
	for _, in := range responseSeeds() {
		f.Add(in, []byte(nil), false)
		f.Add(in, []byte(nil), true)
	}
	for i := range len(knownLines) - 2 {
		f.Add(head("HTTP/1.1 200 OK"), []byte{byte(i), byte(i + 1), byte(i + 2)}, false)
	}
	f.Fuzz(func(t *testing.T, b, lines []byte, headRequest bool) {
		in := headWith(b, lines)
		var r Response
		if in == nil || ParseResponse(in, headRequest, &r) != nil {
			return
		}
		if err := agreeOnResponse(in, headRequest, &r); err != nil {
			t.Fatalf("net/http does not agree: %v\n%q", err, in)
		}
		out := forwardResponse(&r)
		if end, err := HeadEnd(out, 0); end != len(out) || err != nil {
			t.Fatalf("what is sent on is not one head: %d, %v\n%q\n%q", end, err, in, out)
		}
		var sent Response
		if err := ParseResponse(out, headRequest, &sent); err != nil {
			t.Fatalf("what is sent on is refused: %v\n%q\n%q", err, in, out)
		}
		if err := sameResponse(&r, &sent); err != nil {
			t.Fatalf("what is sent on is another response: %v\n%q\n%q", err, in, out)
		}
		if err := agreeOnResponse(out, headRequest, &sent); err != nil {
			t.Fatalf("net/http does not agree on what is sent on: %v\n%q\n%q", err, in, out)
		}
		if again := forwardResponse(&sent); !bytes.Equal(out, again) {
			t.Fatalf("sent on twice, it changes once more\n%q\n%q\n%q", in, out, again)
		}
	})
}

func responseSeeds() [][]byte {
	seeds := [][]byte{
		head("HTTP/1.1 200 OK", "Content-Length: 010"),
		cdnResponse,
		head("HTTP/1.1 200"),
		head("HTTP/1.0 200 OK", "Connection: keep-alive, x-a", "Keep-Alive: timeout=5", "X-A: 1", "Content-Length: 0"),
		head("HTTP/1.2 404 Not\tFound \xe9", "Connection: Close", "Set-Cookie: a=b", "Set-Cookie: c=d"),
		head("HTTP/1.1 200 OK", "Transfer-Encoding: CHUNKED", "Trailer: X-Sum", "Pragma: no-cache", "Connection: date", "Date: x"),
		head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: transfer-encoding"),
		head("HTTP/1.1 100 Continue", "Content-Length: 5"),
		head("HTTP/1.1 103 Early Hints", "Link: </x>; rel=preload"),
		head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"),
		head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked"),
		head("HTTP/1.1 304 Not Modified", "Content-Length: 5", `ETag: "x"`),
		head("HTTP/1.0 500 "),
	}
	for _, line := range statusLines {
		seeds = append(seeds, head(line, "X: y"))
	}
	for line := range fieldLines {
		seeds = append(seeds, head("HTTP/1.1 200 OK", line))
	}
	for _, c := range ambiguous {
		seeds = append(seeds, head(append([]string{"HTTP/1.1 200 OK"}, c.fields...)...))
	}
	return seeds
}

// forwardResponse builds the head that a client of HTTP/1.1 gets, as package exchange does, but for Date and Via.
func forwardResponse(r *Response) []byte {
	out := AppendFields(AppendStatusLine(nil, r.Status, r.Phrase), r.Fields)
	if r.Body == Chunked || r.Body == UntilClose {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(out, "\r\n"...)
}

// sameResponse says how sent differs from the response r that it was made from.
func sameResponse(r, sent *Response) error {
	body := r.Body
	if body == UntilClose {
		body = Chunked
	}
	switch {
	case sent.Status != r.Status || string(sent.Phrase) != string(r.Phrase):
		return fmt.Errorf("status %d %q became %d %q", r.Status, r.Phrase, sent.Status, sent.Phrase)
	case sent.Minor != 1 || !sent.KeepAlive:
		return fmt.Errorf("it is sent as HTTP/1.%d, and the connection lives on: %v", sent.Minor, sent.KeepAlive)
	case sent.Body != body || sent.Length != r.Length:
		return fmt.Errorf("body %d of %d bytes became %d of %d", r.Body, r.Length, sent.Body, sent.Length)
	case sent.HasDate != r.HasDate:
		return fmt.Errorf("there is a Date: %v became %v", r.HasDate, sent.HasDate)
	}
	var fields [2][]string
	for i, of := range []*Response{r, sent} {
		for _, f := range of.Fields {
			if !f.Hop {
				fields[i] = append(fields[i], string(f.Name)+": "+string(f.Value))
			}
		}
	}
	if !slices.Equal(fields[0], fields[1]) {
		return fmt.Errorf("fields %q became %q", fields[0], fields[1])
	}
	return nil
}

// agreeOnResponse says how net/http reads in differently from r.
func agreeOnResponse(in []byte, headRequest bool, r *Response) error {
	request := &http.Request{Method: "GET"}
	if headRequest {
		request.Method = "HEAD"
	}
	other, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), request)
	if err != nil {
		if announcesFraming(r.Fields, err) {
			return nil
		}
		return err
	}
	framed := other.Body == http.NoBody
	switch r.Body {
	case Length:
		framed = other.Body != http.NoBody && other.ContentLength == r.Length && other.TransferEncoding == nil
	case Chunked:
		framed = other.Body != http.NoBody && slices.Equal(other.TransferEncoding, []string{"chunked"})
	case UntilClose:
		framed = other.Body != http.NoBody && other.ContentLength == -1 && other.TransferEncoding == nil
	}
	status, phrase := other.Status[:3], other.Status[min(4, len(other.Status)):]
	switch {
	case status != strconv.Itoa(r.Status) || other.StatusCode != r.Status || phrase != string(r.Phrase):
		return fmt.Errorf("status %d %q", other.StatusCode, other.Status)
	case other.ProtoMajor != 1 || other.ProtoMinor != r.Minor:
		return fmt.Errorf("version %d.%d", other.ProtoMajor, other.ProtoMinor)
	case !framed:
		return fmt.Errorf("body of %d bytes, coding %q", other.ContentLength, other.TransferEncoding)
	case other.Close == r.KeepAlive:
		return fmt.Errorf("the connection ends: %v", other.Close)
	}
	// It takes Connection: close out.
	want := headerOf(r.Fields)
	if other.Header["Connection"] == nil && other.Close {
		delete(want, "Connection")
	}
	return sameHeader(want, other.Header)
}
