package exchange_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// pieces writes what next-hop says in pieces of the given sizes, the last of which holds for all that is left.
func pieces(w io.Writer, text string, sizes ...int) {
	for i := 0; len(text) > 0; i++ {
		n := min(len(text), max(1, sizes[min(i, len(sizes)-1)]))
		if _, err := io.WriteString(w, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
}

const lengthHead = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: %d\r\n"

// What decides how a body is moved is its size, and how much of it came with the head.
func TestPass_BodiesOfEverySizeHoweverTheyCome(t *testing.T) {
	p := start(t, nil)
	p.silent.Store(true)
	c := p.client()
	c.say(get)
	nextHop := p.accept()
	nextHop.hear(asked)
	pattern := text(300 << 10)
	for _, edge := range []int{1, 4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 64 << 10, 256 << 10} {
		for _, around := range []int{-600, -330, -60, -1, 0, 1, 60, 330} {
			size := edge + around
			if size < 0 {
				continue
			}
			head, body := fmt.Sprintf(lengthHead, size), pattern[:size]
			for _, cuts := range [][]int{{1 << 20}, {len(head) + 2, 1 << 20}, {len(head) + 2 + size/2, 1 << 20}, {8 << 10, 1, 8 << 10, 1 << 20}, {5000}} {
				done := meanwhile(t, func() { pieces(nextHop, head+"\r\n"+body, cuts...) })
				c.hear(head + via + "\r\n" + body)
				done()
				c.say(get)
				nextHop.hear(asked)
			}
		}
	}
	nextHop.say(okay)
	c.hear(okayed)
}

func text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%251%26)
	}
	return string(b)
}

// Whatever the sizes, and wherever it is cut: the client gets what next-hop said, and the next answer after it.
func FuzzPass_BodiesCutAnywhere(f *testing.F) {
	f.Add(uint32(100<<10), uint32(3), uint32(8<<10), uint32(40<<10), uint32(0))
	f.Add(uint32(8<<10), uint32(8<<10), uint32(1), uint32(1), uint32(7<<10))
	f.Add(uint32(16<<10+1), uint32(100), uint32(16<<10), uint32(20), uint32(0))
	f.Add(uint32(50<<10), uint32(1), uint32(1), uint32(16<<10), uint32(20<<10))
	pattern := text(400 << 10)
	f.Fuzz(func(t *testing.T, size, first, second, rest, chunk uint32) {
		p := start(t, nil)
		c := p.client()
		want := pattern[:int(size)%len(pattern)]
		response := fmt.Sprintf(lengthHead, len(want)) + "\r\n" + want
		if chunk > 0 {
			response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks(want, 100+int(chunk)%(64<<10))
		}
		var nextHop *peer
		in := bufio.NewReader(c)
		for range 2 {
			c.say(get)
			if nextHop == nil {
				nextHop = p.accept()
			}
			nextHop.hear(asked)
			done := meanwhile(t, func() {
				pieces(nextHop, response, int(first)%(64<<10), int(second)%(64<<10), 100+int(rest)%(64<<10))
			})
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(answer.Body); err != nil || string(got) != want {
				t.Fatalf("%d bytes, %v; want %d bytes as they were sent", len(got), err, len(want))
			}
			done()
		}
	})
}

// inChunks returns text in chunks of the size.
func inChunks(text string, size int) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(size, len(text))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, text[:n])
		text = text[n:]
	}
	return b.String() + "0\r\n\r\n"
}
