package policy

import (
	"section.internal/contract/config"

	"section.internal/contract/ascii"
)

// TextFields is the header section of an imagined message.
type TextFields []config.TextField

// Len returns the number of field lines.
func (t TextFields) Len() int { return len(t) }

// Field returns a field line.
func (t TextFields) Field(i int) (name, value []byte) { return []byte(t[i].Name), []byte(t[i].Value) }

// Imagine returns the request that a test describes, as a client's side would bring it: with the fields Host and, for https,
// X-Forwarded-Proto.
func Imagine(t *config.TestRequest) *Request {
	fields := TextFields{{Name: "Host", Value: t.Host}}
	if t.HTTPS {
		fields = append(fields, config.TextField{Name: "X-Forwarded-Proto", Value: "https"})
	}
	return &Request{
		Method: []byte(t.Method), Target: []byte(t.Target), Host: []byte(t.Host), Fields: append(fields, t.Fields...), Peer: t.Client,
	}
}

// Effect is what comes of a request and of what next-hop answers, when no limit refuses it.
type Effect struct {
	Decision *Decision
	Upstream *Upstream // what next-hop is asked; nil: it is not
	Status   int
	Fields   TextFields // of the answer
	Body     []byte     // of an answer that a rule made; next-hop's is not imagined
}

// Upstream is what next-hop is asked.
type Upstream struct {
	Target string
	Fields TextFields
}

// Effect says what comes of a request when next-hop answers with a response. It decides with Decide, and then does what proxyd
// does with the decision.
func (p *Policy) Effect(r *Request, response *config.TestResponse) *Effect {
	e := &Effect{Decision: &Decision{}}
	d := e.Decision
	p.Decide(r, d)
	if d.End != nil {
		var a Answer
		d.Answer(&a)
		e.Status, e.Fields = a.Status, Apply(TextFields(nil), a.Fields)
		if string(r.Method) != "HEAD" {
			e.Body = a.Body
		}
		return e
	}
	e.Upstream = &Upstream{Target: string(r.Target), Fields: Apply(r.Fields, d.Request)}
	if d.Target != nil {
		e.Upstream.Target = string(d.Target)
	}
	e.Status, e.Fields = response.Status, Apply(TextFields(response.Fields), d.Response)
	return e
}

// Apply returns a header section with the changes of a decision: the fields that are not replaced, in their order, and behind them
// each Set and Add.
func Apply(fields Fields, changes []Change) (out TextFields) {
	for i := range fields.Len() {
		if name, value := fields.Field(i); !Replaced(changes, name) {
			out = append(out, config.TextField{Name: string(name), Value: string(value)})
		}
	}
	for _, c := range changes {
		if c.Kind != Remove {
			out = append(out, config.TextField{Name: c.Name, Value: string(c.Value)})
		}
	}
	return out
}

// Values returns the values of all fields of a name.
func (t TextFields) Values(name string) (values []string) {
	for _, f := range t {
		if ascii.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}
