package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"section.internal/contract/leaktest"
	"section.internal/proxyd/internal/watchtest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// patience bounds what a test waits for and expects to come.
const patience = 10 * time.Second

// newPoller returns a poller of its own for the test, which at its end must have given back all descriptors.
func newPoller(t testing.TB) *Poller {
	t.Helper()
	before := watchtest.Descriptors(t)
	s, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		watchtest.Eventually(t, "all descriptors are given back", func() bool { return watchtest.Descriptors(t) <= before })
	})
	return s
}

// stoppedPoller returns one whose clock and sweeps are the test's.
func stoppedPoller(t testing.TB) *Poller {
	t.Helper()
	s, err := startPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// advance moves the clock of a stopped poller on and sweeps.
func advance(s *Poller, d time.Duration) {
	s.now.Add(int64(d))
	s.sweepOnce()
}

// pair returns a connection and its peer.
func pair(t testing.TB, s *Poller) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := s.Dial(t.Context(), l.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		peer.Close()
	})
	peer.SetDeadline(time.Now().Add(patience))
	return c, peer.(*net.TCPConn)
}

func send(t testing.TB, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly the text.
func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// within returns what f returns, which must be soon.
func within[T any](t testing.TB, f func() T) T {
	t.Helper()
	result := make(chan T, 1)
	go func() { result <- f() }()
	select {
	case r := <-result:
		return r
	case <-time.After(patience):
		t.Fatalf("nothing happened for %v", patience)
		panic("unreachable")
	}
}

// meanwhile runs f beside the test, which waits for it at its end.
func meanwhile(t testing.TB, f func()) {
	var running sync.WaitGroup
	running.Go(f)
	t.Cleanup(running.Wait)
}
