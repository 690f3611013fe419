// Package exchange owns the life of one request, from its first byte to the line in the access log. It reads as named steps:
// receive, decide, then send, await, deliver, or answer where a rule says so; and fail, for when one of them could not be done.
package exchange

import (
	"context"
	"net/netip"
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
	Idle() *upstream.Conn
	Get(wanted context.Context, fresh bool) (*upstream.Conn, error)
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
	Keep       Verdict = iota // the next request may come
	Unfinished                // its head has not come whole: the connection is to be parked, and Exchange called again when it is resumed
	Close                     // everything was said
	Linger                    // the client may still be sending; it should see the answer before the connection is reset
	Reset                     // the answer was to end with the connection and was cut off, which the client must notice
)

// Engine carries exchanges out. Its methods may be called from any goroutine.
type Engine struct {
	NextHop  NextHop
	Log      Log
	Limits   Limiter
	InForce  func() (*config.Config, *policy.Policy) // one generation, by Compile; asked once a request
	Draining func() bool                             // no further request is wanted on any connection
	Name     string                                  // of next-hop, for requests that have no Host
	// MaxWaiting is how many goroutines may wait for the rest of a head at a time: see the constant.
	MaxWaiting int64

	Requests atomic.Uint64 // that have ended
	InFlight atomic.Int64
	Failed   atomic.Uint64 // answered here with an error, or cut off

	waiting atomic.Int64 // goroutines that wait for the rest of a head

	pool  sync.Pool // of *exchange
	dates dateCache
}

// exchange is one request and its response, and is used again for others.
type exchange struct {
	engine *Engine
	begun
	course

	req      http1.Request
	resp     http1.Response
	reqHead  []byte // the request's head; req points into it
	respHead []byte // the head of the newest response; resp points into it
	out      []byte // what is about to be sent to next-hop, then to the client

	// What follows says nothing before the request is decided on.

	asked    policy.Request // what the policy is asked about: req
	decision policy.Decision
	made     policy.Answer    // of a rule
	logged   accesslog.Record // here, so that it is not allocated for each request
}

// course is how far an exchange has come, and what has come of it. Each begins with an empty one.
type course struct {
	client    *socket.Conn
	up        *upstream.Conn
	upload    *upload
	toNextHop changes // of the request
	toClient  changes // of the response

	address   netip.Addr    // the client's, by client.address_from; not valid before the request is decided on
	last      bool          // of this connection's requests: it has as many as client.max_requests allows
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
	goesOn    bool   // the rest of the request's body goes to next-hop although it has answered
	unsafe    bool   // next-hop's connection may carry bytes that belong to no response
}

// Exchange carries out one exchange with a client, the first bytes of whose request are in its buffer, or goes on with one that is
// Unfinished. Where these bytes are empty lines only, there is no exchange and nothing is logged; the client's connection waits for
// a request as before.
func (e *Engine) Exchange(c *Client) Verdict {
	if c.begun != nil && !c.begun.grow(c.Conn) {
		return Unfinished
	}
	return e.carryOut(c, (*exchange).run)
}

// Refuse answers a client that is one too many, whatever it is about to ask. The connection is to be ended as for Linger.
func (e *Engine) Refuse(c *Client, reason httpcache.Reason) {
	e.carryOut(c, func(x *exchange) Verdict { return x.fail(&failure{reason: reason}) })
}

func (e *Engine) carryOut(c *Client, run func(*exchange) Verdict) Verdict {
	x, _ := e.pool.Get().(*exchange)
	if x == nil {
		x = &exchange{engine: e}
	}
	if c.begun == nil {
		e.InFlight.Add(1)
	}
	x.begin(c)
	verdict := run(x)
	switch {
	case verdict == Unfinished:
		c.begun = new(begun)
		*c.begun = x.begun
	case !x.head.nothing:
		x.record()
		c.requests++
		e.Requests.Add(1)
	}
	if x.failed {
		e.Failed.Add(1)
	}
	x.end()
	if verdict != Unfinished {
		e.InFlight.Add(-1)
	}
	e.pool.Put(x)
	return verdict
}

func (x *exchange) begin(c *Client) {
	var b begun
	if c.begun == nil {
		b.config, b.policy = x.engine.InForce()
		if b.start = c.Came; b.start.IsZero() {
			b.start = time.Now()
		}
	} else {
		b = *c.begun
		c.begun = nil
	}
	c.Came = time.Time{}
	x.begun = b
	x.client, x.handling, x.reason = c.Conn, httpcache.Pass, httpcache.Passed
	x.last = x.config.Client.MaxRequests > 0 && c.requests+1 >= x.config.Client.MaxRequests
	x.req = http1.Request{Fields: x.req.Fields[:0]}
	x.resp = http1.Response{Fields: x.resp.Fields[:0]}
	x.reqHead, x.respHead, x.out = x.reqHead[:0], x.respHead[:0], x.out[:0]
}

// keepAtMost bounds what an exchange that is not in use holds on to.
const keepAtMost = 64 << 10

// end lets go of the request and of its generation: an exchange that waits to be used again keeps no former configuration in memory.
func (x *exchange) end() {
	x.begun, x.course = begun{}, course{}
	x.decision.Forget()
	x.made.Forget()
	x.logged.Rule, x.logged.ContentType, x.logged.Tag = "", nil, nil
	if cap(x.reqHead) > keepAtMost { // with it goes all that points into it
		x.reqHead, x.req, x.asked, x.decision, x.logged = nil, http1.Request{}, policy.Request{}, policy.Decision{}, accesslog.Record{}
	}
	if cap(x.respHead) > keepAtMost {
		x.respHead, x.resp = nil, http1.Response{}
	}
	if cap(x.out) > keepAtMost {
		x.out = nil
	}
}

// run is the story of an exchange.
func (x *exchange) run() Verdict {
	switch f := x.receive(); {
	case f == errUnfinished:
		return Unfinished
	case x.head.nothing && f == nil:
		return Keep
	case x.head.nothing:
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
	return x.req.KeepAlive && !x.last && (x.goesOn || !x.unread()) && !x.engine.Draining()
}

// record hands the exchange to the access log.
func (x *exchange) record() {
	r := &x.logged
	*r = accesslog.Record{
		Time: x.start, Taken: time.Since(x.start),
		Request: x.req.Line, Target: x.req.Path, Status: x.status,
		Bytes: x.bytes, BodyBytes: x.bodyBytes, BytesIn: x.bytesIn,
		Host: x.req.Host, Client: x.address,
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
