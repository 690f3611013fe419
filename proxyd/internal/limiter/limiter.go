// Package limiter owns how often the limits of rules were charged. Each limit counts for each of its keys by the generic cell rate
// algorithm, a token bucket that is kept as one moment: the one at which the bucket will be full again. It needs no timer and no
// goroutine, and one that lies in the past is as good as none.
//
// What a limit has counted belongs to its rule's name and figures, not to a configuration, so a reload needs to move nothing: a
// limit that stays the same goes on counting, one that was changed begins anew, and of one that is gone the moments pass.
//
// Memory is bounded: at most maxMoments moments, of which each is a hash of 16 bytes and 8 bytes of time, whatever the keys are; with
// all that a map adds they take 3.6 MiB when all 65,536 are in use (measured), and nothing before the first charge. When a shard is full, the
// moments that have passed make room. Where these are few, so do those that are nearest to passing: who has used up the most is
// forgotten last, so that a flood of new keys frees nobody who is refused.
package limiter

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"section.internal/contract/config"
)

const (
	shards     = 64 // so that charges of different keys seldom wait for each other
	perShard   = 1024
	maxMoments = shards * perShard
	// leastFreed is how many moments make room at once: it spreads the work of finding them.
	leastFreed = perShard / 8
)

// Limiter counts. All methods may be called from any goroutine.
type Limiter struct {
	base   time.Time // moments are durations since then, by the monotonic clock
	seeds  [2]maphash.Seed
	shards [shards]shard
}

// id stands for a limit and a key. The two halves are hashes of different seeds, which nobody outside knows: that two keys of those
// in use share one does not happen.
type id [2]uint64

type shard struct {
	mu      sync.Mutex
	moments map[id]time.Duration // since Limiter.base: when the bucket is full again
	_       [48]byte             // a shard a cache line
}

// New returns a limiter that has counted nothing.
func New() *Limiter {
	return &Limiter{base: time.Now(), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// Charge counts one request for the limit of a rule, which must have one. When that is one too many, nothing is counted, and wait is
// how long it takes until one will not be; otherwise it is 0. It allocates nothing for a key that is known.
func (l *Limiter) Charge(rule *config.Rule, key []byte, now time.Time) (wait time.Duration) {
	limit := rule.Limit
	// Rounded up, so that the rate is never above what is written.
	each := (limit.Per + time.Duration(limit.Requests) - 1) / time.Duration(limit.Requests)
	who := l.id(rule, key)
	at := now.Sub(l.base)
	s := &l.shards[who[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	moment, known := s.moments[who]
	full := max(moment, at) + each
	if wait := full - at - time.Duration(limit.Burst)*each; wait > 0 {
		return wait
	}
	switch {
	case known:
	case s.moments == nil:
		s.moments = map[id]time.Duration{}
	case len(s.moments) >= perShard:
		s.makeRoom(at)
	}
	s.moments[who] = full
	return 0
}

func (l *Limiter) id(rule *config.Rule, key []byte) (i id) {
	var figures [4 * 8]byte
	binary.LittleEndian.PutUint64(figures[0:], uint64(rule.Limit.Requests))
	binary.LittleEndian.PutUint64(figures[8:], uint64(rule.Limit.Per))
	binary.LittleEndian.PutUint64(figures[16:], uint64(rule.Limit.Burst))
	binary.LittleEndian.PutUint64(figures[24:], uint64(len(rule.Name))<<8|uint64(rule.Limit.By.Of))
	var h maphash.Hash
	for n := range i {
		h.SetSeed(l.seeds[n])
		h.Write(figures[:])
		h.WriteString(rule.Name)
		h.WriteString(rule.Limit.By.Name)
		h.WriteByte(0) // which no name holds
		h.Write(key)
		i[n] = h.Sum64()
	}
	return i
}

// makeRoom forgets the moments that have passed, and more of those that are next where that were fewer than leastFreed. s.mu is held.
func (s *shard) makeRoom(now time.Duration) {
	for id, moment := range s.moments {
		if moment <= now {
			delete(s.moments, id)
		}
	}
	tooMany := len(s.moments) - (perShard - leastFreed)
	if tooMany <= 0 {
		return
	}
	all := make([]time.Duration, 0, perShard)
	for _, moment := range s.moments {
		all = append(all, moment)
	}
	slices.Sort(all)
	last := all[tooMany-1]
	for id, moment := range s.moments {
		if moment <= last {
			if tooMany--; tooMany < 0 {
				break // others are as near
			}
			delete(s.moments, id)
		}
	}
}
