package load

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"sync"
	"testing"
)

// NewOrigin starts an origin that answers every request without a body with the request's target, and in Asked with the request's
// X-Config where that has one, and returns its address. It ends with the test.
func NewOrigin(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex // guards open
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				answer(c)
				c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

func answer(c net.Conn) {
	in := bufio.NewReaderSize(c, 4<<10)
	var target, config, out []byte
	for first := true; ; {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case first:
			fields := bytes.SplitN(line, []byte(" "), 3)
			if len(fields) != 3 {
				return
			}
			target, config, first = append(target[:0], fields[1]...), config[:0], false
		case bytes.HasPrefix(line, []byte("X-Config: ")):
			config = append(append(config[:0], "Asked"...), line[len("X-Config"):]...)
		case len(line) == 2:
			out = append(out[:0], "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: "...)
			out = append(strconv.AppendInt(out, int64(len(target)), 10), "\r\n"...)
			out = append(append(out, config...), "\r\n"...)
			if _, err := c.Write(append(out, target...)); err != nil {
				return
			}
			first = true
		}
	}
}
