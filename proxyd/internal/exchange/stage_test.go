package exchange_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"section.internal/contract/config"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/accesslog"
	"section.internal/proxyd/internal/downstream"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/limiter"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
	"section.internal/proxyd/internal/watchtest"
)

// stage is a proxy on which a fuzz target plays one scene after the other: a start and a drain for each would take a hundred times
// as long as the scene. Each scene has a pool of its own, so that nothing of it is there for the next.
type stage struct {
	addr    string
	nextHop *net.TCPListener
	poller  *socket.Poller
	engine  *exchange.Engine
	server  *downstream.Server
	scene   atomic.Pointer[scene]
}

var noRules = exchange.Compile(settings(nil))

// scene is one client's connection, and what comes of it.
type scene struct {
	*stage
	t       *testing.T
	config  *config.Config
	rules   *policy.Policy
	pool    *upstream.Pool
	before  state
	earlier uint64         // connections of clients
	playing sync.WaitGroup // next-hop's side
	client  *net.TCPConn

	mu      sync.Mutex
	records []record
	put     []*upstream.Conn // given back for others to use
}

func (s *stage) Idle() *upstream.Conn     { return s.scene.Load().pool.Idle() }
func (s *stage) Discard(c *upstream.Conn) { s.scene.Load().pool.Discard(c) }

func (s *stage) Get(wanted context.Context, fresh bool) (*upstream.Conn, error) {
	return s.scene.Load().pool.Get(wanted, fresh)
}

func (s *stage) Put(c *upstream.Conn) {
	now := s.scene.Load()
	now.mu.Lock()
	now.put = append(now.put, c)
	now.mu.Unlock()
	now.pool.Put(c)
}

func (s *stage) Append(r *accesslog.Record) {
	now := s.scene.Load()
	now.mu.Lock()
	now.records = append(now.records, record{Record: *r, line: string(r.Request), host: string(r.Host)})
	now.mu.Unlock()
}

func newStage(f *testing.F) *stage {
	f.Helper()
	listener := watchtest.Listen(f)
	s := &stage{addr: listener.Addr().String(), nextHop: watchtest.Listen(f)}
	var err error
	if s.poller, err = socket.NewPoller(); err != nil {
		f.Fatal(err)
	}
	s.scene.Store(&scene{config: settings(nil), rules: noRules})
	s.engine = &exchange.Engine{
		NextHop: s, Log: s, Limits: limiter.New(), Name: "next-hop", Draining: func() bool { return false },
		InForce: func() (*config.Config, *policy.Policy) { now := s.scene.Load(); return now.config, now.rules },
	}
	s.server = downstream.NewServer(s.engine, func() *config.Client { return &s.scene.Load().config.Client }, s.poller, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.server.Drain(ctx)
		<-served
		s.nextHop.Close()
		s.poller.Close()
	})
	return s
}

// lastCaller is who connects to next-hop after all others of a scene.
var lastCaller = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}

// begin opens the client's connection and, in each connection that comes to next-hop, calls play.
func (s *stage) begin(t *testing.T, c *config.Config, play func(*net.TCPConn)) *scene {
	t.Helper()
	now := &scene{stage: s, t: t, config: c, rules: noRules, before: stateOf(t), earlier: s.server.Status().Total}
	var err error
	now.pool, err = upstream.NewPool(s.nextHop.Addr().String(), nil, func() config.NextHop { return c.NextHop }, s.poller, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.scene.Store(now)
	now.playing.Go(func() {
		for {
			c, err := s.nextHop.AcceptTCP()
			if err != nil {
				return
			}
			if c.RemoteAddr().(*net.TCPAddr).IP.Equal(lastCaller.IP) {
				c.Close()
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			now.playing.Go(func() {
				defer c.Close()
				play(c)
			})
		}
	})
	client, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	now.client = client.(*net.TCPConn)
	now.client.SetDeadline(time.Now().Add(patience))
	return now
}

// over waits until the client's connection has ended on proxyd's side; what was recorded is complete then.
func (now *scene) over() {
	now.t.Helper()
	watchtest.Eventually(now.t, "the client's connection has ended", func() bool {
		s := now.server.Status()
		return s.Open == 0 && s.Total > now.earlier
	})
	if n := now.engine.InFlight.Load(); n != 0 {
		now.t.Errorf("%d exchanges are in flight", n)
	}
}

// end expects that everything was given back.
func (now *scene) end() {
	now.t.Helper()
	now.pool.Close()
	if s := now.pool.Status(); s.Open != 0 {
		now.t.Errorf("connections to next-hop were not given back: %+v", s)
	}
	// What the kernel has taken for next-hop belongs to this scene, however fast the client has left it.
	last, err := (&net.Dialer{LocalAddr: lastCaller}).Dial("tcp", now.nextHop.Addr().String())
	if err != nil {
		now.t.Fatal(err)
	}
	last.(*net.TCPConn).SetLinger(0) // a port that was bound is kept for a minute otherwise, and a minute has more scenes than there are ports
	last.Close()
	now.playing.Wait()
	watchtest.Eventually(now.t, "all goroutines and sockets are given back", func() bool {
		s := stateOf(now.t)
		return s.goroutines <= now.before.goroutines && s.sockets <= now.before.sockets
	})
}

// state is what a process holds.
type state struct{ goroutines, sockets int }

func stateOf(t testing.TB) state {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	s := state{goroutines: runtime.NumGoroutine()}
	for _, fd := range open {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			s.sockets++
		}
	}
	return s
}

// say writes text in pieces, each when proxyd has read the one before, as far as it reads at all. Cuts has the pieces' lengths; the
// rest comes at once. Proxyd may end the connection in the middle of it.
func say(c *net.TCPConn, text, cuts []byte) {
	fd := otherEnd(c)
	for _, n := range cuts[:min(len(cuts), 100)] {
		piece := text[:min(int(n)+1, len(text))]
		if text = text[len(piece):]; len(text) == 0 {
			text = piece
			break
		}
		if _, err := c.Write(piece); err != nil {
			return
		}
		for end := time.Now().Add(200 * time.Microsecond); unread(fd) > 0 && time.Now().Before(end); {
			runtime.Gosched()
		}
	}
	c.Write(text)
}

// otherEnd returns the descriptor of this process that is the other end of c, or -1. It may be closed at any time, and is only asked
// about.
func otherEnd(c *net.TCPConn) int {
	port := c.LocalAddr().(*net.TCPAddr).Port
	own := c.RemoteAddr().(*net.TCPAddr).Port
	for end := time.Now().Add(time.Second); time.Now().Before(end); runtime.Gosched() {
		for fd := 3; fd < 200; fd++ {
			peer, err := syscall.Getpeername(fd)
			if p, ok := peer.(*syscall.SockaddrInet4); err != nil || !ok || p.Port != port {
				continue
			}
			local, err := syscall.Getsockname(fd)
			if l, ok := local.(*syscall.SockaddrInet4); err == nil && ok && l.Port == own {
				return fd
			}
		}
	}
	return -1
}

// unread returns how many bytes wait to be read from a socket.
func unread(fd int) (n int32) {
	const FIONREAD = 0x541b
	syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), FIONREAD, uintptr(unsafe.Pointer(&n)))
	return n
}

// filler stands for many bytes that a fuzzer would not come up with: in what is fuzzed, this byte and a number n stand for n times
// 512 bytes.
const filler = 0xf5

func filled(text []byte) (out []byte) {
	for i := 0; i < len(text) && len(out) < 128<<10; i++ {
		if text[i] == filler && i+1 < len(text) {
			i++
			out = append(out, strings.Repeat("x", 512*int(text[i]))...)
			continue
		}
		out = append(out, text[i])
	}
	return out
}

// hops are the fields that concern one connection, or the framing, only; what net/http makes of them is not compared.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Via"}

// onlySaid says what name: values are there that were not said, but for those of hops and except.
func onlySaid(got, said map[string][]string, except ...string) (strange []string) {
	for name, values := range got {
		if !slices.Contains(hops, name) && !slices.Contains(except, name) && !slices.Equal(values, said[name]) {
			strange = append(strange, name+": "+strings.Join(values, " | "))
		}
	}
	return strange
}
