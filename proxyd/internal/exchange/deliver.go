package exchange

import (
	"io"
	"sync"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
)

// deliver sends next-hop's response to the client: the head and as much of the body as is there in one write, the rest as it
// comes.
func (x *exchange) deliver() Verdict {
	r := &x.resp
	unframed := r.Body == http1.Chunked || r.Body == http1.UntilClose
	chunked := unframed && x.req.Minor >= 1
	// RFC 9110 section 7.5: an answer does not say that next-hop wants no more of the body. A refusal and Connection: close do; and a
	// client that waits for a 100 may never send it.
	x.goesOn = x.upload.running() && r.Status < 300 && r.KeepAlive && !x.req.Continue && (!unframed || chunked)
	x.closing = unframed && !chunked || !x.mayKeep()
	x.appendResponse(chunked)
	x.status = r.Status
	nextHop := &x.config.NextHop
	body := relay{
		src: x.up.Conn, dst: x.client, body: r.Body, length: r.Length, chunked: chunked, out: x.out,
		readWait: nextHop.BodyTimeout, writeWait: x.config.Client.WriteTimeout,
		head: r.Fields, changes: &x.toClient, maxTrailers: maxResponseHead, maxExtensions: maxResponseExtensions,
		reader: x,
	}
	x.client.Watch(x.up.Conn, false)
	complete := body.run()
	if x.up != nil {
		x.client.Unwatch(x.up.Conn)
	}
	x.out = body.out
	x.bytes += body.sent
	x.bodyBytes = body.data
	if !complete {
		return x.cutOff(&body)
	}
	if x.up != nil {
		x.finishUpload()
		x.release()
	}
	switch {
	case x.unread() || x.closing && (x.req.KeepAlive || len(x.client.Buffered()) > 0):
		return Linger // where the end is our wish, the client may have sent its next request already
	case x.closing:
		return Close
	}
	return Keep
}

// doneReading gives the connection to next-hop back when the response has been read, and is still to be written: another client
// may have it while this one takes its time. Where the request has not gone out whole, that has to wait.
func (x *exchange) doneReading() {
	if x.upload.running() {
		return
	}
	x.client.Unwatch(x.up.Conn)
	x.release()
}

// mayWait says whether next-hop may wait for more of the request before it goes on with its answer. The client and next-hop have their
// limits for that.
func (x *exchange) mayWait() bool { return x.upload.running() }

// finishUpload lets the rest of the request's body come and go on after the response, where next-hop may want it. That the client's
// connection ends with this exchange, as one of us has said, is no reason against it: a client that sends no more ends it itself.
// Nor is it that the client has sent all: next-hop may take its time over the last of it, as its body_timeout allows.
func (x *exchange) finishUpload() {
	if !x.goesOn {
		return
	}
	<-x.upload.done
	if f := x.uploadFailure(); f != nil {
		x.failed, x.reason = true, f.reason
	}
}

// release gives the connection to next-hop back after a whole response, or ends it where it can carry no further exchange.
func (x *exchange) release() {
	if uploaded := x.endUpload(); x.resp.KeepAlive && !x.unsafe && uploaded && len(x.up.Buffered()) == 0 {
		x.engine.NextHop.Put(x.up)
	} else {
		x.engine.NextHop.Discard(x.up)
	}
	x.up = nil
}

// appendResponse builds the head that the client gets.
func (x *exchange) appendResponse(chunked bool) {
	r := &x.resp
	out := http1.AppendStatusLine(x.out[:0], r.Status, r.Phrase)
	out = x.toClient.appendFields(out, r.Fields)
	if !r.HasDate { // RFC 9110 section 6.6.1
		out = http1.AppendField(out, dateName, x.engine.dates.at(x.start.Add(x.headAfter)))
	}
	if chunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	if r.Status == 426 && r.Protocols && x.req.Minor >= 1 { // RFC 9110 section 15.5.22: it says to what
		out = append(appendUpgrade(out, r.Fields), "Connection: upgrade\r\n"...)
	}
	x.out = append(appendVia(x.appendConnection(out, !x.closing), r.Minor), "\r\n"...)
}

func appendUpgrade(dst []byte, fields []http1.Field) []byte {
	for i := range fields {
		if f := &fields[i]; f.Kind == http1.Upgrade {
			dst = http1.AppendField(dst, f.Name, f.Value)
		}
	}
	return dst
}

// cutOff ends an exchange in the middle of its response.
func (x *exchange) cutOff(body *relay) Verdict {
	f := x.uploadFailure() // which has ended the connection to next-hop, and so its response
	switch {
	case body.dstErr != nil:
		x.clientFailed(body.dstErr)
	case body.srcErr == socket.ErrInterrupted: // since the client's connection is broken
		x.clientFailed(body.srcErr)
	case f != nil:
		x.reason = f.reason
	case body.srcErr == socket.ErrTimeout:
		x.reason = httpcache.NextHopBodyTimeout
	default:
		x.reason = httpcache.NextHopIncomplete
		if _, broken := body.srcErr.(*http1.Error); broken {
			x.reason = httpcache.NextHopBadResponse
		}
	}
	x.failed = true
	x.endUpload()
	if x.up != nil {
		x.engine.NextHop.Discard(x.up)
		x.up = nil
	}
	if body.body != http1.Length && !body.chunked {
		return Reset
	}
	return Close
}

// clientFailed gives the reason for an answer that the client did not take.
func (x *exchange) clientFailed(err error) {
	x.failed = true
	x.reason = httpcache.ClientClosed
	if err == socket.ErrTimeout {
		x.reason = httpcache.ClientTooSlow
	}
}

// tunnel passes the 101 on and then bytes both ways, until both sides have ended or one fails (RFC 9110 section 7.8).
func (x *exchange) tunnel() Verdict {
	r := &x.resp
	out := http1.AppendStatusLine(x.out[:0], r.Status, r.Phrase)
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Kind == http1.Upgrade || !f.Hop && !x.toClient.takeAway(f.Name, f.Kind) {
			out = http1.AppendField(out, f.Name, f.Value)
		}
	}
	out = x.toClient.appendTo(out)
	x.out = append(appendVia(append(out, "Connection: upgrade\r\n"...), r.Minor), "\r\n"...)
	x.status, x.reason = r.Status, httpcache.Tunnel
	defer func() {
		x.engine.NextHop.Discard(x.up)
		x.up = nil
	}()
	if !x.flush() {
		return Close
	}
	client, up := x.client, x.up.Conn
	for _, c := range [...]*socket.Conn{client, up} {
		c.KeepAlive()
		c.LimitRead(0)
		c.LimitWrite(0)
	}
	var fromClient int64
	var wait sync.WaitGroup
	wait.Go(func() { fromClient = pour(up, client) })
	toClient := pour(client, up)
	wait.Wait()
	x.bytesIn += fromClient
	x.bytes += toClient
	x.bodyBytes += toClient
	return Close
}

// pour copies what src sends to dst until src ends, which dst is told, or one of them fails, which ends both. It holds no
// buffer while it waits: tunnels are mostly silent.
func pour(dst, src *socket.Conn) (n int64) {
	for {
		if part := src.Buffered(); len(part) > 0 {
			written, err := dst.Write(part)
			n += int64(written)
			src.Consume(len(part))
			if err != nil {
				break
			}
			continue
		}
		if err := src.Fill(gather); err != nil {
			if err == io.EOF && dst.CloseWrite() == nil {
				return n
			}
			break
		}
	}
	src.Cut()
	dst.Cut()
	return n
}
