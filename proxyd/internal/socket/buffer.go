package socket

import "sync"

// bufferSize holds nearly every message head, and a whole small message.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func takeBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// putBuffer gives b back, unless it is one that was made to hold more, or less.
func putBuffer(b []byte) {
	if len(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b))
	}
}
