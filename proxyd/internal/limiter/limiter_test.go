package limiter

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

func rule(name string, requests int64, per time.Duration, burst int64) *config.Rule {
	return &config.Rule{Name: name, Limit: &config.Limit{Requests: requests, Per: per, Burst: burst}}
}

// clock is a limiter with a clock that the test moves.
type clock struct {
	*Limiter
	t   *testing.T
	now time.Time
}

func newClock(t *testing.T) *clock {
	l := New()
	return &clock{l, t, l.base}
}

// charge expects what comes of so many charges in a row.
func (c *clock) charge(r *config.Rule, key string, times int, want time.Duration) {
	c.t.Helper()
	for n := range times {
		if got := c.Charge(r, []byte(key), c.now); got != want {
			c.t.Fatalf("charge %d of %d, %v after the start, of key %q waits %v; want %v", n+1, times, c.now.Sub(c.base), key, got, want)
		}
	}
}

func TestCharge_LetsABurstThroughAndThenTheRate(t *testing.T) {
	c, r := newClock(t), rule("api", 100, time.Minute, 50)
	c.charge(r, "a", 50, 0)
	c.charge(r, "a", 3, 600*time.Millisecond) // who is refused pays nothing for it
	c.now = c.now.Add(600*time.Millisecond - 1)
	c.charge(r, "a", 1, 1)
	c.now = c.now.Add(1)
	c.charge(r, "a", 1, 0)
	c.charge(r, "a", 1, 600*time.Millisecond)
	c.now = c.now.Add(6 * time.Second)
	c.charge(r, "a", 10, 0)
	c.charge(r, "a", 1, 600*time.Millisecond)
	c.now = c.now.Add(time.Hour) // no more than a burst is ever saved up
	c.charge(r, "a", 50, 0)
	c.charge(r, "a", 1, 600*time.Millisecond)
}

func TestCharge_NeverLetsMoreThroughThanIsWritten(t *testing.T) {
	for _, requests := range []int64{1, 3, 7, 999_983, 1_000_000} {
		c, r := newClock(t), rule("api", requests, time.Second, 1)
		let := int64(0)
		for range 3000 { // in three milliseconds
			if c.Charge(r, nil, c.now) == 0 {
				let++
			}
			c.now = c.now.Add(time.Microsecond)
		}
		if most := 1 + requests*3/1000; let > most {
			t.Errorf("%d a second: %d in 3 ms; want at most %d", requests, let, most)
		}
	}
	// The largest figures do not overflow.
	c, r := newClock(t), rule("largest", 1, time.Hour, 1_000_000)
	c.charge(r, "", 1_000_000, 0)
	c.charge(r, "", 1, time.Hour)
}

func TestCharge_TellsKeysRulesAndFiguresApart(t *testing.T) {
	c := newClock(t)
	hour := func(name string, requests int64) *config.Rule { return rule(name, requests, time.Hour, 1) }
	first := hour("api", 1)
	c.charge(first, "a", 1, 0)
	c.charge(first, "a", 1, time.Hour)
	c.charge(first, "b", 1, 0)
	c.charge(hour("apix", 1), "a", 1, 0)
	c.charge(hour("ap", 1), "ia", 1, 0)
	c.charge(hour("api", 2), "a", 1, 0) // figures that were changed begin anew
	other := hour("api", 1)
	other.Limit.By = config.Key{Of: config.ByHeader, Name: "a"}
	c.charge(other, "a", 1, 0)
	c.charge(hour("api", 1), "a", 1, time.Hour) // those of another generation that are the same go on
}

func TestCharge_CountsEveryChargeOfManyAtOnce(t *testing.T) {
	l, r := New(), rule("api", 1, time.Hour, 1000)
	now := time.Now()
	var let atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if l.Charge(r, []byte("a"), now) == 0 {
					let.Add(1)
				}
			}
		})
	}
	all.Wait()
	if let.Load() != 1000 {
		t.Errorf("%d of 4000 charges were let through; want the burst of 1000", let.Load())
	}
}

// A flood of keys that were never seen before must neither grow the memory nor make room for somebody who is refused.
func TestCharge_AFloodOfKeysFreesNobody(t *testing.T) {
	c, r := newClock(t), rule("api", 1, time.Hour, 2)
	c.charge(r, "greedy", 2, 0)
	var key [8]byte
	for n := range uint64(4 * maxMoments) {
		binary.LittleEndian.PutUint64(key[:], n)
		if c.Charge(r, key[:], c.now) != 0 {
			t.Fatalf("new key %d is refused", n)
		}
	}
	c.charge(r, "greedy", 1, time.Hour)
	for n := range c.shards {
		if n := len(c.shards[n].moments); n > perShard {
			t.Errorf("a shard holds %d moments; want at most %d", n, perShard)
		}
	}
}

func TestCharge_WhatHasPassedMakesRoomFirst(t *testing.T) {
	c, long, short := newClock(t), rule("long", 1, time.Hour, 1), rule("short", 1, time.Second, 1)
	var key [8]byte
	each := func(r *config.Rule, n uint64, want time.Duration) {
		t.Helper()
		binary.LittleEndian.PutUint64(key[:], n)
		c.charge(r, string(key[:]), 1, want)
	}
	const some = maxMoments / 4
	for n := range uint64(some) {
		each(long, n, 0)
	}
	for n := range uint64(4 * maxMoments) {
		if n%1000 == 0 {
			c.now = c.now.Add(time.Second) // at most 1000 moments of the short limit have not passed
		}
		each(short, n, 0)
	}
	for n := range uint64(some) {
		each(long, n, time.Hour-c.now.Sub(c.base))
	}
}

func fill(l *Limiter, r *config.Rule, now time.Time) {
	var key [8]byte
	for n := range uint64(2 * maxMoments) {
		binary.LittleEndian.PutUint64(key[:], n)
		l.Charge(r, key[:], now)
	}
}

// The figure in the comment of the package.
func TestLimiter_TakesNoMoreMemoryThanItSays(t *testing.T) {
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r := rule("api", 1, time.Hour, 1)
	before := live()
	l := New()
	empty := live() - before
	fill(l, r, l.base)
	took := live() - before
	t.Logf("%d bytes empty, %d bytes full", empty, took)
	if empty > 16<<10 || took > 4<<20 {
		t.Errorf("%d bytes empty and %d bytes full; want at most 16 KiB and 4 MiB", empty, took)
	}
	runtime.KeepAlive(l)
}

func TestCharge_OfAKnownKeyAllocatesNothing(t *testing.T) {
	l, r, key := New(), rule("api", 1_000_000, time.Second, 1_000_000), []byte("192.0.2.1")
	if n := testing.AllocsPerRun(1000, func() { l.Charge(r, key, time.Now()) }); n != 0 {
		t.Errorf("%v allocations a charge; want none", n)
	}
}

func BenchmarkCharge_KnownKey(b *testing.B) {
	l, r, key := New(), rule("api", 1_000_000, time.Second, 1_000_000), []byte("192.0.2.1")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		l.Charge(r, key, now)
	}
}

// The worst that somebody can make of it: every key is new, and none has passed.
func BenchmarkCharge_NewKeysInAFullTable(b *testing.B) {
	l, r := New(), rule("api", 1, time.Hour, 1)
	now := time.Now()
	fill(l, r, now)
	var key [9]byte
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		binary.LittleEndian.PutUint64(key[:], n)
		l.Charge(r, key[:], now)
	}
}
