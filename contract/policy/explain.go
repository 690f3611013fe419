package policy

import (
	"strconv"
	"strings"

	"section.internal/contract/config"
	"section.internal/contract/printable"
)

// Step is what one rule does with a request.
type Step struct {
	Rule    *config.Rule
	Matched bool
	Failed  *config.Condition // the first part of the match that does not hold; nil when Matched or After
	Got     string            // what that part was held against, as a message shows it: "/a", "a" and "b", none
	After   bool              // the rule was not reached, since one above has ended it
}

// Explain says, rule by rule, what becomes of a request. It tells the same as Decide, and asks every rule on the way. There are no
// steps where no rule is asked: for the health check, and while the configuration is not enabled.
func (p *Policy) Explain(r *Request, d *Decision) (steps []Step) {
	if !p.begin(r, d) {
		return nil
	}
	for i := range p.rules {
		rule := &p.rules[i]
		step := Step{Rule: rule.Rule, After: d.End != nil}
		if !step.After {
			if failed := rule.match.failing(d.view); failed != nil {
				step.Failed, step.Got = failed.Condition, failed.got(d.view)
			} else {
				step.Matched = true
				d.apply(rule)
			}
		}
		steps = append(steps, step)
	}
	d.finish()
	return steps
}

// got returns what a condition was held against.
func (c *condition) got(v *view) string {
	switch c.Kind {
	case config.OfPath, config.OfPathRegex:
		if !v.hasPath {
			return none
		}
		return printable.Quote(string(v.path))
	case config.OfHost:
		if len(v.host) == 0 {
			return none
		}
		return printable.Quote(string(v.host))
	case config.OfMethod:
		return printable.Quote(string(v.request.Method))
	case config.OfProtocol:
		return printable.Quote(v.scheme())
	case config.OfClient:
		if !v.client.IsValid() {
			return none
		}
		return v.client.String()
	case config.OfNot:
		var parts []string
		for i := range c.not.conditions {
			parts = append(parts, c.not.conditions[i].got(v))
		}
		if len(parts) == 0 {
			return "any request"
		}
		return strings.Join(parts, ", ")
	}
	var values []string
	of := c.found(v)
	for i := of.first(c.slot); i >= 0; i = of.values[i].next {
		values = append(values, string(of.values[i].value))
	}
	return quoteAll(values)
}

const none = "none"

// maxValues is how many values a message repeats.
const maxValues = 4

// quoteAll returns several values as a message shows them.
func quoteAll(values []string) string {
	if len(values) == 0 {
		return none
	}
	quoted := make([]string, 0, maxValues+1)
	for i, v := range values {
		if i == maxValues {
			quoted = append(quoted, strconv.Itoa(len(values)-i)+" more")
			break
		}
		quoted = append(quoted, printable.Quote(v))
	}
	return strings.Join(quoted, " and ")
}
