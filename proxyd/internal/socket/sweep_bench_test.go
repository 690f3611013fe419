package socket

import "testing"

// Connections lie about the heap: what a sweep costs is that their memory is looked for, twenty times a second.
func BenchmarkSweep_TenThousandConnections(b *testing.B) {
	p := &Poller{}
	far := int64(1) << 60
	for range 10_000 {
		c := &Conn{poller: p}
		c.readBy.Store(far)
		c.writeBy.Store(far)
		p.addToShard(c)
		scattered = append(scattered, make([]byte, 900)) // what else a connection allocates
	}
	for b.Loop() {
		p.sweepOnce()
	}
}

var scattered [][]byte
