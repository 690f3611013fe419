package exchange

import (
	"errors"
	"io"
	"time"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// errUnfinished asks for the parking of the client's connection: the rest of the head is slow to come.
var errUnfinished = &failure{}

// receive reads and parses the request's head. Whatever of the body came with it stays in the client's buffer. There is none, and
// no failure, when there were empty lines only, such as some clients send behind a body.
func (x *exchange) receive() *failure {
	limits, h := &x.config.Client, &x.head
	if !h.decided() && !h.look(x.client, limits) && !x.awaitRest() {
		return errUnfinished
	}
	x.client.LimitRead(0)
	x.bytesIn = h.skipped
	if h.refused != nil {
		came := x.client.Buffered()
		if h.end > 0 {
			came = came[:h.end]
		}
		x.keepLine(came)
		return h.refused
	}
	if h.nothing {
		return nil
	}
	// The client's buffer is needed for the body, for the next request, or by nobody while we wait: the head moves out.
	x.reqHead = append(x.reqHead, x.client.Buffered()[:h.end]...)
	x.client.Consume(h.end)
	x.bytesIn += int64(h.end)
	if err := http1.ParseRequest(x.reqHead, int(limits.MaxFields), &x.req); err != nil {
		return refused(err)
	}
	if int64(len(x.req.Line)) > limits.MaxRequestLine {
		return &failure{reason: httpcache.TargetTooLong}
	}
	if limit := limits.MaxBodySize; limit > 0 && x.req.Body == http1.Length && x.req.Length > limit {
		return &failure{reason: httpcache.BodyTooLarge}
	}
	return nil
}

// MaxWaiting is how many goroutines may wait for the rest of a head at a time. A head in two packets is answered at less cost so (see
// docs/performance.md), but each of them holds a buffer, and a crowd of slow clients may come all at once.
const MaxWaiting = 256

// awaitRest waits until the head is decided, and says whether it is. Where that takes long, or many wait already, it is left to who
// resumes the client's connection, whose read limit is then that of the head.
func (x *exchange) awaitRest() bool {
	limits, waiting := &x.config.Client, &x.engine.waiting
	defer waiting.Add(-1)
	left := limits.HeaderTimeout
	if waiting.Add(1) <= x.engine.MaxWaiting {
		x.client.LimitRead(min(socket.ParkAfter, left))
		for {
			err := x.client.Fill(int(limits.MaxHeaderSize))
			if err == socket.ErrTimeout {
				if left -= time.Since(x.start); left > 0 {
					break
				}
			}
			if x.head.grew(x.client, limits, err) {
				return true
			}
		}
	}
	x.client.LimitRead(left)
	return false
}

// keepLine keeps what there is of the request line, for the access log.
func (x *exchange) keepLine(b []byte) {
	x.bytesIn += int64(len(b))
	for i, c := range b {
		if c == '\r' || c == '\n' {
			b = b[:i]
			break
		}
	}
	x.reqHead = append(x.reqHead[:0], b[:min(len(b), maxLoggedLine)]...)
	x.req.Line = x.reqHead
}

// maxLoggedLine bounds what the access log shows of a request line that was never complete.
const maxLoggedLine = 1 << 10

// headRead is how much of next-hop's answer is read at once with its head: a small response whole, and of a large one not much
// that is copied for nothing. Measured with 4, 8 and 16 KiB; see docs/performance.md.
const headRead = 8 << 10

// readHead reads a head of next-hop's side into the buffer and returns its length.
func readHead(c *socket.Conn, limit int64) (end int, err error) {
	for from := 0; ; {
		b := c.Buffered()
		if end, err = http1.HeadEnd(b, from); err != nil {
			return 0, err
		}
		if int64(end) > limit { // it came in one read
			return 0, socket.ErrFull
		}
		if end > 0 {
			return end, nil
		}
		from = len(b)
		if err = c.FillSome(int(limit), headRead); err != nil {
			if err == io.EOF && from > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}

// refused is the failure for an error of the parser.
func refused(err error) *failure {
	var e *http1.Error
	switch {
	case errors.As(err, &e) && e.Reason == httpcache.TooManyFields:
		return &failure{reason: e.Reason} // the sentence of answers names the key
	case e != nil:
		return &failure{reason: e.Reason, err: err}
	}
	return &failure{reason: httpcache.BadRequestLine, err: err}
}
