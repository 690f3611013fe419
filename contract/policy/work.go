package policy

import (
	"regexp/syntax"
	"strings"

	"section.internal/contract/config"
)

// This file bounds what the tests of a configuration cost whoever checks it. The bounds are in steps, about what one byte of a request
// costs where it is held against one wildcard, so that they are the same on every machine and no test depends on a clock. A step takes
// about 0.2 ns.
const (
	maxTestSteps = 800_000_000
	maxProduced  = 8 << 20 // bytes that the placeholders of all rules may make of one request

	stepsOfChange      = 20 // a byte
	stepsOfPlaceholder = 8
	stepsOfInstruction = 10
)

// work is what the rules of a configuration cost, for each byte of a request.
type work struct {
	conditions   int
	placeholders int
	actions      map[*config.Rule]int // of those that match
	left         int                  // steps
}

func newWork(c *config.Config) *work {
	w := &work{actions: make(map[*config.Rule]int, len(c.Rules)), left: maxTestSteps}
	for i := range c.Rules {
		r := &c.Rules[i]
		w.conditions += 1 + stepsOfMatch(&r.Match)
		texts := templates(r)
		placeholders := 0
		for _, t := range texts {
			placeholders += len(t.Placeholders())
		}
		w.placeholders += placeholders
		w.actions[r] = stepsOfChange*(1+len(texts)+len(r.Request.Remove)+len(r.Response.Remove)) + stepsOfPlaceholder*placeholders
	}
	return w
}

// stepsOfMatch says what a byte of a request costs where all conditions look at it.
func stepsOfMatch(m *config.Match) int {
	steps := 0
	for i := range m.Conditions {
		c := &m.Conditions[i]
		steps += 1 + len(c.Hosts)
		for _, p := range c.Paths {
			steps += 1 + strings.Count(p.String(), "*")
		}
		for _, v := range c.Values {
			steps += 1 + strings.Count(v.String(), "*")
		}
		if c.Regex != nil {
			steps += stepsOfRegex(c.Regex.String())
		}
		if c.Not != nil {
			steps += stepsOfMatch(c.Not)
		}
	}
	return steps
}

// stepsOfRegex goes by the instructions of an expression, each of which may look at every byte.
func stepsOfRegex(expression string) int {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		panic("BUG: a compiled expression cannot be parsed: " + err.Error())
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		panic("BUG: a compiled expression cannot be compiled: " + err.Error())
	}
	return stepsOfInstruction * len(program.Inst)
}

// bytesOf says how large the messages of a test are.
func bytesOf(t *config.Test) int {
	n := 32 + len(t.Request.Target) + len(t.Request.Host)
	for _, fields := range [...][]config.TextField{t.Request.Fields, t.Response.Fields} {
		for _, f := range fields {
			n += len(f.Name) + len(f.Value)
		}
	}
	return n
}

// affords says whether a test may be run.
func (w *work) affords(t *config.Test) bool {
	n := bytesOf(t)
	w.left -= w.conditions * n
	return w.left >= 0 && w.placeholders*n <= maxProduced
}

// spend counts what the rules that matched have done.
func (w *work) spend(t *config.Test, matched []*config.Rule) {
	n := bytesOf(t)
	for _, r := range matched {
		w.left -= w.actions[r] * n
	}
}
