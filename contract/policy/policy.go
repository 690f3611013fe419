// Package policy owns what a checked configuration means for a request and its response: compiled once, and then a pure function,
// so that the proxy, the tests in a configuration and explanations cannot disagree. The only state is in proxyd: how often a limit
// was charged.
//
// Every rule sees the request as it came, whatever the rules before it change. The path is matched decoded: percent-encodings are
// resolved, empty and dot segments removed, so that no spelling of a path gets round a rule; what is passed on stays as it came.
package policy

import (
	"net/netip"

	"section.internal/contract/config"
)

// Fields is a header section, in its order.
type Fields interface {
	Len() int
	Field(i int) (name, value []byte)
}

// Request is what a policy looks at. It is not changed.
type Request struct {
	Method []byte
	Target []byte // in origin-form, or "*"
	Host   []byte // with port; empty: unknown
	Fields Fields
	Peer   netip.Addr // the address that the connection has
}

// Policy is a compiled configuration. It never changes and may be used from anywhere.
type Policy struct{ rules []config.Rule }

// Compile prepares a configuration.
func Compile(c *config.Config) *Policy { return &Policy{c.Rules} }

// Decision is what becomes of one request. It is used again for others, by one goroutine at a time; what it holds is good until the
// next Decide, and as long as the request's bytes stay where they are.
type Decision struct {
	// Matched are the rules that match, in the order of the file, up to one that ends it.
	Matched []*config.Rule
	// End is the rule whose Redirect or Respond is the answer; nil: next-hop is asked.
	End *config.Rule
	// Client is the client's address by client.address_from.
	Client netip.Addr
	// Charges are to be made in their order, before anything else; one that is refused ends it with 429.
	Charges []Charge
	// Request and Response are the changes of the header sections, one a name and kind at most, ready to be applied. Request holds
	// what Origin and Split stand for as well. Response applies to next-hop's response and to the answer of End alike.
	Request, Response []Change
	// Target is what next-hop is to be asked for; nil: as it came.
	Target []byte
}

// Charge is one request that counts towards the limit of a rule.
type Charge struct {
	Rule *config.Rule
	Key  []byte // tells apart what the limit counts apart
}

// Change is one change of a header section.
type Change struct {
	Kind  ChangeKind
	Name  string
	Value []byte // for Set and Add
}

// ChangeKind is what is done with the fields of a name.
type ChangeKind int

// The kinds of changes. What Remove takes away or Set replaces is what the message came with; what Add adds comes behind.
const (
	Remove ChangeKind = iota
	Set
	Add
)

// Answer is the answer of the rule that ends it.
type Answer struct {
	Status int
	Fields []Change // of kind Set or Add: Location, those of the Respond, and those of Response
	Body   []byte
}

// Decide evaluates the rules for a request. It allocates nothing for a request that no rule matches, once d has grown. The health
// check of the platform is never touched by any rule, nor is anything while the configuration is not enabled.
func (p *Policy) Decide(r *Request, d *Decision) {}

// Answer builds the answer of d.End, which must not be nil.
func (d *Decision) Answer(a *Answer) {}

// Step is what one rule does with a request.
type Step struct {
	Rule    *config.Rule
	Matched bool
	Failed  *config.Condition // the first part of the match that does not hold; nil when Matched
	Got     string            // what that part was held against: the path, the host, the address…
	After   bool              // the rule was not reached, since one above has ended it
}

// Explain says, rule by rule, what becomes of a request. It tells the same as Decide.
func (p *Policy) Explain(r *Request, d *Decision) []Step { return nil }

// Test runs the tests of a configuration and returns a problem for each expectation that does not hold: what was expected, what
// came, and which rule made it so.
func Test(c *config.Config) config.Problems { return nil }

// Warnings returns what is right but cannot be meant: a rule that can never match because an earlier one ends every request it could
// match. It is only said where it is certain.
func Warnings(c *config.Config) config.Problems { return nil }
