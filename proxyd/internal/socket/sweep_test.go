package socket

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func watched(s *Poller) (n int) {
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].conns)
		s.shards[i].mu.Unlock()
	}
	return n
}

func TestSweep_EndsAReadAtItsLimitAndNotBefore(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	const limit = 100 * time.Millisecond
	start := time.Now()
	c.LimitRead(limit)
	err := within(t, func() error { return c.Fill(1) })
	if took := time.Since(start); err != ErrTimeout || took < limit {
		t.Errorf("Fill: %v after %v; want ErrTimeout after %v", err, took, limit)
	}
	// The limit holds for all reads together until a new one is set.
	if err := within(t, func() error { return c.Fill(1) }); err != ErrTimeout {
		t.Errorf("a read after the limit: %v", err)
	}
	c.LimitRead(0)
	go peer.Write([]byte("x"))
	if err := within(t, func() error { return c.Fill(1) }); err != nil {
		t.Errorf("after the limit was lifted: %v", err)
	}
}

func TestSweep_EndsAWriteAtItsLimit(t *testing.T) {
	c, peer := pair(t, newPoller(t))
	endless := make([]byte, 32<<20) // nobody reads it
	for name, write := range map[string]func() (int, error){
		"Write":     func() (int, error) { return c.Write(endless) },
		"WriteBoth": func() (int, error) { return c.WriteBoth([]byte("head"), endless) },
	} {
		c.LimitWrite(10 * time.Millisecond)
		err := within(t, func() error { _, err := write(); return err })
		if err != ErrTimeout {
			t.Errorf("%s: %v; want ErrTimeout", name, err)
		}
	}
	c.LimitWrite(0)
	go func() { peer.WriteTo(discard{}) }()
	if err := within(t, func() error { _, err := c.Write(endless); return err }); err != nil {
		t.Errorf("after the limit was lifted: %v", err)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestSweep_LimitThatWasMovedDoesNotFire(t *testing.T) {
	s := stoppedPoller(t)
	c, peer := pair(t, s)
	read := make(chan error, 1)
	c.LimitRead(time.Second)
	go func() { read <- c.Fill(1) }()
	for range 10 { // ten times as long as the first limit allowed
		c.LimitRead(time.Second)
		advance(s, time.Second)
		c.in.notify(time.Time{}) // as a sweep does that saw the limit before it was moved
	}
	select {
	case err := <-read:
		t.Fatalf("the read ended: %v", err)
	default:
	}
	send(t, peer, "x")
	if err := within(t, func() error { return <-read }); err != nil {
		t.Errorf("Fill: %v", err)
	}
}

func TestSweep_LimitMayBeSetWhileTheReadWaits(t *testing.T) {
	s := newPoller(t)
	c, _ := pair(t, s)
	read := make(chan error, 1)
	go func() { read <- c.Fill(1) }() // without limit
	c.LimitRead(10 * time.Millisecond)
	if err := within(t, func() error { return <-read }); err != ErrTimeout {
		t.Errorf("Fill: %v; want ErrTimeout", err)
	}
}

func TestSweep_CountsFromTheLimitNotFromTheLastTick(t *testing.T) {
	s := stoppedPoller(t)
	var by, never atomic.Int64
	by.Store(s.after(time.Second))
	// The clock may be this old when a limit is set.
	s.now.Add(int64(time.Second + late - 1))
	if s.passed(&by) {
		t.Error("the limit fired before it had certainly passed")
	}
	s.now.Add(1)
	if !s.passed(&by) {
		t.Error("the limit did not fire")
	}
	if s.passed(&never) || s.after(0) != 0 || s.after(-time.Second) != 0 {
		t.Error("0 is not without limit")
	}
}

func TestSweep_TimeInWhichNobodyCouldRunDoesNotEndALimit(t *testing.T) {
	s := stoppedPoller(t)
	var by atomic.Int64
	by.Store(s.after(time.Second)) // set by whoever ran first after an hour
	s.moveOn(time.Hour)
	if s.passed(&by) {
		t.Error("the limit fired at once")
	}
	for range time.Second / Tick {
		s.moveOn(Tick)
	}
	if !s.passed(&by) {
		t.Error("the limit did not fire when its time had passed")
	}
}

func TestSweep_ForgetsConnectionsFromAnyPlaceInItsLists(t *testing.T) {
	s := newPoller(t)
	conns := make([]*Conn, 100)
	for i := range conns {
		conns[i], _ = pair(t, s)
	}
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	for i, c := range conns {
		c.Close()
		c.Close()
		if left := watched(s); left != len(conns)-i-1 {
			t.Fatalf("%d are watched after %d of %d were closed", left, i+1, len(conns))
		}
		for _, c := range conns[i+1:] {
			if c.shard.conns[c.place] != c {
				t.Fatalf("a connection that is open is not where it says after %d of %d were closed", i+1, len(conns))
			}
		}
	}
}

func TestSweep_MayBeUsedFromAllSidesAtOnce(t *testing.T) {
	s := newPoller(t)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 20 {
				c, peer := pair(t, s)
				c.LimitRead(time.Nanosecond)
				c.LimitWrite(time.Nanosecond)
				users.Go(func() { c.Interrupt() })
				go peer.Write(bytes.Repeat([]byte("x"), 10))
				c.Fill(1)
				c.Cut()
				c.Close()
			}
		})
	}
	users.Wait()
	if left := watched(s); left != 0 {
		t.Errorf("%d connections are still watched", left)
	}
}

func TestCutAll_EndsAllConnectionsAndThoseThatComeLater(t *testing.T) {
	s := newPoller(t)
	var waiting sync.WaitGroup
	for range 40 {
		c, _ := pair(t, s)
		waiting.Go(func() {
			if err := c.Fill(1); err != ErrCut {
				t.Errorf("Fill: %v; want ErrCut", err)
			}
		})
	}
	s.CutAll()
	waiting.Wait()
	late, peer := pair(t, s)
	if err := late.Fill(1); err != ErrCut {
		t.Errorf("Fill of a late one: %v", err)
	}
	if n, err := peer.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the peer of a late one reads %d, %v", n, err)
	}
}
