package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/proxyd/internal/watchtest"
)

func TestConn_HoldsABufferOnlyForAsLongAsItHoldsBytes(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	if c.Buffered() != nil || c.buf != nil {
		t.Error("a new connection holds a buffer")
	}
	send(t, peer, "hello")
	if err := c.Fill(1); err != nil || string(c.Buffered()) != "hello" {
		t.Fatalf("Fill: %v, %q", err, c.Buffered())
	}
	c.Consume(2)
	if string(c.Buffered()) != "llo" {
		t.Errorf("after 2 were consumed: %q", c.Buffered())
	}
	c.Consume(3)
	if c.buf != nil {
		t.Error("the buffer was kept although all is consumed")
	}
	c.LimitRead(time.Nanosecond)
	if err := c.Fill(1); err != ErrTimeout {
		t.Errorf("Fill: %v", err)
	}
	if c.buf != nil {
		t.Error("a read that found nothing kept a buffer")
	}
}

func TestFill_GrowsTheBufferUpToMaxAndThenSaysFull(t *testing.T) {
	const max = 40 << 10 // more than one buffer, and not a power of two
	c, peer := pair(t, newPoller(t))
	text := strings.Repeat("0123456789abcdef", 64<<10/16)
	var sending sync.WaitGroup
	sending.Go(func() { io.WriteString(peer, text) })
	defer sending.Wait()
	err := error(nil)
	for err == nil {
		err = within(t, func() error { return c.Fill(max) })
	}
	if err != ErrFull || len(c.Buffered()) != max {
		t.Fatalf("Fill: %v with %d bytes; want ErrFull with %d", err, len(c.Buffered()), max)
	}
	// What was consumed at the front makes room at the end.
	c.Consume(30 << 10)
	for len(c.Buffered()) < 34<<10 {
		if err := within(t, func() error { return c.Fill(max) }); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(c.Buffered(), []byte(text[30<<10:])) {
		t.Error("the bytes moved")
	}
}

func TestFill_TellsAnEndFromAReset(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	peer.CloseWrite()
	if err := within(t, func() error { return c.Fill(1) }); err != io.EOF {
		t.Errorf("after the peer's end: %v; want EOF", err)
	}
	c, peer = pair(t, s)
	peer.SetLinger(0)
	peer.Close()
	if err := within(t, func() error { return c.Fill(1) }); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the peer's reset: %v; want ECONNRESET", err)
	}
}

func TestInterrupt_FailsTheReadThatWaitsAndLaterOnesUntilResume(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	failed := make(chan error, 1)
	go func() { failed <- c.Fill(1) }()
	c.Interrupt()
	if err := within(t, func() error { return <-failed }); err != ErrInterrupted {
		t.Errorf("the read that waited: %v", err)
	}
	if err := within(t, func() error { return c.Fill(1) }); err != ErrInterrupted {
		t.Errorf("a later read: %v", err)
	}
	c.Resume()
	send(t, peer, "x")
	if err := within(t, func() error { return c.Fill(1) }); err != nil || string(c.Buffered()) != "x" {
		t.Errorf("after Resume: %v, %q", err, c.Buffered())
	}
	expectWrite(t, c, peer) // writes never knew
}

// The poller may wake a read at any moment of Interrupt and Resume; none of the two may get lost, nor hold after its end.
func TestInterrupt_IsNeitherLostNorLeftBehindBesideTheSweep(t *testing.T) {
	s := stoppedPoller(t)
	c, peer := pair(t, s)
	stop := make(chan struct{})
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.in.notify(time.Time{}) // as a sweep does that saw the limit before it was moved
				runtime.Gosched()
			}
		}
	})
	defer sweeping.Wait()
	defer close(stop)
	for range 300 {
		peer.SetDeadline(time.Now().Add(patience))
		failed := make(chan error, 1)
		go func() { failed <- c.Fill(1) }()
		c.Interrupt()
		if err := within(t, func() error { return <-failed }); err != ErrInterrupted {
			t.Fatalf("Fill: %v", err)
		}
		c.Resume()
		go peer.Write([]byte("x"))
		if err := within(t, func() error { return c.Fill(1) }); err != nil {
			t.Fatalf("Fill after Resume: %v", err)
		}
		c.Consume(1)
	}
}

func expectWrite(t *testing.T, c *Conn, peer *net.TCPConn) {
	t.Helper()
	send(t, c, "ping")
	expect(t, peer, "ping")
}

func TestEnded_HoldsForAnEndedConnectionAndForUnaskedBytes(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	if c.Ended() {
		t.Error("an open and silent connection has not ended")
	}
	send(t, peer, "x")
	watchtest.Eventually(t, "unasked bytes are noticed", c.Ended)
	if err := c.Fill(1); err != nil || string(c.Buffered()) != "x" {
		t.Errorf("Ended took the bytes: %v, %q", err, c.Buffered())
	}
	c.Consume(1)
	if c.Ended() {
		t.Error("the connection is silent again")
	}
	peer.Close()
	watchtest.Eventually(t, "the peer's end is noticed", c.Ended)
	c, _ = pair(t, s)
	c.Close()
	if !c.Ended() {
		t.Error("a closed connection has ended")
	}
}

// Whoever asks whether a connection has ended and hears that it has not may wait on it: bytes that come then, or have come just
// now, are not missed.
func TestEnded_MissesNothingThatComesBesideIt(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	for range 500 {
		peer.SetDeadline(time.Now().Add(patience))
		c.in.state.Store(ready) // as after a move, behind which there may be more
		go peer.Write([]byte("x"))
		for range 3 {
			c.Ended()
		}
		if err := within(t, func() error { return c.Fill(1) }); err != nil {
			t.Fatal(err)
		}
		c.Consume(1)
	}
}

func TestFillSome_ReadsNoMoreThanThatAndFindsTheRest(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	send(t, peer, "0123456789")
	for _, want := range []string{"0123", "01234567"} {
		if err := within(t, func() error { return c.FillSome(bufferSize, 4) }); err != nil || string(c.Buffered()) != want {
			t.Fatalf("%q, %v; want %q", c.Buffered(), err, want)
		}
	}
	if err := within(t, func() error { return c.Fill(bufferSize) }); err != nil || string(c.Buffered()) != "0123456789" {
		t.Errorf("%q, %v", c.Buffered(), err)
	}
}

func TestFillReady_DoesNotWait(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	if err := c.FillReady(bufferSize); err != ErrNotReady {
		t.Errorf("of a silent connection: %v; want ErrNotReady", err)
	}
	send(t, peer, "x")
	watchtest.Eventually(t, "what has come is read", func() bool { return c.FillReady(bufferSize) == nil })
	peer.Close()
	watchtest.Eventually(t, "the end is told", func() bool { return c.FillReady(bufferSize) == io.EOF })
}

func TestFillReady_SaysWhyAWaitWouldHaveEnded(t *testing.T) {
	s := stoppedPoller(t)
	c, peer := pair(t, s)
	c.LimitRead(time.Second)
	if err := c.FillReady(1); err != ErrNotReady {
		t.Errorf("before the limit: %v; want ErrNotReady", err)
	}
	advance(s, time.Minute)
	if err := c.FillReady(1); err != ErrTimeout {
		t.Errorf("behind the limit: %v; want ErrTimeout", err)
	}
	c.Interrupt()
	if err := c.FillReady(1); err != ErrInterrupted {
		t.Errorf("interrupted: %v; want ErrInterrupted", err)
	}
	send(t, peer, "x")
	watchtest.Eventually(t, "what has come is read all the same", func() bool { return c.FillReady(1) == nil })
}

func TestWriteBoth_SendsBothInOrderWhateverTheirSize(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	large := strings.Repeat("0123456789", 200<<10) // more than the kernel takes at once
	for _, p := range [][2]string{{"a", "b"}, {"a", ""}, {"", "b"}, {"", ""}, {"head", large}, {large, "tail"}} {
		go func() {
			if n, err := c.WriteBoth([]byte(p[0]), []byte(p[1])); err != nil || n != len(p[0])+len(p[1]) {
				t.Errorf("WriteBoth: %d, %v", n, err)
			}
			c.Write([]byte("|"))
		}()
		expect(t, peer, p[0]+p[1]+"|")
	}
}

func TestWriteBoth_SurvivesASweepThatCameTooEarly(t *testing.T) {
	s := stoppedPoller(t)
	c, peer := pair(t, s)
	large := strings.Repeat("0123456789", 400<<10)
	var writing sync.WaitGroup
	writing.Go(func() {
		c.LimitWrite(time.Hour)
		if n, err := c.WriteBoth([]byte("head"), []byte(large)); err != nil || n != len("head")+len(large) {
			t.Errorf("WriteBoth: %d, %v", n, err)
		}
		if n, err := c.Write([]byte(large)); err != nil || n != len(large) {
			t.Errorf("Write: %d, %v", n, err)
		}
	})
	rest := "head" + large + large
	for len(rest) > 0 {
		c.out.notify(time.Time{})
		n := min(len(rest), 100<<10)
		expect(t, peer, rest[:n])
		rest = rest[n:]
	}
	writing.Wait()
}

func TestCut_FailsTheReadAndTheWriteUnderWay(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	send(t, peer, "kept")
	if err := c.Fill(1); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		if err := c.Fill(bufferSize); err != ErrCut {
			t.Errorf("the read: %v", err)
		}
	})
	working.Go(func() {
		endless := make([]byte, 1<<20)
		for {
			if _, err := c.Write(endless); err != nil {
				if err != ErrCut {
					t.Errorf("the write: %v", err)
				}
				return
			}
		}
	})
	c.Cut()
	working.Wait()
	if string(c.Buffered()) != "kept" {
		t.Errorf("the buffer went away under its reader: %q", c.Buffered())
	}
	c.Close()
	c.Close()
	if c.buf != nil {
		t.Error("Close kept the buffer")
	}
	if left := watched(s); left != 0 {
		t.Errorf("the poller still watches %d connections", left)
	}
}

func TestReset_MakesThePeerNotice(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	send(t, c, "cut off")
	expect(t, peer, "cut off")
	c.Reset()
	c.Close()
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v; want ECONNRESET", err)
	}
}

func TestClose_WithoutResetIsAPlainEnd(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	send(t, c, "whole")
	c.Close()
	if all, err := io.ReadAll(peer); err != nil || string(all) != "whole" {
		t.Errorf("the peer reads %q, %v", all, err)
	}
}
