package exchange_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
)

// steady returns what carries one request through a proxy whose connections are there already, with a next-hop that answers
// with the response. Neither side of the test allocates.
func steady(t testing.TB, change func(*config.Config), request, response string, answer int) (once func()) {
	p := start(t, change)
	p.silent.Store(true)
	request, response = request+"\r\n", "HTTP/1.1 200 OK\r\nDate: now\r\n"+response
	served := make(chan struct{})
	client, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.nextHop.SetDeadline(time.Now().Add(patience))
	go func() {
		defer close(served)
		nextHop, err := p.nextHop.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer nextHop.Close()
		buf, out := make([]byte, 64<<10), []byte(response)
		for {
			if _, err := nextHop.Read(buf); err != nil { // a request comes in one piece
				return
			}
			if _, err := nextHop.Write(out); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		client.Close()
		p.pool.Close()
		<-served
	})
	in, out := make([]byte, answer), []byte(request)
	once = func() {
		if _, err := client.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, in); err != nil {
			t.Fatal(err)
		}
	}
	once()
	return once
}

const browser = "GET /assets/app.css?v=3 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/css,*/*;q=0.1\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nReferer: https://www.example.com/\r\n" +
	"Cookie: session=0123456789abcdef\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nsection-io-id: 0123456789\r\n"

// sizedResponse returns a response with a body of n bytes, and how long the answer is that the client gets.
func sizedResponse(n int) (response string, answer int) {
	response = "Content-Type: text/css\r\nContent-Length: " + strconv.Itoa(n) + "\r\n\r\n" + strings.Repeat("x", n)
	return response, len("HTTP/1.1 200 OK\r\nDate: now\r\n") + len(response) + len(via)
}

// The path that every request takes must not feed the garbage collector.
func TestExchange_SteadyPathAllocatesNothing(t *testing.T) {
	response, answer := sizedResponse(1 << 10)
	once := steady(t, nil, browser, response, answer)
	const runs = 500
	if allocs := testing.AllocsPerRun(runs, once); allocs > allowedAllocs {
		t.Errorf("%v allocations a request; want at most %v", allocs, allowedAllocs)
	}
}

func BenchmarkExchange_Pass1KiB(b *testing.B)   { benchmark(b, 1<<10) }
func BenchmarkExchange_Pass100KiB(b *testing.B) { benchmark(b, 100<<10) }

func benchmark(b *testing.B, size int) {
	response, answer := sizedResponse(size)
	once := steady(b, nil, browser, response, answer)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}
