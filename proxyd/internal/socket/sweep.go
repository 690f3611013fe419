package socket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often the poller looks for waits that took too long: a limit of time holds to within two ticks.
const Tick = 50 * time.Millisecond

// clock is the time by which limits are kept. It moves on once a tick, so reading it costs nothing.
type clock struct {
	start time.Time
	now   atomic.Int64 // nanoseconds since start
}

// after returns the time on the clock when d from now has certainly passed; 0 for no limit.
func (c *clock) after(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return c.now.Load() + int64(d+Tick)
}

func (c *clock) passed(by int64) bool { return by != 0 && c.now.Load() >= by }

// shard is a part of all connections under a lock of its own, so that an accept seldom meets the sweep.
type shard struct {
	mu   sync.Mutex
	head *Conn
}

func (p *Poller) addToShard(c *Conn) {
	c.shard = &p.shards[p.turn.Add(1)%uint32(len(p.shards))]
	c.shard.mu.Lock()
	if c.next = c.shard.head; c.next != nil {
		c.next.prev = c
	}
	c.shard.head = c
	c.shard.mu.Unlock()
	if p.cut.Load() { // CutAll may have been here already
		c.Cut()
	}
}

func (p *Poller) removeFromShard(c *Conn) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
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

// CutAll ends all connections, and each new one as soon as it comes, while others may still read or write: they fail. All of
// them are still to be closed by their users.
func (p *Poller) CutAll() {
	p.cut.Store(true)
	for i := range p.shards {
		p.shards[i].each((*Conn).Cut)
	}
}

// sweep ends the waits that took too long, until Close.
func (p *Poller) sweep() {
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.now.Store(int64(time.Since(p.start)))
			p.sweepOnce()
			p.pipes.trim()
		}
	}
}

func (p *Poller) sweepOnce() {
	for i := range p.shards {
		p.shards[i].each(func(c *Conn) {
			if p.passed(c.readBy.Load()) {
				c.in.notify()
			}
			if p.passed(c.writeBy.Load()) {
				c.out.notify()
			}
		})
	}
}

func (sh *shard) each(do func(*Conn)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for c := sh.head; c != nil; c = c.next {
		do(c)
	}
}
