package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"section.internal/bench/internal/origin"
)

// process is a Run that a test talks with.
type process struct {
	t   *testing.T
	in  *io.PipeWriter
	out *bufio.Reader
	err chan error
}

func begin(t *testing.T, plan Plan) (p *process, origin string) {
	t.Helper()
	theirIn, in := io.Pipe()
	out, theirOut := io.Pipe()
	p = &process{t: t, in: in, out: bufio.NewReader(out), err: make(chan error, 1)}
	go func() {
		p.err <- Run(plan, theirIn, theirOut)
		theirOut.Close()
	}()
	return p, p.read()
}

func (p *process) read() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("no line from the generator: %v", <-p.err)
	}
	return strings.TrimSpace(line)
}

func (p *process) write(line string) { fmt.Fprintln(p.in, line) }

// failure returns the error of a Run that has to end now. One that writes a line instead is made to end.
func (p *process) failure() error {
	p.out.ReadString('\n')
	p.in.Close()
	return <-p.err
}

// result goes through the steps of a good run; the origin itself stands for the server.
func result(t *testing.T, plan Plan) (r Result) {
	t.Helper()
	p, addr := begin(t, plan)
	p.write(addr)
	if line := p.read(); line != Ready {
		t.Fatalf("%q, want %q", line, Ready)
	}
	p.write("go")
	if err := json.Unmarshal([]byte(p.read()), &r); err != nil {
		t.Fatal(err)
	}
	p.in.Close()
	if err := <-p.err; err != nil {
		t.Fatal(err)
	}
	return r
}

func target(path string) Target { return Target{Path: path, Length: len(origin.Body(path))} }

func TestRun_ClosedLoopMovesEverySizeOfBody(t *testing.T) {
	for _, path := range []string{"/1k", "/100k", "/10m"} {
		r := result(t, Plan{Target: target(path), Connections: 4, Warmup: time.Millisecond, Duration: 100 * time.Millisecond})
		if r.Requests < 4 || r.Elapsed < 100*time.Millisecond || r.Busy <= 0 || r.Busy > r.Elapsed || r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestRun_ConstantRateSendsThatMany(t *testing.T) {
	r := result(t, Plan{Target: target("/1k"), Connections: 4, Duration: 200 * time.Millisecond, Rate: 1000})
	if r.Requests != 200 || r.Elapsed < 199*time.Millisecond {
		t.Errorf("%+v", r)
	}
}

func TestRun_HoldSendsOneRequestOverEachConnection(t *testing.T) {
	if r := result(t, Plan{Target: target("/1k"), Connections: 100, Hold: true}); r.Requests != 100 {
		t.Errorf("%+v", r)
	}
}

// A request that was due while the server did nothing counts from when it was due: one connection, a server that pauses once.
func TestRun_ConstantRateCountsFromWhenARequestWasDue(t *testing.T) {
	const pause = 200 * time.Millisecond
	answered := 0
	addr := serve(t, func(conn net.Conn) bool {
		if answered++; answered == 1 {
			timer := time.NewTimer(pause)
			<-timer.C
		}
		_, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		return err == nil
	})
	p, _ := begin(t, Plan{Target: Target{Path: "/", Length: 2}, Connections: 1, Duration: pause, Rate: 100})
	p.write(addr)
	p.read()
	p.write("go")
	var r Result
	if err := json.Unmarshal([]byte(p.read()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Requests != 20 || r.P50 < pause/4 { // sent after the pause, each would have taken no time
		t.Errorf("%+v", r)
	}
	p.in.Close()
	if err := <-p.err; err != nil {
		t.Fatal(err)
	}
}

// serve answers each request on each connection by a call, until the call says no; then the connection is closed.
func serve(t *testing.T, answer func(net.Conn) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					line, err := in.ReadString('\n')
					if err != nil || line == "\r\n" && !answer(conn) {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestRun_RefusesEveryWrongAnswer(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		addr := serve(t, func(conn net.Conn) bool {
			conn.Write([]byte(answer))
			return false
		})
		p, _ := begin(t, Plan{Target: Target{Path: "/", Length: 10}, Connections: 1, Warmup: patience}) // which the error ends
		p.write(addr)
		if err := p.failure(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", answer, err, want)
		}
	}
	f("", "before the end of a response's head: closed by the other side")
	f("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 10\r\n\r\n0123456789", "want status 200")
	f("HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", "want status 200")
	f("HTTP/1.1 200 OK\r\n\r\n0123456789", "want a Content-Length of 10, got -1")
	f("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n012345678", "want a Content-Length of 10, got 9")
	f("HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n0123456789", "not a length")
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n\r\n0123456789", "a second Content-Length")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", "Transfer-Encoding")
	f("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789", "ends the connection")
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", "5 bytes before the end of a body of 10")
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789X", "1 bytes after the end of a response")
	f("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", maxHead), "is longer than")
}

// An idle connection that the server gives up is no idle connection whose memory could be measured.
func TestRun_HoldTellsOfAConnectionThatEnds(t *testing.T) {
	addr := serve(t, func(conn net.Conn) bool {
		conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		return false
	})
	p, _ := begin(t, Plan{Target: Target{Path: "/", Length: 2}, Connections: 3, Hold: true})
	defer p.in.Close()
	p.write(addr)
	p.read()
	p.write("go")
	go io.Copy(io.Discard, p.out)
	if err := <-p.err; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v, want an error about a closed connection", err)
	}
}

func TestPercentile_IsAValueThatSoManyDoNotExceed(t *testing.T) {
	f := func(p int, want time.Duration, sorted ...time.Duration) {
		t.Helper()
		if got := Percentile(sorted, p); got != want {
			t.Errorf("p%d of %v: %d, want %d", p, sorted, got, want)
		}
	}
	f(50, 7, 7)
	f(99, 7, 7)
	f(50, 2, 1, 2, 3)
	f(50, 2, 1, 2, 3, 4)
	f(100, 4, 1, 2, 3, 4)
	f(0, 1, 1, 2, 3, 4)
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	f(99, 99, hundred...)
	f(50, 50, hundred...)
}

func TestQueue_FirstInFirstOutHoweverItGrows(t *testing.T) {
	var q queue
	next, want := 0, 0
	for _, step := range []int{3, -2, 20, -15, 40, -46} {
		for range max(step, 0) {
			q.add(&conn{index: next})
			next++
		}
		for range max(-step, 0) {
			if c := q.take(); c.index != want {
				t.Fatalf("connection %d, want %d", c.index, want)
			}
			want++
		}
	}
	if q.length != 0 {
		t.Errorf("%d are left", q.length)
	}
}

// What a head says does not depend on what follows it, and it is all there.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nDate: x\r\ncontent-LENGTH:  10 \r\n\r\n0123456789"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := parseHead(b, 10)
		if err != nil || size == 0 {
			return
		}
		if size > len(b) || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") || !strings.HasSuffix(string(b[:size]), "\r\n\r\n") {
			t.Fatalf("%q: %d bytes", b, size)
		}
		for _, other := range [][]byte{b[:size], append(slices.Clone(b), "more"...)} {
			if again, err := parseHead(other, 10); again != size || err != nil {
				t.Errorf("%q: %d bytes, then %d of %q, %v", b, size, again, other, err)
			}
		}
		if again, err := parseHead(b[:size-1], 10); again != 0 || err != nil {
			t.Errorf("%q without its last byte: %d, %v", b[:size], again, err)
		}
	})
}
