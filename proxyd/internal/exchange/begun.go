package exchange

import (
	"bytes"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// Client is a client's connection, and what an exchange leaves to the next call: whoever sends a head slowly costs a few hundred
// bytes until more of it comes, and no goroutine.
type Client struct {
	*socket.Conn
	Came     time.Time // when the first byte of the next request did; zero: it is told by the clock when the exchange begins
	requests int64     // that have ended
	begun    *begun    // a request of which the head has not come whole; nil: there is none
}

// begun is what there is of a request from its first byte on.
type begun struct {
	config *config.Config // of one generation
	policy *policy.Policy
	start  time.Time
	head   head
}

// grow takes what has come of the head since it was looked at last, without waiting, and says whether the exchange can go on. It
// runs for each piece of a slow head, on the smallest of stacks: what it calls is kept shallow.
func (b *begun) grow(client *socket.Conn) bool {
	limits := &b.config.Client
	for {
		err := client.FillReady(int(limits.MaxHeaderSize))
		if err == socket.ErrNotReady {
			return false
		}
		if b.head.grew(client, limits, err) {
			return true
		}
	}
}

// head is how far the head of a request has come, which is in its connection's buffer.
type head struct {
	skipped int64    // bytes of empty lines before it, which are consumed
	seen    int      // bytes of it that were looked at
	lines   int64    // that ended in these
	end     int      // its length; 0: it has not come whole
	nothing bool     // there is no head, only empty lines
	refused *failure // why there will be none, or none that is taken
}

// decided says whether waiting for more would change nothing.
func (h *head) decided() bool { return h.end > 0 || h.nothing || h.refused != nil }

// grew takes the outcome of a read into account, and says whether h is decided.
func (h *head) grew(client *socket.Conn, limits *config.Client, err error) bool {
	if err == nil {
		return h.look(client, limits)
	}
	b := client.Buffered()
	h.nothing = len(b) == 1 && b[0] == '\r'
	switch {
	case err == socket.ErrFull && !http1.LineEnded(b):
		h.refused = &failure{reason: httpcache.TargetTooLong}
	case err == socket.ErrFull:
		h.refused = &failure{reason: httpcache.HeaderTooLarge}
	case err == socket.ErrTimeout:
		h.refused = &failure{reason: httpcache.RequestTimeout}
	default:
		h.refused = &failure{reason: httpcache.ClientClosed, err: err}
	}
	return true
}

// look looks at what is in the buffer, and says whether h is decided.
func (h *head) look(client *socket.Conn, limits *config.Client) bool {
	b := client.Buffered()
	if h.seen < 2 { // nothing yet, or half an empty line
		// RFC 9112 section 2.2: an empty line before the request line is to be ignored.
		h.seen = 0
		for len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
			client.Consume(2)
			h.skipped += 2
			b = b[2:]
		}
		if h.nothing = len(b) == 0; h.nothing {
			return true
		}
	}
	end, err := http1.RequestHeadEnd(b, h.seen)
	h.end = end
	// Who sends thousands of lines is refused before all of them have come.
	if end == 0 {
		h.lines += int64(bytes.Count(b[h.seen:], []byte{'\n'}))
	}
	h.seen = len(b)
	switch {
	case err != nil:
		h.refused = refused(err)
	case int64(end) > limits.MaxHeaderSize:
		h.refused = &failure{reason: httpcache.HeaderTooLarge}
	case end > 0:
	case over(b, limits.MaxRequestLine):
		h.refused = &failure{reason: httpcache.TargetTooLong}
	case h.lines > 1+limits.MaxFields:
		h.refused = &failure{reason: httpcache.TooManyFields}
	}
	return h.decided()
}

// over says whether the first line of b, which may have no end yet, is longer than limit without its CRLF.
func over(b []byte, limit int64) bool {
	most := int(limit) + len("\r\n")
	return len(b) >= most && !http1.LineEnded(b[:most])
}
