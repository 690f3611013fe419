package exchange

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"section.internal/contract/ascii"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
)

// failure is why an exchange did not go as the client wanted.
type failure struct {
	reason httpcache.Reason
	err    error         // what the peer or the kernel said, if anybody said something
	wait   time.Duration // of RateLimited: when a request will not be refused any more
}

// errGoneStale asks for another attempt: the reused connection had ended before it carried this request.
var errGoneStale = &failure{}

// answer is what a client gets to see of a reason.
type answer struct {
	status    int    // 0: there is nobody to answer, or it is too late
	proxyType string // RFC 9209 section 2.3
	sentence  string // used when the failure has no better one
}

const (
	requestError  = "http_request_error"
	requestDenied = "http_request_denied"
	protocolError = "http_protocol_error"
)

var answers = map[httpcache.Reason]answer{
	httpcache.BadRequestLine:          {400, requestError, "the request line is malformed"},
	httpcache.BadField:                {400, requestError, "a field is malformed"},
	httpcache.BadFraming:              {400, requestError, "the length of the request is ambiguous"},
	httpcache.BadHost:                 {400, requestError, "the Host field is wrong"},
	httpcache.BadBody:                 {400, requestError, "the chunked coding of the request is broken"},
	httpcache.RequestTimeout:          {408, requestError, "the request did not come in time"},
	httpcache.BodyTooLarge:            {413, requestError, "the request's body is larger than client.max_body_size"},
	httpcache.TargetTooLong:           {414, requestError, "the request line is longer than client.max_request_line"},
	httpcache.UnknownExpectation:      {417, requestError, "only Expect: 100-continue is known"},
	httpcache.HeaderTooLarge:          {431, requestError, "the request's fields are larger than client.max_header_size"},
	httpcache.TooManyFields:           {431, requestError, "the request has more field lines than client.max_fields"},
	httpcache.ChunkExtensionsTooLarge: {413, requestError, "the request's chunk extensions are larger than client.max_chunk_extensions"},
	httpcache.TooManyFromClient:       {429, requestDenied, "there are more connections from this address than client.max_connections_per_address"},
	httpcache.RateLimited:             {429, requestDenied, "there were more requests than a limit allows"},
	httpcache.MethodRefused:           {501, requestDenied, "the method is not offered"},
	httpcache.UnknownCoding:           {501, requestError, "only the chunked transfer coding is known"},
	httpcache.UnsupportedVersion:      {505, requestError, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
	httpcache.ClientClosed:            {},
	httpcache.ClientTooSlow:           {},

	httpcache.TooManyConnections: {503, "connection_limit_reached", "there are too many connections"},
	httpcache.ProxyLoop:          {502, "proxy_loop_detected", "the request has come through proxyd again and again: next-hop leads back to it"},

	httpcache.NextHopUnresolved:     {502, "dns_error", "the name of next-hop does not resolve"},
	httpcache.NextHopRefused:        {502, "connection_refused", "next-hop refused the connection"},
	httpcache.NextHopUnreachable:    {502, "destination_unavailable", "next-hop cannot be reached"},
	httpcache.NextHopConnectTimeout: {504, "connection_timeout", "next-hop did not take the connection in time"},
	httpcache.NextHopClosed:         {502, "connection_terminated", "next-hop closed the connection before a response came"},
	httpcache.NextHopTimeout:        {504, "http_response_timeout", "next-hop did not answer in time"},
	httpcache.NextHopBadResponse:    {502, protocolError, "next-hop's response is malformed or ambiguous"},
	httpcache.NextHopHeaderTooLarge: {502, "http_response_header_section_size", "the fields of next-hop's response are too large"},
	httpcache.NextHopIncomplete:     {502, "http_response_incomplete", "next-hop closed the connection within its response"},
	httpcache.NextHopBodyTimeout:    {504, "connection_read_timeout", "next-hop's response stalled"},
}

var plainText = []byte("text/plain; charset=utf-8")

// fail ends the exchange: with an answer of our own where the client can still get one.
func (x *exchange) fail(f *failure) Verdict {
	x.reason = f.reason
	x.endUpload()
	if x.up != nil {
		x.engine.NextHop.Discard(x.up)
		x.up = nil
	}
	x.failed = true
	a := answers[f.reason]
	if a.status == 0 {
		return Close
	}
	x.own, x.ownType = true, plainText
	keep := (a.status >= 502 && a.status <= 504 || f.reason == httpcache.RateLimited) && x.mayKeep()
	sentence := a.sentence
	if parse, ok := errors.AsType[*http1.Error](f.err); ok {
		sentence = parse.Detail
	}
	x.appendError(a, f, sentence, keep)
	return x.finish(keep, nil)
}

// appendError builds an answer of our own: a short text that says which hop made it and why.
func (x *exchange) appendError(a answer, f *failure, sentence string, keep bool) {
	x.status = a.status
	phrase := phrases[a.status]
	body := strconv.Itoa(a.status) + " " + phrase + "\nproxyd: " + sentence + " (" + string(f.reason) + ")\n"
	out := http1.AppendStatusLine(x.out[:0], a.status, []byte(phrase))
	out = append(out, "Date: "...)
	out = append(out, x.engine.dates.at(x.start)...)
	out = append(out, "\r\nContent-Type: "...)
	out = append(out, plainText...)
	out = append(out, "\r\nContent-Length: "...)
	out = ascii.AppendNumber(out, int64(len(body)))
	out = append(out, "\r\nCache-Control: no-store\r\nProxy-Status: proxyd; error="...)
	out = append(out, a.proxyType...)
	out = append(out, `; details="`...)
	out = append(out, f.reason...)
	out = append(out, "\"\r\n"...)
	if f.wait > 0 { // RFC 9110 section 10.2.3: in whole seconds
		out = append(out, "Retry-After: "...)
		out = append(ascii.AppendNumber(out, int64((f.wait+time.Second-1)/time.Second)), "\r\n"...)
	}
	out = append(x.appendConnection(out, keep), "\r\n"...)
	if !bytes.HasPrefix(x.req.Line, []byte("HEAD ")) { // of a request that is refused there may be no more than the line
		out = append(out, body...)
		x.bodyBytes = int64(len(body))
	}
	x.out = out
}

// flush sends what was built to the client. When that fails the exchange is over: the reason says so.
func (x *exchange) flush() bool { return x.flushWith(nil) }

// flushWith sends more behind what was built.
func (x *exchange) flushWith(more []byte) bool {
	x.client.LimitWrite(x.config.Client.WriteTimeout)
	n, err := x.client.WriteBoth(x.out, more)
	x.out = x.out[:0]
	x.bytes += int64(n)
	if err != nil {
		x.clientFailed(err)
	}
	return err == nil
}
