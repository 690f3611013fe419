package origin

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"section.internal/bench/internal/epoll"
)

// running starts an origin, which ends with the test's process.
func running(t *testing.T) string {
	t.Helper()
	poller, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	o, addr, err := Listen(poller)
	if err != nil {
		t.Fatal(err)
	}
	go o.Serve()
	return addr.String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// answer reads the body of one response.
func answer(t *testing.T, in *bufio.Reader) []byte {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.ContentLength != int64(len(body)) {
		t.Fatalf("%s, %d bytes of %d, %v", resp.Status, len(body), resp.ContentLength, err)
	}
	return body
}

func TestOrigin_AnswersByPathOneAfterTheOtherAndCounts(t *testing.T) {
	conn := dial(t, running(t))
	in := bufio.NewReader(conn)
	paths := []string{"/1k", "/10m", "/100k", "/1k"}
	for _, path := range paths { // all at once: some wait while the large one is sent
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for _, path := range paths {
		if body := answer(t, in); len(body) == 0 || !bytes.Equal(body, Body(path)) {
			t.Errorf("%s: %d bytes are not the body", path, len(body))
		}
	}
	for range 2 { // which does not count itself
		io.WriteString(conn, "GET "+CountPath+" HTTP/1.1\r\n\r\n")
		if body := answer(t, in); string(body) != "4" {
			t.Errorf("counted %s, want 4", body)
		}
	}
}

func TestOrigin_TakesARequestInPieces(t *testing.T) {
	conn := dial(t, running(t))
	for _, piece := range []string{"GE", "T /1k HTTP/1.1\r\nHost: x\r", "\n\r", "\n"} {
		io.WriteString(conn, piece)
	}
	if body := answer(t, bufio.NewReader(conn)); !bytes.Equal(body, Body("/1k")) {
		t.Errorf("%d bytes are not the body", len(body))
	}
}

func TestOrigin_ClosesOnAnythingElse(t *testing.T) {
	addr := running(t)
	for _, request := range []string{"POST /1k HTTP/1.1\r\n\r\n", "GET /unknown HTTP/1.1\r\n\r\n", "GET /1k\r\n\r\n", "\r\n\r\n",
		"GET /1k HTTP/1.1\r\nX: " + strings.Repeat("x", 9000)} {
		conn := dial(t, addr)
		io.WriteString(conn, request)
		if got, err := io.ReadAll(conn); len(got) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%.40q is answered: %q, %v", request, got, err)
		}
	}
}

// A request ends at its first empty line, whatever follows.
func FuzzParse(f *testing.F) {
	f.Add([]byte("GET /1k HTTP/1.1\r\nHost: x\r\n\r\nGET /"))
	f.Add([]byte("GET  \r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path, size, err := parse(b)
		if err != nil || size == 0 {
			return
		}
		if size > len(b) || !bytes.HasSuffix(b[:size], []byte("\r\n\r\n")) || bytes.ContainsAny(path, " ") {
			t.Fatalf("%q: %q, %d bytes", b, path, size)
		}
		again, n, err := parse(append(slices.Clone(b), "GET /more"...))
		if err != nil || n != size || !bytes.Equal(again, path) {
			t.Errorf("%q: %q and %d bytes, then %q and %d, %v", b, path, size, again, n, err)
		}
	})
}
