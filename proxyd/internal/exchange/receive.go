package exchange

import (
	"bytes"
	"errors"
	"io"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// receive reads and parses the request's head. Whatever of the body came with it stays in the client's buffer. It sets x.nothing
// when there were empty lines only, such as some clients send behind a body.
func (x *exchange) receive() *failure {
	limits := &x.config.Client
	x.client.LimitRead(limits.HeaderTimeout)
	x.client.LimitWrite(limits.WriteTimeout)
	end, from, lines := 0, 0, int64(0)
	for {
		b := x.client.Buffered()
		if from < 2 { // nothing yet, or half an empty line
			// RFC 9112 section 2.2: an empty line before the request line is to be ignored.
			from = 0
			for len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
				x.client.Consume(2)
				x.bytesIn += 2
				b = b[2:]
			}
			if x.nothing = len(b) == 0 && x.bytesIn > 0; x.nothing {
				x.client.LimitRead(0)
				return nil
			}
		}
		var err error
		if end, err = http1.RequestHeadEnd(b, from); err != nil {
			x.keepLine(b)
			return refused(err)
		}
		if end > 0 {
			break
		}
		if over(b, limits.MaxRequestLine) {
			x.keepLine(b)
			return &failure{reason: httpcache.TargetTooLong}
		}
		// Who sends thousands of lines is refused before all of them have come.
		if lines += int64(bytes.Count(b[from:], []byte{'\n'})); lines > 1+limits.MaxFields {
			x.keepLine(b)
			return &failure{reason: httpcache.TooManyFields}
		}
		from = len(b)
		err = x.client.Fill(int(limits.MaxHeaderSize))
		x.nothing = err != nil && len(b) == 1 && b[0] == '\r'
		switch {
		case err == nil:
		case err == socket.ErrFull:
			x.keepLine(b)
			if !http1.LineEnded(b) {
				return &failure{reason: httpcache.TargetTooLong}
			}
			return &failure{reason: httpcache.HeaderTooLarge}
		case err == socket.ErrTimeout:
			x.keepLine(b)
			return &failure{reason: httpcache.RequestTimeout}
		default:
			x.keepLine(b)
			return &failure{reason: httpcache.ClientClosed, err: err}
		}
	}
	x.client.LimitRead(0)
	if int64(end) > limits.MaxHeaderSize {
		x.keepLine(x.client.Buffered()[:end])
		return &failure{reason: httpcache.HeaderTooLarge}
	}
	// The client's buffer is needed for the body, for the next request, or by nobody while we wait: the head moves out.
	x.reqHead = append(x.reqHead, x.client.Buffered()[:end]...)
	x.client.Consume(end)
	x.bytesIn += int64(end)
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

// over says whether the first line of b, which may have no end yet, is longer than limit without its CRLF.
func over(b []byte, limit int64) bool {
	most := int(limit) + len("\r\n")
	return len(b) >= most && !http1.LineEnded(b[:most])
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
