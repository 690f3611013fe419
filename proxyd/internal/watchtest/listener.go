package watchtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Listen listens on a loopback address of this process's own: once the listener is closed, nobody else comes to listen there.
func Listen(t testing.TB) *net.TCPListener {
	t.Helper()
	pid := os.Getpid()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x3f, pid>>8&0xff, pid&0xff))
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}

// Queue returns how many connections wait for l to accept them, and its backlog: when more than that wait, the kernel takes none.
func Queue(t testing.TB, l *net.TCPListener) (waiting, backlog uint32) {
	t.Helper()
	control(t, l, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			waiting, backlog = info.Unacked, info.Sacked // of a listener they mean this
		}
		return err
	})
	return waiting, backlog
}

// FillQueue lets further connections to l neither be taken nor refused.
func FillQueue(t testing.TB, l *net.TCPListener) {
	t.Helper()
	control(t, l, func(fd int) error { return unix.Listen(fd, 0) })
	for waiting, backlog := Queue(t, l); waiting <= backlog; waiting++ {
		c, err := net.DialTimeout("tcp", l.Addr().String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	// Who connects may hear of it before the connection is in the queue.
	Eventually(t, "the queue is full", func() bool { waiting, backlog := Queue(t, l); return waiting > backlog })
}

func control(t testing.TB, l *net.TCPListener, do func(fd int) error) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = do(int(fd)) }), failed); err != nil {
		t.Fatal(err)
	}
}
