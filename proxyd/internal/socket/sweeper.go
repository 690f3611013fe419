package socket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often the sweeper looks: a limit of time holds to within one tick.
const Tick = 50 * time.Millisecond

// Sweeper ends the waits that took too long. Connections are spread over shards, each a list under a lock of its own, so that
// an accept seldom meets the sweep.
type Sweeper struct {
	start  time.Time
	now    atomic.Int64 // nanoseconds since start, moved on once a tick
	turn   atomic.Uint32
	cut    atomic.Bool // CutAll was called
	shards [16]shard
	pipes  pipePool
	stop   chan struct{}
	done   chan struct{}
}

type shard struct {
	mu   sync.Mutex
	head *Conn
}

// NewSweeper starts a sweeper. It runs until Close.
func NewSweeper() *Sweeper {
	s := &Sweeper{start: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	s.now.Store(1) // 0 means "without limit" in a Conn
	go s.run()
	return s
}

// Close stops the sweeper and returns when it has. Connections that still live have no limits any more.
func (s *Sweeper) Close() {
	close(s.stop)
	<-s.done
	s.pipes.close()
}

func (s *Sweeper) run() {
	defer close(s.done)
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.now.Store(int64(time.Since(s.start)))
			for i := range s.shards {
				s.shards[i].sweep(s)
			}
			s.pipes.trim()
		}
	}
}

// after returns the time on the sweeper's clock when d from now has certainly passed; 0 for no limit.
func (s *Sweeper) after(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return s.now.Load() + int64(d+Tick)
}

func (s *Sweeper) passed(by int64) bool { return by != 0 && s.now.Load() >= by }

func (s *Sweeper) add(c *Conn) {
	c.shard = &s.shards[s.turn.Add(1)%uint32(len(s.shards))]
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.next = c.shard.head; c.next != nil {
		c.next.prev = c
	}
	c.shard.head = c
	if s.cut.Load() { // CutAll may have been here already
		c.tcp.Close()
	}
}

// CutAll ends all connections, and each new one as soon as it comes, while others may still read or write: they fail. All of
// them are still to be closed by their users.
func (s *Sweeper) CutAll() {
	s.cut.Store(true)
	for i := range s.shards {
		s.shards[i].cut()
	}
}

// remove forgets c; more than once is fine.
func (s *Sweeper) remove(c *Conn) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.shard.head != c && c.prev == nil {
		return
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		c.shard.head = c.next
	}
	c.prev, c.next = nil, nil
}

func (sh *shard) cut() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for c := sh.head; c != nil; c = c.next {
		if p := c.parker.Load(); p != nil {
			p.Unpark(c) // a closed one would never be woken
		}
		c.tcp.Close()
	}
}

func (sh *shard) sweep(s *Sweeper) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for c := sh.head; c != nil; c = c.next {
		if s.passed(c.readBy.Load()) {
			c.tcp.SetReadDeadline(longAgo)
			if p := c.parker.Load(); p != nil {
				p.Unpark(c)
			}
		}
		if s.passed(c.writeBy.Load()) {
			c.tcp.SetWriteDeadline(longAgo)
		}
	}
}
