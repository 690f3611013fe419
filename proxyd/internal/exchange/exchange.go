// Package exchange owns the life of one request, from its first byte to the line in the access log. It reads as named steps:
// receive, decide, then send, await, deliver, or answer where a rule says so; and fail, for when one of them could not be done.
package exchange

import (
	"sync"
	"sync/atomic"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/accesslog"
	"section.internal/proxyd/internal/http1"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
)

// NextHop hands out connections to next-hop; see upstream.Pool.
type NextHop interface {
	Get(fresh bool) (*upstream.Conn, error)
	Put(*upstream.Conn)
	Discard(*upstream.Conn)
}

// Log takes the record of an exchange that has ended; see accesslog.Log.
type Log interface {
	Append(*accesslog.Record)
}

// Verdict is what is to become of the client's connection after an exchange.
type Verdict int

// The verdicts.
const (
	Keep   Verdict = iota // the next request may come
	Wait                  // the same, but no request has come, only empty lines
	Close                 // everything was said
	Linger                // the client may still be sending; it should see the answer before the connection is reset
	Reset                 // the answer was to end with the connection and was cut off, which the client must notice
)

// Engine carries exchanges out. Its methods may be called from any goroutine.
type Engine struct {
	NextHop  NextHop
	Log      Log
	Limits   Limiter
	InForce  func() (*config.Config, *policy.Policy) // one generation; asked once a request
	Draining func() bool                             // no further request is wanted on any connection
	Name     string                                  // of next-hop, for requests that have no Host

	Requests atomic.Uint64 // that have ended
	InFlight atomic.Int64
	Failed   atomic.Uint64 // answered here with an error, or cut off

	pool  sync.Pool // of *exchange
	dates dateCache
}

// exchange is the state of one request and its response. It is used again for others: every field is set anew in begin.
type exchange struct {
	engine *Engine
	config *config.Config
	policy *policy.Policy
	client *socket.Conn
	up     *upstream.Conn

	req      http1.Request
	resp     http1.Response
	reqHead  []byte // the request's head; req points into it
	respHead []byte // the head of the newest response; resp points into it
	out      []byte // what is about to be sent to next-hop, then to the client
	upload   *upload

	asked     policy.Request // what the policy is asked about: req
	decision  policy.Decision
	toNextHop changes       // of the request
	toClient  changes       // of the response
	made      policy.Answer // of a rule

	last      bool // of this connection's requests: it has as many as client.max_requests allows
	start     time.Time
	sentAfter time.Duration // from start until the request was handed to next-hop
	headAfter time.Duration // from start until the head of its final response was there; 0: it never was
	status    int           // sent to the client; 0: none yet
	bytes     int64
	bodyBytes int64
	bytesIn   int64
	handling  httpcache.Handling
	reason    httpcache.Reason
	rule      string // the name of the one that answered or refused; "": none did
	own       bool   // the answer was made here
	ownType   []byte // its Content-Type
	failed    bool   // not as the client or next-hop wanted
	probed    bool   // the client was sent something to see whether it is still there
	closing   bool   // Connection: close was sent to the client
	unsafe    bool   // next-hop's connection may carry bytes that belong to no response
	nothing   bool   // no byte of a request came, only empty lines

	logged accesslog.Record // here, so that it is not allocated for each request
}

// Exchange carries out one exchange with a client, the first bytes of whose request are in its buffer: the nth request of its
// connection, from 1. Where these bytes are empty lines only, there is no exchange and nothing is logged; the client's connection
// waits for a request as before.
func (e *Engine) Exchange(client *socket.Conn, nth int64) Verdict {
	return e.carryOut(client, nth, (*exchange).run)
}

// Refuse answers a client that is one too many, whatever it is about to ask. The connection is to be ended as for Linger.
func (e *Engine) Refuse(client *socket.Conn, reason httpcache.Reason) {
	e.carryOut(client, 1, func(x *exchange) Verdict { return x.fail(&failure{reason: reason}) })
}

func (e *Engine) carryOut(client *socket.Conn, nth int64, run func(*exchange) Verdict) Verdict {
	x, _ := e.pool.Get().(*exchange)
	if x == nil {
		x = &exchange{engine: e}
	}
	e.InFlight.Add(1)
	x.begin(client, nth)
	verdict := run(x)
	if !x.nothing {
		x.record()
		e.Requests.Add(1)
	}
	if x.failed {
		e.Failed.Add(1)
	}
	x.end()
	e.InFlight.Add(-1)
	e.pool.Put(x)
	return verdict
}

func (x *exchange) begin(client *socket.Conn, nth int64) {
	config, policy := x.engine.InForce()
	*x = exchange{
		engine: x.engine, config: config, policy: policy, client: client, start: time.Now(),
		handling: httpcache.Pass, reason: httpcache.Passed, decision: x.decision, made: x.made,
		req: http1.Request{Fields: x.req.Fields[:0]}, resp: http1.Response{Fields: x.resp.Fields[:0]},
		reqHead: x.reqHead[:0], respHead: x.respHead[:0], out: x.out[:0],
	}
	x.last = x.config.Client.MaxRequests > 0 && nth >= x.config.Client.MaxRequests
}

// keepAtMost bounds what an exchange that is not in use holds on to.
const keepAtMost = 64 << 10

func (x *exchange) end() {
	x.client, x.config = nil, nil
	x.forget()
	if cap(x.reqHead) > keepAtMost {
		x.reqHead = nil
	}
	if cap(x.respHead) > keepAtMost {
		x.respHead = nil
	}
	if cap(x.out) > keepAtMost {
		x.out = nil
	}
}

// run is the story of an exchange.
func (x *exchange) run() Verdict {
	switch f := x.receive(); {
	case x.nothing && f == nil:
		return Wait
	case x.nothing:
		return Close
	case f != nil:
		return x.fail(f)
	}
	if x.passes() >= maxPasses {
		return x.fail(&failure{reason: httpcache.ProxyLoop})
	}
	if f := x.decide(); f != nil {
		return x.fail(f)
	}
	switch {
	case x.decision.End != nil:
		return x.answer()
	case x.req.MaxForwards == 0:
		return x.answerOptions()
	}
	for fresh := false; ; fresh = true {
		f := x.send(fresh)
		if f == nil {
			f = x.await()
		}
		switch {
		case f == nil && x.resp.Status == 101:
			return x.tunnel()
		case f == nil:
			return x.deliver()
		case f == errGoneStale:
			continue
		}
		return x.fail(f)
	}
}

// idempotent says whether the request may be sent twice (RFC 9110 section 9.2.2).
func (x *exchange) idempotent() bool {
	switch string(x.req.Method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// mayKeep says whether the client's connection may live on after this exchange, as far as that can be told before it is over.
func (x *exchange) mayKeep() bool {
	return x.req.KeepAlive && !x.last && !x.unread() && !x.engine.Draining()
}

// record hands the exchange to the access log.
func (x *exchange) record() {
	r := &x.logged
	*r = accesslog.Record{
		Time: x.start, Taken: time.Since(x.start),
		Request: x.req.Line, Target: x.req.Path, Status: x.status,
		Bytes: x.bytes, BodyBytes: x.bodyBytes, BytesIn: x.bytesIn,
		Host: x.req.Host, Client: x.decision.Client,
		UpstreamStatus: x.resp.Status, Cache: x.handling, Reason: x.reason, Rule: x.rule,
	}
	if !r.Client.IsValid() { // the request was refused before anything was decided
		r.Client = policy.ClientAddress(x.config.Client.AddressFrom, (*fields)(&x.req.Fields), x.client.Remote().Addr())
	}
	if x.headAfter > 0 {
		r.UpstreamTaken = x.headAfter - x.sentAfter
	}
	for i := range x.req.Fields {
		switch f := &x.req.Fields[i]; f.Kind {
		case http1.Referer:
			r.Referer = f.Value
		case http1.UserAgent:
			r.UserAgent = f.Value
		case http1.XForwardedProto:
			r.ForwardedProto = f.Value
		case http1.SectionIOID:
			r.ID = f.Value
		}
	}
	for i := range x.resp.Fields {
		switch f := &x.resp.Fields[i]; f.Kind {
		case http1.ContentType:
			r.ContentType = f.Value
		case http1.SectionIOTag:
			r.Tag = f.Value
		}
	}
	switch {
	case x.own:
		r.ContentType = x.ownType
	case len(x.toClient.list) > 0:
		r.ContentType = x.toClient.sent(http1.ContentType, r.ContentType)
		r.Tag = x.toClient.sent(http1.SectionIOTag, r.Tag)
	}
	x.engine.Log.Append(r)
}
