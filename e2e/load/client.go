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

	Sent     atomic.Int64 // requests, the number of the newest
	Answered atomic.Int64
	Broken   atomic.Int64 // connections that broke, with Reconnect
}

// Run sends the requests, and returns when all have been answered, or with the first error. Request number n asks for /r/n.
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
	for !c.over(ctx) {
		n := c.Sent.Add(1)
		if c.Requests > 0 && n > c.Requests {
			c.Sent.Add(-1)
			return nil
		}
		want = strconv.AppendInt(append(want[:0], "/r/"...), n, 10)
		request = append(append(append(request[:0], "GET "...), want...), " HTTP/1.1\r\nHost: load\r\n\r\n"...)
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Write(request); err != nil {
			return fmt.Errorf("sending request %d: %w", n, err)
		}
		if err := readAnswer(in, want); err != nil {
			return fmt.Errorf("the answer to request %d: %w", n, err)
		}
		c.Answered.Add(1)
	}
	return nil
}

// readAnswer reads one response, whose body must be what is wanted.
func readAnswer(in *bufio.Reader, want []byte) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch value, isLength := bytes.CutPrefix(line, []byte("Content-Length: ")); {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("%w: %q", errWrongAnswer, line)
		case isLength:
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length > 100 {
				return fmt.Errorf("%w: %q", errWrongAnswer, line)
			}
		case len(line) == 2:
			var body [100]byte
			if length < 0 {
				return fmt.Errorf("%w: no Content-Length", errWrongAnswer)
			}
			if _, err := io.ReadFull(in, body[:length]); err != nil {
				return err
			}
			if !bytes.Equal(body[:length], want) {
				return fmt.Errorf("%w: %q instead of %q", errWrongAnswer, body[:length], want)
			}
			return nil
		}
	}
}
