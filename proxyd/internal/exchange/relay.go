package exchange

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// relay moves one body from src to dst: as it comes, framed anew, never gathered. Framing is taken off and put on byte by byte
// of what was parsed; nothing of src's own framing reaches dst. When src's message is broken or cut, dst's is never completed.
type relay struct {
	src, dst            *socket.Conn
	body                http1.Body
	length              int64 // for http1.Length
	chunked             bool  // dst gets chunks
	limit               int64 // of the body's data; 0: none
	readWait, writeWait time.Duration
	head                []http1.Field // of the same message: what its Connection names is no trailer for dst
	changes             *changes      // of the same head: nor is what rules take away from it
	maxTrailers         int64
	maxExtensions       int64 // see http1.Chunks

	out []byte // to be sent before all else: the head of the message, then framing

	reader   reader      // nil, or who has src
	received atomic.Bool // src has given all of the body; what is left to do is to write the last of it

	read int64 // bytes taken from src
	data int64 // bytes of the body given to dst
	sent int64 // bytes given to dst in all

	srcErr, dstErr error // at most one is set
}

// reader is who has src. (It is no func: that would be allocated for each response.)
type reader interface {
	doneReading()  // src has given all, and may be given away
	mayWait() bool // src may be silent because it waits for what it has not been given
}

// errBodyTooLarge is the srcErr of a body beyond the limit.
var errBodyTooLarge = errors.New("the body is larger than client.max_body_size")

const (
	// gather is how much is collected before it is written: copying that much costs less than a second buffer in writev.
	gather = 16 << 10
	// splicedFrom is the length from which the kernel moves what is left of a body: what is shorter goes with the beginning of
	// the body into one write. Measured with 4 to 32 KiB; see docs/performance.md.
	splicedFrom = 8 << 10
)

// run moves the whole body, and says whether it did.
func (r *relay) run() bool {
	switch r.body {
	case http1.Length:
		return r.runLength(r.length) && r.flush()
	case http1.Chunked:
		return r.runChunked()
	case http1.UntilClose:
		return r.runUntilClose()
	}
	r.ended()
	return r.flush()
}

// ended is called once src has given all, and before dst is given the last of it: whoever answers what dst has got finds that
// there is no more to come. From then on src is not touched.
func (r *relay) ended() {
	r.received.Store(true)
	if r.reader != nil {
		r.reader.doneReading()
	}
}

// runLength moves n bytes of data and leaves the last of them in out where the kernel did not move them.
func (r *relay) runLength(n int64) bool {
	for n > 0 {
		part := r.src.Buffered()
		switch {
		case int64(len(part)) >= n: // the buffer is src's: the last of it is copied even where that is more than gather
			r.out = append(r.out, part[:n]...)
			r.data += n
			r.take(int(n))
			n = 0
		case len(part) > 0:
			n -= int64(len(part))
			ok := r.put(part)
			r.take(len(part)) // even if dst is gone: what stayed would be read as src's next message
			if !ok {
				return false
			}
		case n >= splicedFrom:
			return r.move(n, r.ended)
		default:
			if !r.fill() {
				return false
			}
		}
	}
	r.ended()
	return true
}

func (r *relay) runUntilClose() bool {
	for {
		if part := r.src.Buffered(); len(part) > 0 {
			if !r.putChunk(part) {
				return false
			}
			r.take(len(part))
			continue
		}
		if !r.chunked {
			return r.move(-1, nil)
		}
		if !r.flush() {
			return false
		}
		switch err := r.await(); err {
		case nil:
		case io.EOF:
			r.out = append(r.out, "0\r\n\r\n"...)
			return r.flush()
		default:
			r.srcErr = err
			return false
		}
	}
}

func (r *relay) runChunked() bool {
	chunks := http1.Chunks{MaxExtensions: r.maxExtensions}
	for !chunks.Done {
		if chunks.Left == 0 {
			n, err := chunks.Advance(r.src.Buffered())
			switch {
			case err != nil:
				r.srcErr = err
				return false
			case n == 0:
				if !r.fill() {
					return false
				}
			default:
				r.take(n)
			}
			continue
		}
		if r.limit > 0 && chunks.Left > r.limit-r.data {
			r.srcErr = errBodyTooLarge
			return false
		}
		part := r.src.Buffered()
		switch {
		case len(part) > 0:
			part = part[:min(int64(len(part)), chunks.Left)]
			if !r.putChunk(part) {
				return false
			}
			chunks.Took(int64(len(part)))
			r.take(len(part))
		case chunks.Left >= splicedFrom:
			if r.chunked {
				r.out = http1.AppendChunkStart(r.out, chunks.Left)
			}
			if !r.move(chunks.Left, nil) {
				return false
			}
			chunks.Took(chunks.Left)
			if r.chunked {
				r.out = append(r.out, "\r\n"...)
			}
		default:
			if !r.fill() {
				return false
			}
		}
	}
	return r.runTrailers()
}

// runTrailers ends a chunked body.
func (r *relay) runTrailers() bool {
	if !r.flush() {
		return false
	}
	var end int
	var err error
	for again := true; again; {
		forgiving := r.mayWait()
		r.src.LimitRead(r.readWait)
		end, err = readHead(r.src, r.maxTrailers)
		again = forgiving && err == socket.ErrTimeout
	}
	if err != nil {
		r.srcErr = err
		return false
	}
	fields, err := http1.ParseTrailers(r.src.Buffered()[:end], r.head, nil)
	if err != nil {
		r.srcErr = err
		return false
	}
	if r.chunked {
		for i := range fields {
			f := &fields[i]
			f.Hop = f.Hop || r.changes.takeAway(f.Name, f.Kind)
		}
		r.out = append(r.out, "0\r\n"...)
		r.out = http1.AppendFields(r.out, fields)
		r.out = append(r.out, "\r\n"...)
	}
	r.take(end)
	r.ended()
	return r.flush()
}

// putChunk gives dst a piece of data, as a chunk where dst gets chunks.
func (r *relay) putChunk(part []byte) bool {
	if !r.chunked {
		return r.put(part)
	}
	r.out = http1.AppendChunkStart(r.out, int64(len(part)))
	if !r.put(part) {
		return false
	}
	r.out = append(r.out, "\r\n"...)
	return true
}

// put gives dst a piece of data, or keeps it in out where that is not yet worth a call.
func (r *relay) put(part []byte) bool {
	r.data += int64(len(part))
	if len(r.out)+len(part) <= gather {
		r.out = append(r.out, part...)
		return true
	}
	r.dst.LimitWrite(r.writeWait)
	n, err := r.dst.WriteBoth(r.out, part)
	return r.wrote(n, err)
}

func (r *relay) flush() bool {
	if len(r.out) == 0 {
		return true
	}
	r.dst.LimitWrite(r.writeWait)
	n, err := r.dst.Write(r.out)
	return r.wrote(n, err)
}

func (r *relay) wrote(n int, err error) bool {
	r.out = r.out[:0]
	r.sent += int64(n)
	r.dstErr = err
	return err == nil
}

// fill reads more. What is in out waits for what is there already, but for nothing else.
func (r *relay) fill() bool {
	err := socket.ErrNotReady
	if len(r.out) > 0 {
		if err = r.src.FillReady(gather); err == nil {
			return true
		}
		if !r.flush() {
			return false
		}
	}
	if err == socket.ErrNotReady || err == socket.ErrTimeout { // the limit was that of an earlier read
		err = r.await()
	}
	if r.srcErr = err; err == io.EOF {
		r.srcErr = io.ErrUnexpectedEOF
	}
	return err == nil
}

// await reads more, for which src has its time.
func (r *relay) await() error {
	for {
		forgiving := r.mayWait()
		r.src.LimitRead(r.readWait)
		if err := r.src.Fill(gather); !forgiving || err != socket.ErrTimeout {
			return err
		}
	}
}

// mayWait says whether src may be silent for longer than its time, since it is not its own fault. It is asked before the wait: what
// it waits for may come to an end just as its time does.
func (r *relay) mayWait() bool { return r.reader != nil && r.reader.mayWait() }

func (r *relay) take(n int) {
	r.src.Consume(n)
	r.read += int64(n)
}

// move has the kernel move n bytes of data, after what is in out; all until src ends when n is negative.
func (r *relay) move(n int64, taken func()) bool {
	for {
		forgiving := r.mayWait()
		first := int64(len(r.out))
		given, srcErr, dstErr := socket.Move(r.dst, r.src, r.out, n, r.readWait, r.writeWait, taken)
		r.out = r.out[:0]
		moved := max(given-first, 0)
		r.read += moved
		r.data += moved
		r.sent += given
		r.srcErr, r.dstErr = srcErr, dstErr
		if !forgiving || srcErr != socket.ErrTimeout {
			return srcErr == nil && dstErr == nil
		}
		if n >= 0 {
			n -= moved
		}
	}
}
