package exchange

import (
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/http1"
)

// Limiter counts the requests that limits of rules let through; see limiter.Limiter.
type Limiter interface {
	Charge(rule *config.Rule, key []byte, now time.Time) (wait time.Duration)
}

// fields shows a policy a parsed header section.
type fields []http1.Field

func (f *fields) Len() int { return len(*f) }

func (f *fields) Field(i int) (name, value []byte) {
	field := &(*f)[i]
	return field.Name, field.Value
}

// decide asks the policy what becomes of the request, and charges the limits that it falls under.
func (x *exchange) decide() *failure {
	r := &x.req
	x.asked = policy.Request{
		Method: r.Method, Target: r.Path, Host: r.Host, Fields: (*fields)(&r.Fields), Peer: x.client.Remote().Addr(),
	}
	d := &x.decision
	x.policy.Decide(&x.asked, d)
	x.address = d.Client
	x.toNextHop.prepare(d.Request, http1.Kind.InRequests)
	x.toClient.prepare(d.Response, http1.Kind.InResponses)
	for i := range d.Charges {
		c := &d.Charges[i]
		if wait := x.engine.Limits.Charge(c.Rule, c.Key, x.start); wait > 0 {
			x.handling, x.rule = httpcache.Synth, c.Rule.Name
			return &failure{reason: httpcache.RateLimited, wait: wait}
		}
	}
	return nil
}
