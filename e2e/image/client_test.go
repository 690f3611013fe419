//go:build image

package image

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// client is one connection to proxyd, on which a test writes what it likes.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// answer is a response with its whole body.
type answer struct {
	*http.Response
	body string
}

func dial(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, proxydtest.Patience)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(3 * proxydtest.Patience)); err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// connect opens a connection that lasts as long as the test.
func connect(t *testing.T, c container) *client {
	t.Helper()
	client, err := dial(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.close)
	return client
}

// close ends the connection. That it was closed already is no news.
func (c *client) close() { c.conn.Close() }

// do sends a request and reads the answer.
func (c *client) do(request string) (answer, error) {
	if _, err := io.WriteString(c.conn, request); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return answer{}, fmt.Errorf("no answer to %q: %w", request, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("the answer to %q broke off: %w", request, err)
	}
	return answer{resp, string(body)}, nil
}

// get sends a GET with the given further lines of the head and wants the origin's answer.
func (c *client) get(t *testing.T, path string, lines ...string) answer {
	t.Helper()
	lines = append([]string{"GET " + path + " HTTP/1.1", "Host: www.example.com"}, lines...)
	a, err := c.do(strings.Join(lines, "\r\n") + "\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != http.StatusOK || a.Header.Get("Origin-Name") == "" {
		t.Fatalf("GET %s: %s, %q: want the origin's 200", path, a.Status, a.body)
	}
	return a
}

// lines returns the lines of the request's head as the origin got it.
func (a answer) lines() []string {
	return strings.Split(strings.TrimSuffix(a.body, "\r\n\r\n"), "\r\n")
}
