package exchange

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"section.internal/contract/ascii"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
)

// send hands the request to next-hop: the head and as much of the body as is there in one write. A body of which more is to
// come is moved by an upload of its own, so that next-hop may answer before it has ended.
func (x *exchange) send(fresh bool) *failure {
	if f := x.connect(fresh); f != nil {
		return f
	}
	up := x.up
	x.appendRequest()
	x.sentAfter = time.Since(x.start)
	limits := &x.config.NextHop
	if x.req.Body != http1.None {
		whole := x.req.Body == http1.Length && int64(len(x.client.Buffered())) >= x.req.Length
		x.upload = newUpload(x)
		if !whole {
			x.upload.start(x.out)
			return nil
		}
		x.upload.relay.out = x.out
		x.upload.run()
		x.out = x.upload.relay.out
		x.bytesIn += x.upload.relay.read
	} else {
		up.LimitWrite(limits.BodyTimeout)
		if _, err := up.Write(x.out); err != nil {
			return x.sendFailed(err)
		}
	}
	up.LimitRead(limits.HeaderTimeout)
	return nil
}

// sendFailed says what it means that a request without a body could not be written.
func (x *exchange) sendFailed(err error) *failure {
	if x.up.Reused && x.idempotent() {
		x.engine.NextHop.Discard(x.up)
		x.up = nil
		return errGoneStale
	}
	if err == socket.ErrTimeout {
		return &failure{reason: httpcache.NextHopTimeout}
	}
	return &failure{reason: httpcache.NextHopClosed}
}

// appendRequest builds the head that next-hop gets: what came, in its order and case, without what concerned the client's
// connection only, with what rules have made of it, and with what concerns next-hop's.
func (x *exchange) appendRequest() {
	r := &x.req
	var out []byte
	if target := x.decision.Target; target != nil {
		out = http1.AppendNewRequestLine(x.out[:0], r.Method, target)
	} else {
		out = http1.AppendRequestLine(x.out[:0], r.Method, r.Path)
	}
	if !r.HasHost { // ours comes first (RFC 9110 section 7.2), the client's where it stood
		host := r.Host
		if host == nil {
			host = []byte(x.engine.Name)
		}
		out = http1.AppendField(out, []byte("Host"), host)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.Kind {
		case http1.Host:
			out = http1.AppendField(out, f.Name, r.Host)
			continue
		case http1.MaxForwards:
			if r.MaxForwards > 0 {
				out = append(append(out, f.Name...), ": "...)
				out = append(ascii.AppendNumber(out, r.MaxForwards-1), "\r\n"...)
				continue
			}
		case http1.Expect:
			if !r.Continue {
				continue
			}
		case http1.Upgrade:
			if r.Upgrade {
				out = http1.AppendField(out, f.Name, f.Value)
			}
			continue
		}
		if !f.Hop && !x.toNextHop.takeAway(f.Name, f.Kind) {
			out = http1.AppendField(out, f.Name, f.Value)
		}
	}
	out = x.toNextHop.appendTo(out)
	if r.Body == http1.Chunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case r.Upgrade && r.Trailers:
		out = append(out, "Connection: upgrade, TE\r\nTE: trailers\r\n"...)
	case r.Upgrade:
		out = append(out, "Connection: upgrade\r\n"...)
	case r.Trailers:
		out = append(out, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	x.out = append(appendVia(out, r.Minor), "\r\n"...)
}

// appendVia appends the Via field (RFC 9110 section 7.6.3) for a message received in HTTP/1.minor, after those of the hops
// before us.
func appendVia(dst []byte, minor int) []byte {
	dst = append(append(dst, "Via: 1."...), '0'+byte(minor))
	return append(dst, " "+pseudonym+"\r\n"...)
}

// upload moves a request's body to next-hop. While it runs in its own goroutine, it alone reads from the client and writes to
// next-hop.
type upload struct {
	relay    relay
	up       *upstream.Conn
	header   time.Duration // next_hop.header_timeout, which begins when the request has ended
	answered atomic.Bool   // the head of next-hop's final response has come
	complete bool          // the whole body was sent; good once done is closed
	done     chan struct{} // nil when it never had a goroutine
}

func newUpload(x *exchange) *upload {
	client, nextHop := &x.config.Client, &x.config.NextHop
	return &upload{up: x.up, header: nextHop.HeaderTimeout, relay: relay{
		src: x.client, dst: x.up.Conn, body: x.req.Body, length: x.req.Length, chunked: x.req.Body == http1.Chunked,
		limit: client.MaxBodySize, readWait: client.BodyTimeout, writeWait: nextHop.BodyTimeout,
		head: x.req.Fields, changes: &x.toNextHop, maxTrailers: client.MaxHeaderSize, maxExtensions: client.MaxChunkExtensions,
	}}
}

func (u *upload) run() {
	u.complete = u.relay.run()
	u.relay.src.LimitRead(0)
}

// start sends head and then the body in a goroutine of its own.
func (u *upload) start(head []byte) {
	u.done = make(chan struct{})
	u.relay.out = slices.Clone(head) // the buffer it is in is for the response now
	go func() {
		u.run()
		if u.relay.srcErr == nil {
			u.up.LimitRead(u.header) // even where next-hop takes no more of the body, it may answer
			if u.answered.Load() {   // or does already: looked at behind the first limit, so that it cannot come between
				u.up.LimitRead(u.relay.writeWait) // which is next-hop's for either body
			}
		}
		close(u.done)
		if u.relay.srcErr != nil {
			u.up.Cut() // next-hop must not take what it has for the whole; and whoever waits for its response is woken
		}
	}()
}

// running says whether the body is still being moved.
func (u *upload) running() bool {
	if u == nil || u.done == nil {
		return false
	}
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}

// unread says whether the client may have more of its body to send.
func (x *exchange) unread() bool {
	if x.upload == nil {
		return x.req.Body != http1.None
	}
	return !x.upload.relay.received.Load()
}

// lastWrite is how long next-hop may let the last piece of a body wait when its response has already ended. Mostly it has taken
// that, and the upload was only not yet seen to end.
const lastWrite = 100 * time.Millisecond

// endUpload ends an upload that is still under way, and says whether next-hop got the whole body.
func (x *exchange) endUpload() (complete bool) {
	u := x.upload
	if u == nil {
		return x.req.Body == http1.None
	}
	if u.done == nil {
		return u.complete
	}
	if u.running() {
		if x.unread() {
			x.client.Interrupt()
			x.up.Cut()
		} else {
			x.awaitLastWrite()
		}
	}
	<-u.done
	x.client.Resume()
	u.done = nil
	x.bytesIn += u.relay.read
	return u.complete
}

// awaitLastWrite waits until the upload has ended, and ends it where next-hop takes no more.
func (x *exchange) awaitLastWrite() {
	for {
		select {
		case <-x.upload.done:
			return
		case <-time.After(lastWrite):
			if x.up.WaitsToWrite() {
				x.up.Cut()
				return
			}
		}
	}
}

// uploadFailure says what was wrong with the client's side of an upload that failed, or nil when nothing was.
func (x *exchange) uploadFailure() *failure {
	u := x.upload
	if u == nil || u.running() || u.relay.srcErr == nil {
		return nil
	}
	err := u.relay.srcErr
	var parse *http1.Error
	switch {
	case errors.As(err, &parse) && parse.Reason == httpcache.ChunkExtensionsTooLarge:
		return &failure{reason: parse.Reason}
	case errors.As(err, &parse):
		return &failure{reason: httpcache.BadBody, err: err}
	case err == errBodyTooLarge:
		return &failure{reason: httpcache.BodyTooLarge, err: err}
	case err == socket.ErrTimeout:
		return &failure{reason: httpcache.RequestTimeout, err: errBodyTimeout}
	case err == socket.ErrFull:
		return &failure{reason: httpcache.HeaderTooLarge}
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return &failure{reason: httpcache.ClientClosed}
	}
	return &failure{reason: httpcache.ClientClosed, err: err}
}

var errBodyTimeout = errors.New("the request's body stalled for longer than client.body_timeout")
