package downstream

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/watchtest"
)

func TestServer_AnswersOneRequestAfterTheOther(t *testing.T) {
	s := start(t, testSettings())
	c := s.dial(t)
	c.ask("one")
	c.ask("two")
	c.say("three\nfour\nfi") // pipelined
	c.hear("three\nfour\n")
	c.say("ve\n")
	c.hear("five\n")
	if status := s.Status(); status.Open != 1 || status.Total != 1 {
		t.Errorf("%+v", status)
	}
	c.Close()
	watchtest.Eventually(t, "the connection is forgotten", func() bool { return s.open() == 0 })
}

func TestServer_EndsAConnectionAsTheVerdictSays(t *testing.T) {
	s := start(t, testSettings())
	c := s.dial(t)
	c.ask("close")
	c.ended()

	c = s.dial(t)
	c.ask("reset")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v; want ECONNRESET", err)
	}

	// The client is still sending: closing at once would reset the connection, and the answer might be lost.
	c = s.dial(t)
	c.say("linger\n")
	rest := make([]byte, 100<<10)
	for range 5 {
		if _, err := c.Write(rest); err != nil {
			t.Fatal(err)
		}
	}
	c.hear("linger\n")
	c.ended()
	if _, err := c.Write(rest); err != nil {
		t.Errorf("the server did not linger: %v", err)
	}
}

func TestServer_LingersNotForMoreThanItShould(t *testing.T) {
	s := start(t, testSettings())
	c := s.dial(t)
	c.ask("linger")
	c.ended()
	endless := make([]byte, 64<<10)
	for {
		if _, err := c.Write(endless); err != nil {
			break // it has heard enough
		}
	}
	watchtest.Eventually(t, "the connection is closed", func() bool { return s.open() == 0 })
}

func TestServer_ConnectionWithoutARequestEndsWithoutAWord(t *testing.T) {
	settings := testSettings()
	settings.IdleTimeout = 20 * time.Millisecond
	s, l := newServer(t, settings)
	silent, once := s.dial(t), s.dial(t)
	once.say("keep\n") // in the kernel before the server looks: there is little time for it
	go func() { s.served <- s.Serve(l) }()
	silent.ended()
	once.hear("keep\n")
	once.ended()
}

func TestServer_AtItsLimitAnIdleConnectionMakesWay(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 2
	s := start(t, settings)
	a, b := s.dialIdle(t), s.dialIdle(t)
	c := s.dial(t)
	c.ask("keep")
	aEnd, bEnd := make(chan error, 1), make(chan error, 1)
	end := func(c *peer, end chan error) {
		_, err := io.ReadFull(c, make([]byte, 1))
		end <- err
	}
	go end(a, aEnd)
	go end(b, bEnd)
	select {
	case err := <-aEnd:
		if err != io.EOF {
			t.Error(err)
		}
		b.say("x\n")
		<-bEnd
	case err := <-bEnd:
		if err != io.EOF {
			t.Error(err)
		}
		a.say("x\n")
		<-aEnd
	}
	watchtest.Eventually(t, "two are open", func() bool { return s.open() == 2 })
}

// The request is there before the connection is told to make way.
func TestServer_RequestThatComesAsTheConnectionMakesWayIsAnswered(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	s := start(t, settings)
	for round := range uint64(20) {
		a := s.dialIdle(t)
		a.say("keep\n")
		b := s.dial(t) // full, or a makes way: both are right, but a has asked
		watchtest.Eventually(t, "both were accepted", func() bool { return s.Status().Total == 2*(round+1) })
		a.hear("keep\n")
		a.Close()
		b.Close()
		watchtest.Eventually(t, "all are closed", func() bool { return s.open() == 0 })
	}
}

func TestServer_AtItsLimitOfBusyOnesANewConnectionIsRefused(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	s := start(t, settings)
	busy := s.dial(t)
	busy.say("wait\n")
	<-s.busy
	var refused []*peer
	for range 3 { // they stay as long as they may
		c := s.dial(t)
		c.hear("too_many_connections\n")
		refused = append(refused, c)
	}
	s.goOn <- struct{}{}
	busy.hear("wait\n")
	busy.Close()
	watchtest.Eventually(t, "the busy one is closed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.clients) == s.refused // some of these may have gone
	})
	// The place is free for who comes next, whatever the refused ones do.
	s.dial(t).ask("keep")
	for _, c := range refused {
		c.ended()
	}
}

func TestServer_IsOpenAgainWhenRefusedOnesHaveGone(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	s := start(t, settings)
	busy := s.dial(t)
	busy.say("wait\n")
	<-s.busy
	for range 10 {
		c := s.dial(t)
		c.hear("too_many_connections\n")
		c.Close()
	}
	watchtest.Eventually(t, "the refused ones are closed", func() bool { return s.open() == 1 })
	c := s.dial(t)
	c.hear("too_many_connections\n") // who has gone did not make room for two
	s.goOn <- struct{}{}
	busy.hear("wait\n")
}

func TestServer_ParkedConnectionCostsNoGoroutineAndIsStillServed(t *testing.T) {
	s := start(t, testSettings())
	const n = 10
	clients := make([]*peer, n)
	for i := range clients {
		clients[i] = s.dialIdle(t)
	}
	watchtest.Eventually(t, "all are parked", func() bool { return s.goroutines() == 0 })
	if s.idleOnes() != n {
		t.Errorf("%d are idle; want %d", s.idleOnes(), n)
	}
	together(n, func(i int) {
		for range 3 {
			io.WriteString(clients[i], "keep\n")
			if _, err := io.ReadFull(clients[i], make([]byte, 5)); err != nil {
				t.Error(err)
			}
		}
	})
	watchtest.Eventually(t, "all are parked again", func() bool { return s.goroutines() == 0 })
	// The peer's end wakes it as well.
	clients[0].Close()
	watchtest.Eventually(t, "it is forgotten", func() bool { return s.open() == n-1 })
	if cut := s.drain(t, patience); cut > 0 {
		t.Errorf("%d were cut off", cut)
	}
	for _, c := range clients[1:] {
		c.ended()
	}
}

func TestServer_UnfinishedRequestIsParkedAndGoesOnWithEachPiece(t *testing.T) {
	s := start(t, testSettings())
	const n = 10
	clients := make([]*peer, n)
	for i := range clients {
		clients[i] = s.dial(t)
	}
	for _, piece := range []string{"k", "e", "ep\nk", "eep\nkeep", "\nke"} {
		for _, c := range clients {
			c.say(piece)
		}
		watchtest.Eventually(t, "all are parked, and none of them is idle", func() bool { return s.open() == n && s.goroutines() == 0 && s.idleOnes() == 0 })
	}
	together(n, func(i int) {
		io.WriteString(clients[i], "ep\n")
		if heard, err := io.ReadAll(io.LimitReader(clients[i], 20)); err != nil || string(heard) != "keep\nkeep\nkeep\nkeep\n" {
			t.Errorf("heard %q, %v", heard, err)
		}
	})
	watchtest.Eventually(t, "all idle", func() bool { return s.idleOnes() == n })
}

// Who waits for the rest of a request is not idle, parked or not.
func TestServer_UnfinishedRequestDoesNotMakeWay(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	s := start(t, settings)
	busy := s.dialIdle(t)
	busy.say("ke")
	watchtest.Eventually(t, "it is parked", func() bool { return s.open() == 1 && s.idleOnes() == 0 && s.goroutines() == 0 })
	s.dial(t).hear("too_many_connections\n")
	busy.say("ep\n")
	busy.hear("keep\n")
}

func TestServer_ParkedConnectionEndsAtItsIdleTimeout(t *testing.T) {
	settings := testSettings()
	settings.IdleTimeout = socket.ParkAfter + 100*time.Millisecond
	s := start(t, settings)
	start := time.Now()
	s.dial(t).ended()
	if took := time.Since(start); took < settings.IdleTimeout {
		t.Errorf("ended after %v; want %v", took, settings.IdleTimeout)
	}
}

func TestServer_ParkedConnectionMakesWay(t *testing.T) {
	settings := testSettings()
	settings.MaxConnections = 1
	s := start(t, settings)
	a := s.dialIdle(t)
	watchtest.Eventually(t, "it is parked", func() bool { return s.goroutines() == 0 })
	s.dial(t).ask("keep")
	a.ended()
}

func TestDrain_EndsIdleConnectionsAndAnswersTheOthers(t *testing.T) {
	s := start(t, testSettings())
	idle, silent, busy := s.dialIdle(t), s.dial(t), s.dial(t)
	busy.say("wait\nand more") // what comes behind is not answered, and does not harm
	<-s.busy
	drained := make(chan int, 1)
	go func() { drained <- s.drain(t, patience) }()
	idle.ended()
	silent.ended()
	if !s.Draining() {
		t.Error("Draining is false")
	}
	watchtest.Eventually(t, "the port is closed", func() bool {
		c, err := net.DialTimeout("tcp", s.addr, patience)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	select {
	case <-drained:
		t.Error("Drain did not wait for the busy one")
	default:
	}
	s.goOn <- struct{}{}
	busy.hear("wait\n")
	busy.CloseWrite()
	if cut := <-drained; cut != 0 {
		t.Errorf("%d were cut off", cut)
	}
}

func TestDrain_AnswersARequestThatCameJustBefore(t *testing.T) {
	for range 5 {
		s := start(t, testSettings())
		const n = 20
		clients := make([]*peer, n)
		for i := range clients {
			clients[i] = s.dialIdle(t)
		}
		for _, c := range clients {
			c.say("keep\n") // it is in the kernel; perhaps nobody has seen it yet
		}
		if cut := s.drain(t, patience); cut > 0 {
			t.Errorf("%d were cut off", cut)
		}
		for _, c := range clients {
			c.hear("keep\n")
			c.ended()
		}
	}
}

func TestDrain_AnswersConnectionsThatTheKernelHasTaken(t *testing.T) {
	s, l := newServer(t, testSettings())
	const n = 20
	clients := make([]*peer, n)
	for i := range clients {
		clients[i] = s.dial(t) // nobody has accepted them yet
		clients[i].say("keep\n")
	}
	go func() { s.served <- s.Serve(l) }()
	watchtest.Eventually(t, "it accepts", func() bool { return s.open() > 0 })
	s.drain(t, patience)
	for _, c := range clients {
		c.hear("keep\n")
	}
}

func TestDrain_BeforeServeStopsItAsWell(t *testing.T) {
	s, l := newServer(t, testSettings())
	drained := make(chan int, 1)
	go func() { drained <- s.drain(t, patience) }()
	watchtest.Eventually(t, "it drains", s.Draining)
	s.served <- s.Serve(l)
	if cut := <-drained; cut != 0 {
		t.Errorf("%d were cut off", cut)
	}
}

func TestDrain_CutsOffWhatTakesTooLong(t *testing.T) {
	s, l := newServer(t, testSettings())
	// One that waits for its client, and one that waits for next-hop.
	nextHop, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nextHop.Close()
	s.await = func(*socket.Conn) exchange.Verdict {
		up, err := s.poller.Dial(t.Context(), nextHop.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			t.Error(err)
			return exchange.Close
		}
		defer up.Close()
		s.busy <- struct{}{}
		if err := up.Fill(1); err != socket.ErrCut {
			t.Errorf("the wait for next-hop: %v", err)
		}
		return exchange.Close
	}
	go func() { s.served <- s.Serve(l) }()
	half, waiting := s.dial(t), s.dial(t)
	half.say("half a li")
	waiting.say("await\n")
	<-s.busy
	watchtest.Eventually(t, "both are busy", func() bool { return s.open() == 2 && s.idleOnes() == 0 })
	if cut := s.drain(t, 10*time.Millisecond); cut != 2 {
		t.Errorf("%d were cut off; want 2", cut)
	}
	half.Read(make([]byte, 1))
	if _, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Error("the client was told something")
	}
}

func TestServer_AnAddressHasAsManyConnectionsAsItMay(t *testing.T) {
	settings := testSettings()
	settings.MaxConnectionsPerAddress = 2
	s := start(t, settings)
	first := s.dialIdle(t)
	s.dialIdle(t)
	refused := s.dial(t) // those that idle count as well
	refused.hear("too_many_connections_from_client\n")
	refused.Close()
	s.dialFrom(t, "127.0.0.2").ask("keep")
	first.Close()
	watchtest.Eventually(t, "two are left, one of each address", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.clients) == 2 && len(s.from) == 2
	})
	s.dial(t).ask("keep")
}
