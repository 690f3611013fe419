package load

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// command gives a command and returns its answer.
func (p *process) command(line string) string {
	p.t.Helper()
	p.write(line)
	return p.read()
}

func TestRun_RefuseCountsWhatIsRefused(t *testing.T) {
	f := func(answer string, told bool) {
		t.Helper()
		var refused atomic.Int64
		addr := serve(t, func(conn net.Conn) bool {
			refused.Add(1)
			io.WriteString(conn, answer)
			return false
		})
		p, _ := begin(t, Plan{Target: Target{Path: "/"}, Duration: 10 * time.Millisecond, Fields: 10})
		p.write(addr)
		p.read()
		var r Refused
		if err := json.Unmarshal([]byte(p.command(Refuse)), &r); err != nil {
			t.Fatal(err)
		}
		want := Refused{Requests: int(refused.Load())}
		if told {
			want.Told = want.Requests
		}
		if r != want || r.Requests == 0 {
			t.Errorf("%q: %+v, want %+v", answer, r, want)
		}
		p.in.Close()
		if err := <-p.err; err != nil {
			t.Error(err)
		}
	}
	f("HTTP/1.1 431 Too Large\r\n\r\n", true)
	f("", false)
}

func TestRun_RefuseTellsOfWhatIsTaken(t *testing.T) {
	addr := serve(t, func(conn net.Conn) bool {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return false
	})
	p, _ := begin(t, Plan{Target: Target{Path: "/"}, Duration: patience, Fields: 10}) // which the error ends
	p.write(addr)
	p.read()
	p.write(Refuse)
	if err := p.failure(); err == nil || !strings.Contains(err.Error(), "want status 4xx") {
		t.Errorf("%v, want an error about the status", err)
	}
}

func TestManyFields_IsARequestWithThatManyFields(t *testing.T) {
	request := string(manyFields("/", 5000))
	if lines := strings.Count(request, "\r\n"); lines != 5000+3 || !strings.HasSuffix(request, "\r\nX-4999: 4999\r\n\r\n") {
		t.Errorf("%d lines: want 5003, which end in the last field", lines)
	}
}

// A slow client sends the bytes of one request, and is back when the server has ended its connection.
func TestGather_SendsAByteASecondAndComesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const size = 3
	var all sync.WaitGroup
	defer func() {
		l.Close()
		all.Wait()
	}()
	again := make(chan struct{}, 1)
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if n == size {
				again <- struct{}{}
			}
			all.Go(func() {
				defer conn.Close()
				begun := make([]byte, 2)
				if _, err := io.ReadFull(conn, begun); err == nil && string(begun) != slowHead[:2] {
					t.Errorf("a slow client sent %q: want the begin of %q", begun, slowHead)
				}
			})
		}
	})
	p, _ := begin(t, Plan{Target: Target{Path: "/"}, Slow: size, SlowEvery: time.Second})
	p.write(l.Addr().String())
	p.read()
	if line := p.command(Gather); line != Ready {
		t.Fatalf("%q, want %q", line, Ready)
	}
	select {
	case <-again:
	case <-time.After(patience):
		t.Error("no slow client has come back")
	}
	p.in.Close()
	if err := <-p.err; err != nil {
		t.Error(err)
	}
}
