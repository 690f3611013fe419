package exchange_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
	"section.internal/proxyd/internal/watchtest"
)

const (
	put     = "PUT /x HTTP/1.1\r\nHost: a.test\r\n"
	chunked = put + "Transfer-Encoding: chunked\r\n\r\n"
	via     = "Via: 1.1 proxyd\r\n"
)

func sized(n int) string { return fmt.Sprintf("%sContent-Length: %d\r\n", put, n) }

func TestUpload_GoesThroughWholeAndKeepsBothConnections(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	for _, n := range []int{1, 15 << 10, 16 << 10, 20 << 10, 100 << 10, 3 << 20} {
		body := strings.Repeat("0123456789abcdef", (n+15)/16)[:n]
		sent := meanwhile(t, func() { io.WriteString(c, sized(n)+"\r\n"+body+get) }) // and the next request behind it
		nextHop.hear(sized(n) + via + "\r\n" + body)
		nextHop.say(okay)
		c.hear(okayed)
		nextHop.hear(asked)
		nextHop.say(okay)
		c.hear(okayed)
		sent()
	}
}

func TestUpload_ChunksAreFramedAnewAndStreamed(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(chunked)
	nextHop.hear(put + "Transfer-Encoding: chunked\r\n" + via + "\r\n") // before any of the body
	c.say("005;ext=\"x\"\r\nhello\r\n")
	nextHop.hear("5\r\nhello\r\n")
	large := strings.Repeat("0123456789abcdef", 8<<10)
	sent := meanwhile(t, func() { io.WriteString(c, fmt.Sprintf("%X\r\n%s\r\n0\r\n\r\n", len(large), large)) })
	got := ""
	for !strings.HasSuffix(got, "0\r\n\r\n") {
		part := make([]byte, 64<<10)
		n, err := nextHop.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		got += string(part[:n])
	}
	sent()
	if dechunk(t, got) != large {
		t.Error("another body came")
	}
	nextHop.say(okay)
	c.hear(okayed)
	passes(c, nextHop)
}

func dechunk(t *testing.T, b string) (body string) {
	t.Helper()
	for {
		var n int
		line, rest, ok := strings.Cut(b, "\r\n")
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil || !ok || len(rest) < n+2 || rest[n:n+2] != "\r\n" {
			t.Fatalf("a broken chunk: %q", line)
		}
		if n == 0 {
			return body
		}
		body, b = body+rest[:n], rest[n+2:]
	}
}

func TestContinue_IsNextHopsToSay(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(sized(2) + "Expect: 100-continue\r\n\r\n")
	nextHop.hear(sized(2) + "Expect: 100-continue\r\n" + via + "\r\n")
	nextHop.say("HTTP/1.1 100 Continue\r\n\r\n")
	c.hear("HTTP/1.1 100 Continue\r\n" + via + "\r\n")
	c.say("hi")
	nextHop.hear("hi")
	nextHop.say(okay)
	c.hear(okayed)
	passes(c, nextHop)
}

func TestContinue_FinalResponseInsteadEndsTheConnectionWithoutAReset(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(sized(100) + "Expect: 100-continue\r\n\r\n")
	nextHop.head()
	nextHop.say("HTTP/1.1 401 Unauthorized\r\nDate: now\r\nContent-Length: 2\r\n\r\nno")
	c.hear("HTTP/1.1 401 Unauthorized\r\nDate: now\r\nContent-Length: 2\r\nConnection: close\r\n" + via + "\r\nno")
	c.ended()
	c.say("the body after all") // does not harm
	nextHop.cut()
	p.wantReason(httpcache.Passed, 401)
}

func TestContinue_IsNotExpectedOfAnHTTP10Client(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say("PUT /x HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
	nextHop := p.accept()
	nextHop.hear("PUT /x HTTP/1.1\r\nHost: next-hop\r\nContent-Length: 2\r\nVia: 1.0 proxyd\r\n\r\nhi")
	nextHop.say("HTTP/1.1 100 Continue\r\n\r\n" + okay)
	c.hear("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 proxyd\r\n\r\nhi")
}

func TestUpload_EarlyResponseComesThroughAndEndsTheUpload(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	c.say(sized(100<<20) + "\r\nonly the start")
	nextHop.hear(sized(100<<20) + via + "\r\nonly the start")
	body := strings.Repeat("0123456789abcdef", 10<<10)
	answered := meanwhile(t, func() {
		io.WriteString(nextHop, fmt.Sprintf("HTTP/1.1 413 Content Too Large\r\nDate: now\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	})
	c.hear(fmt.Sprintf("HTTP/1.1 413 Content Too Large\r\nDate: now\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s", len(body), via, body))
	answered()
	nextHop.cut() // it cannot be used again
	if _, err := io.WriteString(c, strings.Repeat("x", 100<<10)); err != nil {
		t.Errorf("the client that still sends was reset: %v", err)
	}
	c.ended()
	r := p.wantReason(httpcache.Passed, 413)
	if want := int64(len(sized(100<<20) + "\r\nonly the start")); r.BytesIn < want || r.BytesIn > want+100<<10 {
		t.Errorf("bytes_in = %d; want %d", r.BytesIn, want)
	}
}

func TestUpload_ResponseMayEndBeforeNextHopHasReadTheBodyThatWasSent(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	for i := range 200 {
		n := 20 << 10
		if i%2 == 0 {
			n = 40 << 10 // moved by the kernel
		}
		c.say(sized(n) + "\r\n" + strings.Repeat("x", n))
		nextHop.head()
		nextHop.hear(strings.Repeat("x", n))
		nextHop.say(okay)
		c.hear(okayed)
	}
}

func TestUpload_NextHopThatHasAnsweredMayTakeItsTimeOverTheLastOfTheBody(t *testing.T) {
	p := start(t, nil)
	c, nextHop := p.reused()
	takeLittle(t, nextHop)
	body := strings.Repeat("0123456789abcdef", 50<<10/16)
	c.say(sized(len(body)) + "\r\n" + body) // comes at once: proxyd has all of it when it can write no more
	nextHop.head()
	nextHop.say(okay)
	c.hear(okayed)
	tick := time.NewTimer(3 * exchange.LastWrite)
	<-tick.C
	nextHop.hear(body)
	c.say(get) // and both connections carry the next request
	nextHop.hear(asked)
	nextHop.say(okay)
	c.hear(okayed)
}

// takeLittle makes the buffers on the way to a next-hop that does not read as small as they can be.
func takeLittle(t *testing.T, nextHop *peer) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(nextHop.SetReadBuffer(1))
	own := nextHop.RemoteAddr().(*net.TCPAddr)
	open, err := os.ReadDir("/proc/self/fd")
	must(err)
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		must(err)
		at, err := syscall.Getsockname(fd)
		if in, ok := at.(*syscall.SockaddrInet4); err == nil && ok && in.Port == own.Port && own.IP.Equal(in.Addr[:]) {
			must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1))
			return
		}
	}
	t.Fatal("no socket is proxyd's end of the connection")
}

// The client does something after the start of its body has come to next-hop.
func TestUpload_ThatFailsIsNeverCompletedForNextHop(t *testing.T) {
	limited := func(c *config.Config) { c.Client.MaxBodySize = 1 << 10 }
	slow := func(c *config.Config) { c.Client.BodyTimeout = short }
	for _, c := range []struct {
		name   string
		change func(*config.Config)
		start  string
		then   func(*peer)
		status int
		reason httpcache.Reason
	}{
		{"the client ends", nil, sized(100) + "\r\npart", func(c *peer) { c.CloseWrite() }, 0, httpcache.ClientClosed},
		{"the client ends within chunks", nil, chunked + "4\r\npart\r\n", func(c *peer) { c.CloseWrite() }, 0, httpcache.ClientClosed},
		{"the client ends before the last line", nil, chunked + "4\r\npart\r\n0\r\n", func(c *peer) { c.CloseWrite() }, 0, httpcache.ClientClosed},
		{"the client is reset", nil, sized(100<<10) + "\r\npart", func(c *peer) { c.SetLinger(0); c.Close() }, 0, httpcache.ClientClosed},
		{"the client stalls", slow, sized(100) + "\r\npart", func(*peer) {}, 408, httpcache.RequestTimeout},
		{"the client stalls in a large body", slow, sized(100<<10) + "\r\npart", func(*peer) {}, 408, httpcache.RequestTimeout},
		{"the client stalls within chunks", slow, chunked + "4\r\npart\r\n", func(*peer) {}, 408, httpcache.RequestTimeout},
		{"broken chunk size", nil, chunked + "4\r\npart\r\n", func(c *peer) { c.say("zz\r\n") }, 400, httpcache.BadBody},
		{"broken chunk end", nil, chunked + "4\r\npart", func(c *peer) { c.say("XX") }, 400, httpcache.BadBody},
		{"broken trailers", nil, chunked + "4\r\npart\r\n", func(c *peer) { c.say("0\r\nno colon\r\n\r\n") }, 400, httpcache.BadBody},
		{"too large", limited, chunked + "4\r\npart\r\n", func(c *peer) { c.say("400\r\n") }, 413, httpcache.BodyTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.change)
			client := p.client()
			client.say(c.start)
			nextHop := p.accept()
			nextHop.head()
			c.then(client)
			got, _ := nextHop.rest()
			if strings.Contains(got, "0\r\n\r\n") || len(got) > len("4\r\npart\r\n") {
				t.Errorf("next-hop got %q", got)
			}
			if c.status != 0 {
				if head := client.head(); !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", c.status)) ||
					!strings.Contains(head, "\r\nConnection: close\r\n") {
					t.Errorf("the client got\n%s", head)
				}
			} else if c.name != "the client is reset" {
				client.ended()
			}
			p.wantReason(c.reason, c.status)
		})
	}
}

func TestUpload_LengthBeyondTheLimitIsRefusedBeforeNextHopIsAsked(t *testing.T) {
	p := start(t, func(c *config.Config) { c.Client.MaxBodySize = 10 })
	c := p.client()
	c.say(sized(11) + "\r\n")
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 413 ") {
		t.Errorf("the client got\n%s", head)
	}
	p.wantReason(httpcache.BodyTooLarge, 413)
	p.notAsked()
	c = p.client()
	c.say(sized(10) + "\r\n0123456789")
	nextHop := p.accept()
	nextHop.hear(sized(10) + via + "\r\n0123456789")
	nextHop.say(okay)
	c.hear(okayed)
}

func TestUpload_NextHopThatEndsWithoutAnAnswerIsBlamed(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(sized(100<<20) + "\r\npart")
	nextHop := p.accept()
	nextHop.head()
	nextHop.hear("part")
	nextHop.Close()
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 502 ") || !strings.Contains(head, "\r\nConnection: close\r\n") {
		t.Errorf("the client got\n%s", head)
	}
	c.say("more") // lingers
	p.wantReason(httpcache.NextHopClosed, 502)
}

// Nothing else would ever wake whoever waits for the response.
func TestUpload_NextHopThatNeitherReadsNorAnswersIsNotWaitedForWithoutEnd(t *testing.T) {
	p := start(t, func(c *config.Config) { c.NextHop.BodyTimeout, c.NextHop.HeaderTimeout = short, short })
	c := p.client()
	meanwhile(t, func() { io.WriteString(c, sized(100<<20)+"\r\n"+strings.Repeat("x", 100<<20)) })
	p.accept()
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
		t.Errorf("the client got\n%s", head)
	}
	p.wantReason(httpcache.NextHopTimeout, 504)
	c.Close()
}

func TestUpload_HeaderTimeoutBeginsWhenTheBodyHasEnded(t *testing.T) {
	p := start(t, func(c *config.Config) { c.NextHop.HeaderTimeout = short })
	c := p.client()
	c.say(sized(40<<10) + "\r\n")
	nextHop := p.accept()
	nextHop.head()
	started := time.Now()
	for range 4 { // longer than the limit in all
		tick := time.NewTimer(2 * socket.Tick)
		<-tick.C
		c.say(strings.Repeat("x", 10<<10))
		nextHop.hear(strings.Repeat("x", 10<<10))
	}
	if took := time.Since(started); took < 4*short {
		t.Fatalf("the test took only %v", took)
	}
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
		t.Errorf("the client got\n%s", head)
	}
	p.wantReason(httpcache.NextHopTimeout, 504)
}

// next-hop answers as the body comes, and waits for it for longer than it may be silent itself.
func TestUpload_NextHopThatWaitsForTheBodyWithinItsAnswerIsNotTooSlow(t *testing.T) {
	f := func(framing, before string, size int, after string) {
		t.Helper()
		p := start(t, func(c *config.Config) { c.NextHop.BodyTimeout = short })
		c, nextHop := p.reused()
		c.say(sized(4*size) + "\r\n")
		nextHop.head()
		nextHop.say("HTTP/1.1 200 OK\r\n" + framing + "\r\n\r\n")
		c.head()
		part := strings.Repeat("x", size)
		for n := range 4 {
			tick := time.NewTimer(short + 4*socket.Tick) // by then the limit has fired
			<-tick.C
			c.say(part)
			nextHop.hear(part)
			if n < 3 {
				nextHop.say(before + part + after)
				c.hear(before + part + after)
			}
		}
		c.ended() // the body has come whole: now it is next-hop that is silent
		p.wantReason(httpcache.NextHopBodyTimeout, 200)
	}
	f("Content-Length: 40960", "", 10<<10, "") // moved by the kernel
	f("Transfer-Encoding: chunked", "64\r\n", 100, "\r\n")
}

func TestUpload_ClientThatGoesAwayWithinItIsBlamedForTheResponseThatEnds(t *testing.T) {
	p := start(t, nil)
	c := p.client()
	c.say(sized(100) + "\r\npart")
	nextHop := p.accept()
	nextHop.head()
	nextHop.hear("part")
	nextHop.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
	c.head()
	c.hear("some")
	c.CloseWrite()
	nextHop.cut()
	p.wantReason(httpcache.ClientClosed, 200)
}

// deaf is a next-hop whose connections cannot be written to, although nobody has noticed yet.
type deaf struct {
	t      *testing.T
	poller *socket.Poller
	addr   netip.AddrPort
	given  int
}

func (d *deaf) Idle() *upstream.Conn { return nil }
func (d *deaf) Get(context.Context, bool) (*upstream.Conn, error) {
	conn, err := d.poller.Dial(d.t.Context(), d.addr)
	if err != nil {
		return nil, err
	}
	d.given++
	return &upstream.Conn{Conn: conn, Reused: true}, conn.CloseWrite()
}
func (d *deaf) Put(*upstream.Conn)       { d.t.Error("such a connection was given back") }
func (d *deaf) Discard(c *upstream.Conn) { c.Close(); d.given-- }

// What next-hop did not take of a body must not be read as the client's next request.
func TestUpload_ThatNextHopDoesNotTakeIsNotReadAsARequest(t *testing.T) {
	poller, err := socket.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	nextHop := watchtest.Listen(t)
	defer nextHop.Close()
	d := &deaf{t: t, poller: poller, addr: nextHop.Addr().(*net.TCPAddr).AddrPort()}
	c := settings(func(c *config.Config) { c.NextHop.HeaderTimeout = short })
	log := &proxy{records: make(chan record, 10)}
	rules := exchange.Compile(c)
	e := &exchange.Engine{
		NextHop: d, Log: log, InForce: func() (*config.Config, *policy.Policy) { return c, rules }, Draining: func() bool { return false },
	}

	l := watchtest.Listen(t)
	listener, err := socket.NewListener(l, poller)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tcp, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := newPeer(t, tcp)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// All of the request is in the buffer, and the head that next-hop gets is too long to be gathered with the body.
	head := "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 16326\r\n\r\n"
	body := strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 1000)[:16326]
	client.say(head + body)
	for len(conn.Buffered()) < len(head+body) {
		if err := conn.Fill(16 << 10); err != nil {
			t.Fatalf("%v with %d of %d bytes", err, len(conn.Buffered()), len(head+body))
		}
	}
	verdict := e.Exchange(&exchange.Client{Conn: conn})
	if left := conn.Buffered(); verdict == exchange.Keep && len(left) > 0 {
		t.Errorf("%d bytes of the body wait to be read as a request: %.40q", len(left), left)
	}
	if d.given != 0 {
		t.Error("the connection was not given back")
	}
	if r := <-log.records; r.Reason != httpcache.NextHopTimeout || r.BytesIn != int64(len(head+body)) {
		t.Errorf("logged %s with %d bytes in", r.Reason, r.BytesIn)
	}
}
