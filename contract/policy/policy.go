// Package policy owns what a checked configuration means for a request and its response: compiled once, and then a pure function,
// so that the proxy, the tests in a configuration and explanations cannot disagree. The only state is in proxyd: how often a limit
// was charged.
//
// Every rule sees the request as it came, whatever the rules before it change. The path is matched decoded: percent-encodings are
// resolved, empty and dot segments removed, so that no spelling of a path gets round a rule; what is passed on stays as it came.
// A "/" at the end counts, and what was encoded twice is decoded once. The target "*" has no path.
//
// Of a query, "&" parts the parameters, the first "=" the name from the value, and "+" stands for a space; of cookies, ";" and "=".
// What is not well formed is taken as it is. Where a name is there several times, one that fits is enough, and a placeholder stands
// for the first; a placeholder of a field stands for all its lines, with ", " between.
package policy

import (
	"net/netip"

	"section.internal/contract/config"
	"section.internal/contract/place"
	"section.internal/contract/template"
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
type Policy struct {
	config  *config.Config
	rules   []rule
	index   index
	names   names // what the rules ask the request for
	kindOf  func(name string) uint8
	address []int32 // the slots of client.address_from
	changed int     // how many names there are that rules change
}

// rule is a compiled rule.
type rule struct {
	*config.Rule
	match             match
	request, response []change
	answer            []change   // the fields of its redirect or respond, each an Add
	literal           []Change   // the same, where none of them depends on the request; nil otherwise
	groups            *condition // of kind OfPathRegex, whose groups a template stands for; nil: none does
	limit, split      *key
}

// Compile prepares a configuration, which must not change any more. It costs some hundred bytes a rule.
func Compile(c *config.Config) *Policy { return CompileFor(c, func(string) uint8 { return 0 }) }

// CompileFor is Compile for who has to know of each Change what kind of field its Name is.
func CompileFor(c *config.Config, kindOf func(name string) uint8) *Policy {
	p := &Policy{config: c, names: newNames(), kindOf: kindOf}
	for _, name := range c.Client.AddressFrom {
		p.address = append(p.address, p.names.fields.slot(name))
	}
	if !c.Enabled {
		return p
	}
	changed := map[string]int32{}
	p.rules = make([]rule, len(c.Rules))
	for i := range c.Rules {
		p.rules[i] = p.compile(&c.Rules[i], changed)
	}
	p.changed = len(changed)
	p.index = newIndex(p.rules)
	return p
}

func (p *Policy) compile(r *config.Rule, changed map[string]int32) rule {
	c := rule{Rule: r, match: p.names.compileMatch(&r.Match)}
	c.request = p.compileChanges(r, &r.Request, changed)
	if r.Origin != "" {
		origin := p.newChange(r, Set, "section-origin").numbered(changed)
		origin.made.Value = []byte(r.Origin)
		c.request = append(c.request, origin)
	}
	if r.Split != nil {
		c.split = p.names.compileKey(r.Split.By)
		split := p.newChange(r, Set, "X-Split-"+r.Split.Name).numbered(changed)
		split.split = r.Split
		c.request = append(c.request, split)
	}
	c.response = p.compileChanges(r, &r.Response, changed)
	c.answer, c.literal = p.compileAnswer(r)
	if r.Limit != nil {
		c.limit = p.names.compileKey(r.Limit.By)
	}
	asks := false // for a group
	for _, t := range templates(r) {
		for _, name := range t.Placeholders() {
			asks = p.names.compilePlaceholder(name) || asks
		}
	}
	if asks {
		for i := range c.match.conditions {
			if c.match.conditions[i].Kind == config.OfPathRegex {
				c.groups = &c.match.conditions[i]
			}
		}
	}
	return c
}

// templates returns all templates of a rule.
func templates(r *config.Rule) (all []*template.Template) {
	add := func(fields []config.Field) {
		for _, f := range fields {
			all = append(all, f.Value)
		}
	}
	add(r.Request.Set)
	add(r.Request.Add)
	add(r.Response.Set)
	add(r.Response.Add)
	if r.Rewrite != nil {
		all = append(all, r.Rewrite)
	}
	if r.Redirect != nil {
		all = append(all, r.Redirect.To)
	}
	if r.Respond != nil {
		add(r.Respond.Fields)
	}
	return all
}

// Decision is what becomes of one request. It is used again for others, by one goroutine at a time; what it holds is good until the
// next Decide, and as long as the request's bytes stay where they are. The zero value is ready to be used.
type Decision struct {
	// Matched are the rules that match, in the order of the file, up to one that ends it.
	Matched []*config.Rule
	// End is the rule whose Redirect or Respond is the answer; nil: next-hop is asked.
	End *config.Rule
	// Client is the client's address by client.address_from.
	Client netip.Addr
	// Charges are to be made in their order, before anything else; one that is refused ends it with 429.
	Charges []Charge
	// Request and Response are the changes of the header sections, ready to be applied: of each name one Remove or Set at most, and
	// each Add behind them. Request holds what Origin and Split stand for as well. Response applies to next-hop's response and to the
	// answer of End alike.
	Request, Response []Change
	// Target is what next-hop is to be asked for; nil: as it came.
	Target []byte
	// Rewritten is the rule whose Rewrite made Target.
	Rewritten *config.Rule

	end   *rule     // End, compiled
	view  *view     // nil until a policy has decided; apart, so that a decision is small to move
	lists [][]int32 // of the index, what is left of them
	// Where the changes of a name stand, by the number of the name.
	requestOf, responseOf []changeOf
}

// Charge is one request that counts towards the limit of a rule.
type Charge struct {
	Rule *config.Rule
	Key  []byte // tells apart what the limit counts apart
}

// Decide evaluates the rules for a request. It allocates nothing for a request that no rule matches, once d has grown, nor where the
// values that rules set are literal. The health check of the platform is never touched by any rule, nor is anything while the
// configuration is not enabled.
func (p *Policy) Decide(r *Request, d *Decision) {
	if !p.begin(r, d) {
		return
	}
	d.lists = p.index.candidates(d.view, d.lists[:0])
	for {
		i := next(d.lists)
		if i < 0 || p.rules[i].match.holds(d.view) && d.apply(&p.rules[i]) {
			break
		}
	}
	d.finish()
}

// begin makes d that of a request to which no rule was applied yet, and says whether one may be.
func (p *Policy) begin(r *Request, d *Decision) bool {
	d.Matched, d.End, d.Charges, d.Target, d.Rewritten = d.Matched[:0], nil, d.Charges[:0], nil, nil
	d.Request, d.Response = d.Request[:0], d.Response[:0]
	if d.view == nil {
		d.view = &view{}
	}
	d.view.reset(p, r)
	if len(p.rules) == 0 {
		d.Client = ClientAddress(p.config.Client.AddressFrom, r.Fields, r.Peer).Unmap()
		return false
	}
	d.view.readFields()
	d.Client = d.view.client
	if d.view.stamp == 1 { // stamps begin again
		clear(d.requestOf)
		clear(d.responseOf)
	}
	d.requestOf = grown(d.requestOf, p.changed)
	d.responseOf = grown(d.responseOf, p.changed)
	return string(d.view.rawPath) != place.HealthCheckPath || string(r.Method) != "GET"
}

// apply notes what a rule that matches does, and says whether it ends it.
func (d *Decision) apply(r *rule) (end bool) {
	v := d.view
	d.Matched = append(d.Matched, r.Rule)
	if v.groups = nil; r.groups != nil {
		v.groups, v.group = r.groups.Regex, r.groups.Regex.FindSubmatchIndex(v.path)
	}
	if r.limit != nil {
		d.Charges = append(d.Charges, Charge{r.Rule, v.key(r.limit)})
	}
	for i := range r.request {
		d.Request = v.note(d.Request, d.requestOf, &r.request[i], r)
	}
	for i := range r.response {
		d.Response = v.note(d.Response, d.responseOf, &r.response[i], r)
	}
	if r.Rewrite != nil && v.hasPath {
		d.Target, d.Rewritten = v.rewritten(r.Rewrite), r.Rule
	}
	if r.Redirect == nil && r.Respond == nil {
		return false
	}
	d.End, d.end = r.Rule, r
	return true
}

// finish brings the changes into the form that they are promised in.
func (d *Decision) finish() {
	if d.view.dropped {
		d.Request, d.Response = withoutDropped(d.Request), withoutDropped(d.Response)
	}
}

// Answer is the answer of the rule that ends it.
type Answer struct {
	Status int
	Fields []Change // of kind Set or Add, to be written in this order: Location, those of the Respond, and those of Response
	Body   []byte

	room []Change // for Fields, where they are not the rule's own
}

// Answer builds the answer of d.End, which must not be nil. It is good as long as the decision, and not to be changed.
func (d *Decision) Answer(a *Answer) {
	a.Body = nil
	if redirect := d.End.Redirect; redirect != nil {
		a.Status = redirect.Status
	} else {
		a.Status, a.Body = d.End.Respond.Status, d.End.Respond.Body
	}
	if len(d.Response) == 0 && d.end.literal != nil {
		a.Fields = d.end.literal
		return
	}
	a.room = a.room[:0]
	for i := range d.end.answer {
		if c := &d.end.answer[i]; !Replaced(d.Response, c.made.Name) {
			a.room = d.view.appended(a.room, c, d.end)
		}
	}
	for _, c := range d.Response {
		if c.Kind != Remove {
			a.room = append(a.room, c)
		}
	}
	a.Fields = a.room
}
