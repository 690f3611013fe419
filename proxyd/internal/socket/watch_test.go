package socket

import (
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"section.internal/proxyd/internal/watchtest"
)

// leave ends a peer's connection in one of two ways.
var leave = map[string]func(*net.TCPConn){
	"closes its side": func(peer *net.TCPConn) { peer.CloseWrite() },
	"resets":          func(peer *net.TCPConn) { peer.SetLinger(0); peer.Close() },
}

func TestWatch_InterruptsTheOtherWhenThePeerHasEnded(t *testing.T) {
	for how, leave := range leave {
		for _, before := range []bool{true, false} {
			s := newPoller(t)
			c, peer := pair(t, s)
			other, _ := pair(t, s)
			if before {
				leave(peer)
				watchtest.Eventually(t, "the end is known", c.hungUp.Load)
			}
			c.Watch(other, true)
			failed := make(chan error, 1)
			go func() { failed <- other.Fill(1) }()
			if !before {
				leave(peer)
			}
			if err := within(t, func() error { return <-failed }); err != ErrInterrupted {
				t.Errorf("%s, before the watch %v: %v", how, before, err)
			}
			if how == "resets" != c.Broken() {
				t.Errorf("%s: Broken() is %v", how, c.Broken())
			}
			c.Unwatch(other)
		}
	}
}

func TestWatch_OfABreakOnlyDoesNotMindThePeersEnd(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	other, otherPeer := pair(t, s)
	c.Watch(other, false)
	leave["closes its side"](peer)
	watchtest.Eventually(t, "the end is known", c.hungUp.Load)
	send(t, otherPeer, "x")
	if err := within(t, func() error { return other.Fill(1) }); err != nil {
		t.Errorf("after the end: %v", err)
	}
	other.Consume(1)
	failed := make(chan error, 1)
	go func() { failed <- other.Fill(1) }()
	leave["resets"](peer)
	if err := within(t, func() error { return <-failed }); err != ErrInterrupted {
		t.Errorf("after the reset: %v", err)
	}
	c.Unwatch(other)
}

// The end may come at any moment of an Unwatch: whoever uses the other connection next must not feel it.
func TestUnwatch_LeavesNoInterruptionBehind(t *testing.T) {
	s := newPoller(t)
	other, otherPeer := pair(t, s)
	for range 300 {
		otherPeer.SetDeadline(time.Now().Add(patience))
		c, peer := pair(t, s)
		c.Watch(other, true)
		go leave["resets"](peer)
		c.Unwatch(other)
		go otherPeer.Write([]byte("x"))
		if err := within(t, func() error { return other.Fill(1) }); err != nil {
			t.Fatal(err)
		}
		other.Consume(1)
		watchtest.Eventually(t, "the end is known", c.hungUp.Load)
		if other.interrupted.Load() {
			t.Fatal("an interruption was left behind")
		}
		c.Close()
	}
}

func TestOnEnd_TellsThatThePeerHasEnded(t *testing.T) {
	for how, leave := range leave {
		for _, before := range []bool{true, false} {
			s := newPoller(t)
			c, peer := pair(t, s)
			if before {
				leave(peer)
				watchtest.Eventually(t, "the end is known", c.hungUp.Load)
			}
			told := make(chan bool, 10)
			stop := c.OnEnd(func() { told <- c.Broken() })
			if !before {
				leave(peer)
			}
			if broken := within(t, func() bool { return <-told }); broken != (how == "resets") {
				t.Errorf("%s, before the call %v: told that it is broken: %v", how, before, broken)
			}
			stop()
		}
	}
}

func TestOnEnd_TellsAgainWhenTheConnectionBreaksAfterTheEnd(t *testing.T) {
	s := newPoller(t)
	c, peer := pair(t, s)
	told := make(chan bool, 10)
	defer c.OnEnd(func() { told <- c.Broken() })()
	leave["closes its side"](peer)
	if within(t, func() bool { return <-told }) {
		t.Error("an end is taken for a break")
	}
	leave["resets"](peer)
	if !within(t, func() bool { return <-told }) {
		t.Error("a break is taken for an end")
	}
}

func TestOnEnd_TellsTheSameOnlyOnce(t *testing.T) {
	s := newPoller(t)
	c, _ := pair(t, s)
	var told []bool
	defer c.OnEnd(func() { told = append(told, c.Broken()) })()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, events := range []uint32{syscall.EPOLLRDHUP, syscall.EPOLLRDHUP | syscall.EPOLLOUT, syscall.EPOLLRDHUP | syscall.EPOLLHUP, syscall.EPOLLHUP} {
		c.notify(events, time.Now())
	}
	if want := []bool{false, true}; !slices.Equal(told, want) {
		t.Errorf("told that it is broken: %v, want %v", told, want)
	}
}

// The end may come at any moment of a stop: from then on what told works with may be somebody else's.
func TestOnEnd_TellsNothingAfterStop(t *testing.T) {
	s := newPoller(t)
	for range 300 {
		c, peer := pair(t, s)
		stopped := false
		stop := c.OnEnd(func() {
			if stopped {
				t.Error("told after stop")
			}
		})
		go leave["resets"](peer)
		stop()
		stopped = true
		watchtest.Eventually(t, "the end is known", c.hungUp.Load)
		c.Close()
	}
}
