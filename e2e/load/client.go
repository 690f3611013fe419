// Package load sends many requests through proxyd with as little work of its own as it can, so that a machine with two cores
// can run client, proxyd and origin at once: plain sockets, one goroutine a connection, no allocation a request.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Client sends requests over a number of connections and checks that each gets its own answer from an Origin.
type Client struct {
	Addr        string
	Connections int
	Requests    int64 // in all; 0: until the context ends
	Reconnect   bool  // a broken connection is no error: the proxy may be killed meanwhile
	Numbered    bool  // the configuration is one of numbered: see there

	Sent     atomic.Int64 // requests, the number of the newest
	Answered atomic.Int64
	Broken   atomic.Int64 // connections that broke, with Reconnect
}

// Run sends the requests, and returns when all have been answered, or with the first error. Request number n asks for /r/n, and where
// the configuration is numbered every second one for /own/n, which a rule answers.
func (c *Client) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for range c.Connections {
		all.Go(func() {
			for !c.over(ctx) {
				err := c.connection(ctx)
				switch {
				case err == nil:
				case c.Reconnect && !errors.Is(err, errWrongAnswer):
					c.Broken.Add(1)
					select { // nobody may be there for a while
					case <-ctx.Done():
					case <-time.After(time.Millisecond):
					}
				default:
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

var errWrongAnswer = errors.New("wrong answer")

func (c *Client) over(ctx context.Context) bool {
	return ctx.Err() != nil || c.Requests > 0 && c.Sent.Load() >= c.Requests
}

// connection sends requests over one connection until there are no more.
func (c *Client) connection(ctx context.Context) error {
	conn, err := net.DialTimeout("tcp", c.Addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4<<10)
	var request, want []byte
	var answer answered
	for !c.over(ctx) {
		n := c.Sent.Add(1)
		if c.Requests > 0 && n > c.Requests {
			c.Sent.Add(-1)
			return nil
		}
		own := c.Numbered && n%2 == 0
		path := "/r/"
		if own {
			path = "/own/"
		}
		want = strconv.AppendInt(append(want[:0], path...), n, 10)
		request = append(append(append(request[:0], "GET "...), want...), " HTTP/1.1\r\nHost: load\r\n\r\n"...)
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Write(request); err != nil {
			return fmt.Errorf("sending request %d: %w", n, err)
		}
		if err := answer.read(in); err != nil {
			return fmt.Errorf("the answer to request %d: %w", n, err)
		}
		body := want
		if own {
			body = answer.first
		}
		if !bytes.Equal(answer.body, body) {
			return fmt.Errorf("the answer to request %d: %w: %q instead of %q", n, errWrongAnswer, answer.body, body)
		}
		if c.Numbered && !answer.agrees(own) {
			return fmt.Errorf("the answer to request %d: %w: of more than one configuration: %s", n, errWrongAnswer, &answer)
		}
		c.Answered.Add(1)
	}
	return nil
}

// answered is one response, used again for the next.
type answered struct {
	body []byte
	// The number of the configuration in the first and last field that rules set, and in what the origin was asked.
	first, last, asked []byte
}

// agrees says whether one configuration has made all of it.
func (a *answered) agrees(own bool) bool {
	return len(a.first) > 0 && bytes.Equal(a.first, a.last) && bytes.Equal(a.first, a.asked) != own
}

func (a *answered) String() string {
	return fmt.Sprintf("X-First %q, X-Last %q, Asked %q, body %q", a.first, a.last, a.asked, a.body)
}

// read reads one response, which must be a 200.
func (a *answered) read(in *bufio.Reader) error {
	a.body, a.first, a.last, a.asked = a.body[:0], a.first[:0], a.last[:0], a.asked[:0]
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(": "))
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("%w: %q", errWrongAnswer, line)
		case string(name) == "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil || length > 100 {
				return fmt.Errorf("%w: %q", errWrongAnswer, line)
			}
		case string(name) == "X-First":
			a.first = append(a.first, value...)
		case string(name) == "X-Last":
			a.last = append(a.last, value...)
		case string(name) == "Asked":
			a.asked = append(a.asked, value...)
		case len(line) == 2:
			if length < 0 {
				return fmt.Errorf("%w: no Content-Length", errWrongAnswer)
			}
			a.body = append(a.body, make([]byte, length)...)
			_, err := io.ReadFull(in, a.body)
			return err
		}
	}
}
