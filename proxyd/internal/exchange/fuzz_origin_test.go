package exchange_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/upstream"
)

// answered is a final response as net/http reads it.
type answered struct {
	*http.Response
	interim []int // the statuses before it
	body    []byte
	err     error // that ended the body, or a head
	more    bool  // something stands behind it, although the connection lives on
}

func readAnswer(r *bufio.Reader, method string) (a answered) {
	a.Response, a.body, a.err = readResponse(r, method, &a.interim)
	return a
}

// leaving is what an origin does after its last byte.
type leaving byte

const (
	finishes leaving = iota
	resets
	stays // and says nothing more
)

// FuzzOrigin holds of all that an origin may answer, in pieces of any size, whether it then ends its side, is reset or stays, for each
// kind of client:
//   - the client gets what net/http reads in the origin's bytes, or an answer of ours that says so, or one that is visibly incomplete;
//   - it never gets the whole of a response that was broken or cut;
//   - the connection is only given back when the response had ended exactly, and is not used when something was said behind it;
//   - nothing hangs, and every connection, goroutine and descriptor is given back.
func FuzzOrigin(f *testing.F) {
	s := newStage(f)
	for i, said := range exchange.Said(f, "origin") {
		f.Add(said, []byte{byte(i), byte(len(said) / 2)}, byte(0), byte(i))
		f.Add(said, []byte{}, byte(i), byte(0))
		f.Add(said, []byte{byte(len(said) - 2)}, byte(i), byte(7))
	}
	for kind := range byte(8) {
		for _, how := range []byte{0, 5, 7} {
			f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 40960\r\n\r\n\xf5\x50"), []byte{43, 4}, kind, how)
			f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\nA000;x\r\n\xf5\x50\r\n0\r\nX-A: 1\r\n\r\n"), []byte{60, 4}, kind, how)
			f.Add([]byte("HTTP/1.0 200 OK\r\n\r\n\xf5\x50"), []byte{19, 200, 1}, kind, how)
			f.Add([]byte("HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), []byte{10, 20}, kind, how)
			f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), []byte{39, 0}, kind, how)
			f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"), []byte{200}, kind, how)
		}
	}
	patient := settings(nil)
	hurried := settings(func(c *config.Config) { c.NextHop.HeaderTimeout, c.NextHop.BodyTimeout = short, short })
	f.Fuzz(func(t *testing.T, text, cuts []byte, kind, how byte) {
		text = filled(text)
		leaves, limits := finishes, patient
		switch how % 8 {
		case 5, 6:
			leaves = resets
		case 7:
			leaves, limits = stays, hurried
		}
		now := s.begin(t, limits, func(c *net.TCPConn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				t.Errorf("next-hop was asked: %v", err)
			}
			say(c, text, cuts)
			switch leaves {
			case resets:
				c.SetLinger(0)
			case stays:
				io.Copy(io.Discard, c)
			}
		})
		method, minor := "GET", 1-int(kind>>1&1)
		if kind&1 != 0 {
			method = "HEAD"
		}
		connection := ""
		if kind&4 != 0 {
			connection = "Connection: " + []string{"keep-alive", "close"}[minor] + "\r\n"
		}
		io.WriteString(now.client, fmt.Sprintf("%s /x HTTP/1.%d\r\nHost: a\r\n%s\r\n", method, minor, connection))
		var heard bytes.Buffer
		r := bufio.NewReader(io.TeeReader(now.client, &heard))
		got := readAnswer(r, method)
		var afterwards error
		if got.err == nil && got.Close {
			if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
				afterwards = fmt.Errorf("the client heard %q, %v after the response that ends the connection", rest, err)
			}
		}
		now.client.SetLinger(0)
		now.client.Close()
		now.over()
		r = bufio.NewReader(bytes.NewReader(text))
		want := readAnswer(r, method)
		if want.err == nil && !want.Close {
			_, err := r.Peek(1)
			want.more = err == nil
		}
		if want.Response != nil && want.Close && want.ContentLength < 0 && len(want.TransferEncoding) == 0 && want.Body != http.NoBody && leaves != finishes {
			want.err = io.ErrUnexpectedEOF // what was to end with the connection has not ended well
		}
		err := cmp.Or(afterwards, sameAnswer(want, got, minor, now.records))
		if err == nil && got.err == nil {
			err = sameCount(got, heard.Len(), now.records[0])
		}
		if err == nil {
			err = rightlyReused(now, want, leaves)
		}
		now.end()
		if err != nil {
			t.Errorf("%v\n%s HTTP/1.%d %q\nsaid %q\nlogged %s\nheard %q, %v", err, method, minor, connection, text, logged(now.records), trimmed(heard.Bytes()), got.err)
		}
	})
}

// sameAnswer compares what the client got with what the origin said.
func sameAnswer(want, got answered, minor int, records []record) error {
	if len(records) != 1 {
		return fmt.Errorf("%d exchanges", len(records))
	}
	r := records[0]
	if r.Reason != httpcache.Passed {
		return notWhole(got, r)
	}
	switch {
	case got.err != nil:
		return fmt.Errorf("the client got an incomplete response that is logged as passed: %w", got.err)
	case stricterThan(want.err):
		return nil
	case want.err != nil:
		return fmt.Errorf("the client got the whole of a response that ended with: %w", want.err)
	case got.StatusCode != want.StatusCode || got.StatusCode != r.Status || r.UpstreamStatus != r.Status:
		return fmt.Errorf("status %d became %d, logged are %d and %d", want.StatusCode, got.StatusCode, r.Status, r.UpstreamStatus)
	case got.Status != want.Status && got.Status != want.Status+" ": // RFC 9112 section 4: the space is there without a phrase as well
		return fmt.Errorf("status %q became %q", want.Status, got.Status)
	case !bytes.Equal(got.body, want.body):
		return fmt.Errorf("the body %q became %q", trimmed(want.body), trimmed(got.body))
	case minor == 0 && got.interim != nil || minor == 1 && !slices.Equal(got.interim, want.interim):
		return fmt.Errorf("interim responses %v became %v", want.interim, got.interim)
	}
	var dropped []string // what the origin may have meant for us only
	for _, options := range want.Header["Connection"] {
		for option := range strings.SplitSeq(options, ",") {
			dropped = append(dropped, http.CanonicalHeaderKey(strings.TrimSpace(option)))
		}
	}
	if want.Close { // net/http takes the option out
		dropped = append(dropped, "Close")
	}
	if want.StatusCode == 204 {
		dropped = append(dropped, "Content-Length")
	}
	added := []string{}
	if want.Header["Date"] == nil {
		added = append(added, "Date")
	}
	if strange := onlySaid(got.Header, want.Header, added...); strange != nil {
		return fmt.Errorf("fields %q were not said", strange)
	}
	if missing := onlySaid(want.Header, got.Header, dropped...); missing != nil {
		return fmt.Errorf("fields %q are missing", missing)
	}
	if strange := onlySaid(got.Trailer, want.Trailer); strange != nil {
		return fmt.Errorf("trailers %q were not said", strange)
	}
	return nil
}

// notWhole expects that the client sees that something went wrong.
func notWhole(got answered, r record) error {
	if got.err != nil {
		return nil
	}
	status := got.Header.Get("Proxy-Status")
	if want := fmt.Sprintf(`; details="%s"`, r.Reason); !strings.HasPrefix(status, "proxyd; error=") || !strings.HasSuffix(status, want) {
		return fmt.Errorf("the client got a whole response that is logged as %s", r.Reason)
	}
	if got.StatusCode != r.Status || got.StatusCode < 502 || got.StatusCode > 504 {
		return fmt.Errorf("an answer of our own with status %d", got.StatusCode)
	}
	return nil
}

// sameCount compares the bytes in the log with those that were heard.
func sameCount(got answered, heard int, r record) error {
	if r.Bytes != int64(heard) || r.BodyBytes != int64(len(got.body)) {
		return fmt.Errorf("logged are %d bytes and a body of %d, heard %d and %d", r.Bytes, r.BodyBytes, heard, len(got.body))
	}
	return nil
}

// rightlyReused says whether the connection to next-hop was given back, and will be used again, when it should.
func rightlyReused(now *scene, said answered, leaves leaving) error {
	whole := said.err == nil && !said.Close
	sure := said.interim == nil && said.Response != nil && said.StatusCode != 204 // otherwise fields may speak of a body that cannot be
	should := whole && !said.more && sure && leaves == stays && now.records[0].Reason == httpcache.Passed
	var c *upstream.Conn
	if len(now.put) > 0 {
		c = now.put[0]
	}
	switch {
	case len(now.put) > 1:
		return errors.New("the connection was given back twice")
	case c == nil && should:
		return errors.New("the connection could have been used again")
	case c == nil:
		return nil
	case len(c.Buffered()) > 0:
		return fmt.Errorf("the connection was given back with %q in its buffer", c.Buffered())
	case !whole && !stricterThan(said.err):
		return fmt.Errorf("the connection was given back although the response had not ended: %w", said.err)
	case should && c.Ended():
		return errors.New("the connection will not be used again")
	case !should && (said.more || leaves != stays):
		for end := time.Now().Add(patience); !c.Ended(); runtime.Gosched() {
			if time.Now().After(end) {
				return errors.New("the connection will be used again although next-hop has ended it or said more")
			}
		}
	}
	return nil
}
