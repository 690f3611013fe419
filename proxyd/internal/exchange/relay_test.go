package exchange

import (
	"io"
	"net"
	"testing"
	"time"

	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// The limit of the read before may have passed while dst took its time.
func TestRelay_ReadHasItsWholeTimeHoweverLongTheWriteBeforeTook(t *testing.T) {
	poller, err := socket.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	connect := func() (*socket.Conn, net.Conn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := poller.Dial(t.Context(), l.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c, peer
	}
	src, from := connect()
	defer from.Close()
	defer src.Close()
	dst, to := connect()
	defer to.Close()
	defer dst.Close()
	src.LimitRead(time.Nanosecond)
	if err := src.Fill(1); err != socket.ErrTimeout {
		t.Fatal(err)
	}
	r := relay{src: src, dst: dst, body: http1.Length, length: 4, out: []byte("head"), readWait: time.Minute, writeWait: time.Minute}
	done := make(chan bool, 1)
	go func() { done <- r.run() }()
	got := make([]byte, len("headbody"))
	if _, err := io.ReadFull(to, got[:4]); err != nil { // all that there is of the message yet
		t.Fatal(err)
	}
	if _, err := io.WriteString(from, "body"); err != nil {
		t.Fatal(err)
	}
	if !<-done {
		t.Fatalf("src: %v, dst: %v", r.srcErr, r.dstErr)
	}
	if _, err := io.ReadFull(to, got[4:]); err != nil || string(got) != "headbody" {
		t.Errorf("%q, %v", got, err)
	}
}
