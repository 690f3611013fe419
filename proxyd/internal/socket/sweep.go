package socket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often the poller looks for waits that took too long. A limit of time never ends a wait too soon, and ends it within
// three ticks, or later by what the machine kept the process from running.
const Tick = 50 * time.Millisecond

// late is how far the clock may lag behind when a limit is set: one tick, and another for a sweep that comes late.
const late = 2 * Tick

// clock is the time by which limits are kept. It moves on once a tick, so reading it costs nothing. Time in which nobody could run
// does not count: else a limit that is set by the first who runs again, before the clock is, would have passed at once.
type clock struct {
	now atomic.Int64 // nanoseconds
}

// moveOn tells the clock what has passed since it was told last.
func (c *clock) moveOn(d time.Duration) { c.now.Add(int64(min(d, late))) }

// after returns the time on the clock when d from now has certainly passed; 0 for no limit.
func (c *clock) after(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return c.now.Load() + int64(d+late)
}

// passed says whether the time that by holds has come. The clock is read first: a limit that another goroutine moves meanwhile
// counts only if it had passed before it was moved.
func (c *clock) passed(by *atomic.Int64) bool {
	now := c.now.Load()
	limit := by.Load()
	return limit != 0 && now >= limit
}

// shard is a part of all connections under a lock of its own, so that an accept seldom meets the sweep. It is a slice and no
// list through the connections: the processor fetches several of them at a time then, and a sweep of 10,000 takes 0.2 ms
// instead of 0.8.
type shard struct {
	mu    sync.Mutex
	conns []*Conn
}

func (p *Poller) addToShard(c *Conn) {
	sh := &p.shards[p.turn.Add(1)%uint32(len(p.shards))]
	c.shard = sh
	sh.mu.Lock()
	c.place = len(sh.conns)
	sh.conns = append(sh.conns, c)
	sh.mu.Unlock()
	if p.cut.Load() { // CutAll may have been here already
		c.Cut()
	}
}

func (p *Poller) removeFromShard(c *Conn) {
	sh := c.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	last := len(sh.conns) - 1
	moved := sh.conns[last]
	sh.conns[c.place], moved.place = moved, c.place
	sh.conns[last] = nil
	sh.conns = sh.conns[:last]
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
	for last := time.Now(); ; {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.moveOn(time.Since(last))
			last = time.Now() // not before the clock was told: a limit set meanwhile is not to lose by it
			p.sweepOnce()
			p.pipes.trim()
		}
	}
}

func (p *Poller) sweepOnce() {
	for i := range p.shards {
		p.shards[i].each(func(c *Conn) {
			if p.passed(&c.readBy) {
				c.in.notify(time.Time{})
			}
			if p.passed(&c.writeBy) {
				c.out.notify(time.Time{})
			}
		})
	}
}

func (sh *shard) each(do func(*Conn)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, c := range sh.conns {
		do(c)
	}
}
