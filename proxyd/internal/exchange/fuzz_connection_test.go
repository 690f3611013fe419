package exchange_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/exchange"
)

// message is a request as net/http reads it.
type message struct {
	*http.Request
	body []byte
	size int   // in bytes, with empty lines before it
	skip int   // of them: these lines, which may have been taken before a request was seen
	err  error // that ended the body, or the head
}

func (a *message) line() string { return a.Method + " " + a.RequestURI + " " + a.Proto }

// took says whether bytesIn is what the request has.
func (a *message) took(bytesIn int64) bool {
	return bytesIn >= int64(a.size-a.skip) && bytesIn <= int64(a.size)
}

// unpad takes leading zeros off a length, as proxyd does.
func unpad(h http.Header) {
	for i, length := range h["Content-Length"] {
		if h["Content-Length"][i] = strings.TrimLeft(length, "0"); length != "" && h["Content-Length"][i] == "" {
			h["Content-Length"][i] = "0"
		}
	}
}

// readRequests reads the requests in text one after the other, until one is broken or cut.
func readRequests(text []byte) (all []*message) {
	left := bytes.NewReader(text)
	r := bufio.NewReader(left)
	for before, skip := len(text), 0; ; skip = 0 {
		for next, _ := r.Peek(2); string(next) == "\r\n"; next, _ = r.Peek(2) {
			r.Discard(2) // RFC 9112 section 2.2
			skip += 2
		}
		if _, err := r.Peek(1); err != nil {
			return all
		}
		a := &message{skip: skip}
		if a.Request, a.err = http.ReadRequest(r); a.err == nil {
			unpad(a.Header)
			a.body, a.err = io.ReadAll(a.Body)
		}
		all = append(all, a)
		a.size = before - left.Len() - r.Buffered()
		before -= a.size
		if a.err != nil {
			return all
		}
	}
}

// reader is a next-hop that reads as net/http does, answers each request, and remembers them in the order of their heads.
type reader struct {
	early      bool // answers before the body has come
	closes     bool // and says so
	unexpected bool // ends the connection without having said so
	switches   bool // to another protocol when asked to

	mu        sync.Mutex
	seen      []*message
	tunnelled []byte // what came after it has switched
}

func (n *reader) play(c *net.TCPConn) {
	for r := bufio.NewReader(c); ; {
		if _, err := r.Peek(1); err != nil {
			return
		}
		a := &message{}
		a.Request, a.err = http.ReadRequest(r)
		n.mu.Lock()
		n.seen = append(n.seen, a)
		n.mu.Unlock()
		if a.err != nil {
			return
		}
		if n.switches && a.Header["Upgrade"] != nil && a.Body == http.NoBody {
			offers := strings.FieldsFunc(strings.Join(a.Header["Upgrade"], ","), func(r rune) bool { return strings.ContainsRune(", \t", r) })
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "+offers[0]+"\r\n\r\nwelcome")
			n.tunnelled, _ = io.ReadAll(r)
			return
		}
		answer := "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n"
		if n.closes {
			answer += "Connection: close\r\n"
		}
		if answer += "\r\n"; a.Method != "HEAD" {
			answer += "ok"
		}
		if n.early {
			io.WriteString(c, answer)
		}
		a.body, a.err = io.ReadAll(a.Body)
		if a.err != nil {
			return
		}
		if !n.early {
			io.WriteString(c, answer)
		}
		if n.closes || n.unexpected {
			return
		}
	}
}

// stricterThan says whether net/http refused what we take: it decodes targets, and refuses some Trailer fields; see FuzzForwardedRequest.
func stricterThan(err error) bool {
	broken := (*url.Error)(nil)
	return errors.As(err, &broken) || err != nil && strings.HasPrefix(err.Error(), "bad trailer key")
}

// FuzzConnection holds of all that a client may say, in pieces of any size, whether it then ends its side, closes or is reset:
//   - next-hop gets exactly the requests that are logged as passed, and these are what net/http reads in the client's bytes;
//   - a request that the client broke or cut is never completed for next-hop;
//   - what follows a switch of protocols comes through as it is;
//   - the client gets exactly the responses that are logged;
//   - nothing hangs, and every connection, goroutine and descriptor is given back.
func FuzzConnection(f *testing.F) {
	s := newStage(f)
	for i, said := range exchange.Said(f, "client") {
		f.Add(said, []byte{}, byte(0))
		f.Add(said, []byte{byte(i), 1, byte(len(said) / 2)}, byte(i))
	}
	for how := range byte(32) {
		f.Add([]byte(get+"GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\xf5\x50"+get), []byte{200, 3}, how)
		f.Add([]byte(get+sized(20480)+"\r\n\xf5\x28"+get), []byte{200}, how)
		f.Add([]byte(sized(40960)+"\r\n\xf5\x50"+get), []byte{byte(len(sized(40960))) + 1, 9, 255}, how)
		f.Add([]byte(chunked+"A000;x=y\r\n\xf5\x50\r\n5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"+get+get), []byte{254, 3, 0, 0, 0}, how)
		f.Add([]byte(chunked+"5\r\nhello\r\nzz\r\n\r\n"+get), []byte{254, 3, 0, 0, 0}, how)
		f.Add([]byte(chunked+"5\r\nhello\r\n0\r\n"), []byte{200}, how)
		f.Add([]byte(get+get+"HEAD / HTTP/1.0\r\n\r\n"+get), []byte{10, 200}, how)
		f.Add([]byte(sized(200)+"\r\nonly the start"), []byte{}, how)
	}
	limits := settings(func(c *config.Config) { c.Client.MaxBodySize = 60 << 10 })
	f.Fuzz(func(t *testing.T, text, cuts []byte, how byte) {
		text = filled(text)
		nextHop := &reader{early: how&3 == 1, closes: how&3 == 2, unexpected: how&3 == 3, switches: how&16 != 0}
		now := s.begin(t, limits, nextHop.play)
		c := now.client
		var heard []byte
		var heardErr error
		listened := make(chan struct{})
		go func() {
			heard, heardErr = io.ReadAll(c)
			close(listened)
		}()
		say(c, text, cuts)
		leaves := how >> 2 & 3 % 3
		switch leaves {
		case 0:
			c.CloseWrite()
			<-listened
		case 2:
			c.SetLinger(0)
		}
		c.Close()
		<-listened
		now.over()
		now.end()
		said := readRequests(text)
		if err := sameSequence(text, said, now.records, nextHop, leaves == 0); err != nil {
			t.Errorf("%v\nsaid %q\nlogged %s\nseen %s", err, text, logged(now.records), seenBy(nextHop))
		}
		if leaves == 0 {
			if err := allHeard(said, now.records, heard, heardErr); err != nil {
				t.Errorf("%v\nsaid %q\nlogged %s\nheard %q", err, text, logged(now.records), trimmed(heard))
			}
		}
	})
}

func logged(records []record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "\n  %q %d %s %d bytes in, %d out", r.line, r.Status, r.Reason, r.BytesIn, r.Bytes)
	}
	return b.String()
}

func seenBy(n *reader) string {
	var b strings.Builder
	for _, a := range n.seen {
		if a.Request != nil {
			fmt.Fprintf(&b, "\n  %q", a.line())
		}
		fmt.Fprintf(&b, " %q, %v", trimmed(a.body), a.err)
	}
	return b.String()
}

// broken are the reasons for which a client's body is refused.
var broken = []httpcache.Reason{httpcache.BadBody, httpcache.BodyTooLarge, httpcache.ChunkExtensionsTooLarge, httpcache.RequestTimeout, httpcache.HeaderTooLarge}

// sameSequence compares what a client said with what was logged and what next-hop has seen.
func sameSequence(text []byte, said []*message, records []record, n *reader, stayed bool) error {
	seen := n.seen
	for i, r := range records {
		taken := r.Reason == httpcache.Passed || r.Reason == httpcache.Tunnel
		last := i == len(records)-1
		if i >= len(said) {
			if taken {
				return fmt.Errorf("request %d is none", i)
			}
			break
		}
		a := said[i]
		if stricterThan(a.err) || len(seen) > 0 && stricterThan(seen[0].err) {
			return nil // what follows cannot be compared
		}
		if !taken {
			if last && len(seen) == 1 {
				return notCompleted(a, seen[0], r)
			}
			if a.err == nil {
				text = text[a.size:]
			}
			continue // answered here
		}
		if !last && a.Request != nil && a.Close {
			return fmt.Errorf("request %d was to be the last", i)
		}
		if r.Reason == httpcache.Passed && a.err == nil && !a.took(r.BytesIn) && !(n.early && last) {
			return fmt.Errorf("request %d has %d bytes", i, a.size)
		}
		switch {
		case len(seen) == 0:
			return fmt.Errorf("request %d was not seen", i)
		case a.Request == nil || a.line() != r.line:
			return fmt.Errorf("request %d is logged as %q", i, r.line)
		}
		if err := sameAsked(a, seen[0]); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		text = text[a.size:]
		if r.Reason == httpcache.Tunnel {
			if !last || !bytes.HasPrefix(text, n.tunnelled) || stayed && (len(text) > len(n.tunnelled) || !a.took(r.BytesIn-int64(len(text)))) {
				return fmt.Errorf("request %d is followed by %q, of which came %q", i, trimmed(text), trimmed(n.tunnelled))
			}
			return nil
		}
		if seen[0].err != nil && (!n.early || !last) || seen[0].err == nil && a.err != nil {
			return fmt.Errorf("request %d ended with %v, and was seen to end with %v", i, a.err, seen[0].err)
		}
		seen = seen[1:]
	}
	if len(seen) > 0 {
		return fmt.Errorf("%d requests more were seen", len(seen))
	}
	return nil
}

// notCompleted says how s, which was seen of a request that failed, is more than the client has said.
func notCompleted(said, s *message, r record) error {
	switch {
	case said.Request == nil || s.Request == nil:
		return fmt.Errorf("next-hop was asked for what is logged as %s", r.Reason)
	case s.err == nil && (said.err != nil || slices.Contains(broken, r.Reason)):
		return fmt.Errorf("the last request ended with %v and is logged as %s, but was completed", said.err, r.Reason)
	}
	return sameAsked(said, s)
}

// sameAsked compares a request as it was said and as it was seen, of which the end of the body may be missing.
func sameAsked(said, seen *message) error {
	path := said.RequestURI
	if !strings.HasPrefix(path, "/") && path != "*" {
		path = said.URL.EscapedPath() // only its end is compared
	}
	host := said.Host
	if said.Host == "" && said.ProtoMinor == 0 && said.URL.Host == "" {
		if seen.Host != "next-hop" && seen.Host != "" {
			host = "next-hop"
		} else {
			host = seen.Host
		}
	}
	if said.URL.Host != "" && strings.Contains(said.RequestURI, "%") {
		host = seen.Host // net/http decodes it
	}
	switch {
	case said.Method != seen.Method || seen.Proto != "HTTP/1.1":
		return fmt.Errorf("%s became %s %s", said.Method, seen.Method, seen.Proto)
	case said.RequestURI[0] == '/' && seen.RequestURI != path || !strings.HasSuffix(said.RequestURI, strings.TrimLeft(seen.RequestURI, "/*")):
		return fmt.Errorf("target %q became %q", said.RequestURI, seen.RequestURI)
	case seen.Host != host:
		return fmt.Errorf("host %q became %q", said.Host, seen.Host)
	case !bytes.HasPrefix(said.body, seen.body) || seen.err == nil && len(said.body) != len(seen.body):
		return fmt.Errorf("a body of %d bytes became one of %d", len(said.body), len(seen.body))
	case len(seen.Header["Via"]) != len(said.Header["Via"])+1:
		return fmt.Errorf("Via is %q", seen.Header["Via"])
	}
	if strange := onlySaid(seen.Header, said.Header, "Max-Forwards"); strange != nil {
		return fmt.Errorf("fields %q were not said", strange)
	}
	if strange := onlySaid(seen.Trailer, said.Trailer); strange != nil && seen.err == nil {
		return fmt.Errorf("trailers %q were not said", strange)
	}
	return nil
}

// allHeard compares what a client heard that has listened to the end with what was logged.
func allHeard(said []*message, records []record, heard []byte, err error) error {
	if errors.Is(err, syscall.ECONNRESET) {
		// Who has asked for the end and says more may be reset (RFC 9112 section 9.6).
		if i := len(records) - 1; i >= 0 && i < len(said) && said[i].Request != nil && said[i].Close {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("the client heard %w", err)
	}
	var bytesOut int64
	r := bufio.NewReader(bytes.NewReader(heard))
	for i, logged := range records {
		bytesOut += logged.Bytes
		if logged.Status == 0 {
			continue
		}
		method, _, whole := strings.Cut(logged.line, " ")
		if !whole {
			method = "GET"
		}
		response, body, err := readResponse(r, method, nil)
		switch {
		case err != nil:
			return fmt.Errorf("response %d: %w", i, err)
		case response.StatusCode == 101:
			if rest, _ := io.ReadAll(r); string(rest) != "welcome" || logged.BodyBytes != 7 {
				return fmt.Errorf("after the switch the client heard %q", rest)
			}
		case response.StatusCode != logged.Status:
			return fmt.Errorf("response %d has status %d", i, response.StatusCode)
		case int64(len(body)) != logged.BodyBytes:
			return fmt.Errorf("response %d has a body of %d bytes, logged are %d", i, len(body), logged.BodyBytes)
		}
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 && !bytes.HasPrefix(rest, []byte("HTTP/1.1 102 Processing\r\n\r\n")) {
		return fmt.Errorf("the client heard %q at the end", rest)
	}
	if bytesOut > int64(len(heard)) || bytesOut != int64(len(heard)) && err == nil {
		return fmt.Errorf("%d bytes are logged, %d were heard", bytesOut, len(heard))
	}
	return nil
}

// readResponse reads one final response as net/http does. Interim gets the statuses of those before it.
func readResponse(r *bufio.Reader, method string, interim *[]int) (*http.Response, []byte, error) {
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		unpad(response.Header)
		if response.StatusCode >= 200 || response.StatusCode == 101 {
			body, err := io.ReadAll(response.Body)
			return response, body, err
		}
		if interim != nil {
			*interim = append(*interim, response.StatusCode)
		}
	}
}
