package exchange

import (
	"errors"
	"io"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

const (
	// maxResponseHead leaves room for the cache tags of large pages.
	maxResponseHead = 128 << 10
	// maxResponseExtensions bounds the chunk extensions of a response.
	maxResponseExtensions = 16 << 10
	// maxInterim bounds the 1xx responses before a final one.
	maxInterim = 100
)

// await waits for next-hop's final response, for as long as somebody wants it.
func (x *exchange) await() *failure {
	x.client.Watch(x.up.Conn, true)
	f := x.awaitHead()
	if x.up != nil {
		x.client.Unwatch(x.up.Conn)
	}
	return f
}

// awaitHead reads heads from next-hop until that of the final response, and passes the interim ones on.
func (x *exchange) awaitHead() *failure {
	for interim := 0; ; {
		end, err := readHead(x.up.Conn, maxResponseHead)
		switch {
		case err == socket.ErrInterrupted:
			if f := x.clientEnded(); f != nil {
				return f
			}
			continue
		case err != nil:
			return x.awaitFailed(err, interim > 0)
		}
		x.respHead = append(x.respHead[:0], x.up.Buffered()[:end]...)
		x.up.Consume(end)
		if err := http1.ParseResponse(x.respHead, string(x.req.Method) == "HEAD", &x.resp); err != nil {
			return x.badResponse(err)
		}
		x.unsafe = x.unsafe || x.resp.Unsafe
		switch {
		case x.resp.Status >= 200:
			if x.upload != nil {
				x.upload.answered.Store(true)
			}
			x.headAfter = x.up.Told().Sub(x.start)
			return nil
		case x.resp.Status == 101:
			if !x.resp.Switches(&x.req) || x.req.Body != http1.None && (x.unread() || !x.endUpload()) {
				return x.badResponse(errUnaskedUpgrade)
			}
			x.headAfter = x.up.Told().Sub(x.start)
			return nil
		case interim == maxInterim:
			return x.badResponse(errTooManyInterim)
		}
		interim++
		if x.req.Minor >= 1 { // RFC 9110 section 15.2: HTTP/1.0 knows no 1xx
			x.out = http1.AppendStatusLine(x.out[:0], x.resp.Status, x.resp.Phrase)
			x.out = http1.AppendFields(x.out, x.resp.Fields)
			x.out = append(appendVia(x.out, x.resp.Minor), "\r\n"...)
			if !x.flush() {
				return &failure{reason: x.reason}
			}
		}
		if !x.upload.running() {
			x.up.LimitRead(x.config.NextHop.HeaderTimeout)
		}
	}
}

// clientEnded says what it means that the client has ended its side, or that its connection is broken: a failure when nobody waits
// for the response any more. Who has ended one side may still read, or may have left altogether, and only an answer to something
// that we send tells them apart. An interim response is what every client of HTTP/1.1 has to be ready for (RFC 9110 section 15.2).
func (x *exchange) clientEnded() *failure {
	x.up.Resume()
	if x.upload.running() {
		<-x.upload.done // it has met the end as well, and knows whether the request was complete
	}
	if f := x.uploadFailure(); f != nil {
		return f
	}
	if x.client.Broken() {
		return &failure{reason: httpcache.ClientClosed}
	}
	if !x.mayProbe() {
		return nil
	}
	return x.probe()
}

// mayProbe says whether the client can be asked whether it is still there, and was not.
func (x *exchange) mayProbe() bool { return !x.probed && x.req.Minor >= 1 }

// probe sends the client something that it refuses if it has left: its connection breaks then.
func (x *exchange) probe() *failure {
	x.probed = true
	x.out = append(x.out[:0], "HTTP/1.1 102 Processing\r\n\r\n"...)
	if !x.flush() {
		return &failure{reason: x.reason}
	}
	return nil
}

var (
	errUnaskedUpgrade = errors.New("next-hop switched to a protocol that nobody had asked for")
	errTooManyInterim = errors.New("next-hop sent more than 100 interim responses")
)

// badResponse refuses next-hop's response; its status is still logged.
func (x *exchange) badResponse(err error) *failure {
	reason := httpcache.NextHopBadResponse
	var parse *http1.Error
	if errors.As(err, &parse) && parse.Reason == httpcache.NextHopHeaderTooLarge {
		reason = parse.Reason
	}
	return &failure{reason: reason, err: err}
}

// awaitFailed says what it means that no head came.
func (x *exchange) awaitFailed(err error, interim bool) *failure {
	if f := x.uploadFailure(); f != nil {
		return f
	}
	var parse *http1.Error
	switch {
	case errors.As(err, &parse):
		return x.badResponse(err)
	case err == socket.ErrFull:
		return &failure{reason: httpcache.NextHopHeaderTooLarge}
	case err == socket.ErrTimeout:
		return &failure{reason: httpcache.NextHopTimeout}
	case err == io.ErrUnexpectedEOF:
		return &failure{reason: httpcache.NextHopIncomplete}
	}
	nothing := !interim && len(x.up.Buffered()) == 0
	if nothing && x.up.Reused && x.req.Body == http1.None && x.idempotent() {
		x.client.Unwatch(x.up.Conn)
		x.engine.NextHop.Discard(x.up)
		x.up = nil
		return errGoneStale
	}
	return &failure{reason: httpcache.NextHopClosed}
}
