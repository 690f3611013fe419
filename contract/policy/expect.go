package policy

import (
	"fmt"
	"slices"
	"strings"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
	"section.internal/contract/printable"
)

// Test runs the tests of a configuration and returns a problem for each expectation that does not hold: what was expected, what
// came, and which rule made it so. They are in the order of the file. In a test no limit refuses anything. Of a configuration whose
// tests would take longer than anybody waits, the first that is too much is a problem, and those behind it are not run.
func Test(c *config.Config) (problems config.Problems) {
	if len(c.Tests) == 0 {
		return nil
	}
	p, work := Compile(c), newWork(c)
	for i := range c.Tests {
		test := &c.Tests[i]
		if !work.affords(test) {
			problems = append(problems, config.Problem{File: test.Place.File, Line: test.Place.Line, Column: test.Place.Column, Message: fmt.Sprintf(
				"test %s: not run, nor are those behind it: to hold the tests up to here against these rules takes too long; use fewer tests or shorter requests",
				printable.Quote(test.Name))})
			break
		}
		t := p.test(test)
		problems = append(problems, t.problems...)
		work.spend(test, t.effect.Decision.Matched)
	}
	slices.SortStableFunc(problems, func(a, b config.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return problems
}

// trial is one test that was run.
type trial struct {
	test     *config.Test
	effect   *Effect
	problems config.Problems
}

func (p *Policy) test(test *config.Test) *trial {
	t := &trial{test: test, effect: p.Effect(Imagine(&test.Request), &test.Response)}
	e, expect := t.effect, &test.Expect
	if s := expect.Status; s != nil && s.Want != e.Status {
		by := t.answerer()
		if e.Decision.End == nil {
			by += "; " + t.matched()
		}
		t.fail(s.Place, "expect.status = %d: got %d %s", s.Want, e.Status, by)
	}
	changes := e.Decision.Response
	for _, f := range expect.Fields {
		t.field("expect.headers.", f, e.Fields, changes, t.answerer())
	}
	for _, a := range expect.Absent {
		t.absent("expect.absent", a, e.Fields, changes, t.answerer())
	}
	if b := expect.Body; b != nil {
		switch {
		case e.Decision.End == nil:
			t.fail(b.Place, "expect.body = %s: got next-hop's answer, whose body passes through; want a rule with respond, or no expect.body", printable.Quote(b.Want))
		case b.Want != string(e.Body):
			t.fail(b.Place, "expect.body = %s: got %s %s%s", printable.Quote(b.Want), printable.Quote(string(e.Body)), t.answerer(), difference(b.Want, string(e.Body)))
		}
	}
	if r := expect.Rule; r != nil {
		switch end := e.Decision.End; {
		case end == nil && r.Want != "":
			t.fail(r.Place, "expect.rule = %s: got the answer of next-hop; %s", printable.Quote(r.Want), t.matched())
		case end != nil && r.Want != end.Name:
			t.fail(r.Place, "expect.rule = %s: the answer is of %s", printable.Quote(r.Want), ruleAt(end))
		}
	}
	if u := expect.Upstream; u != nil {
		t.upstream(u)
	}
	return t
}

func (t *trial) upstream(want *config.ExpectUpstream) {
	u, d := t.effect.Upstream, t.effect.Decision
	if u == nil {
		t.fail(want.Place, "expect.upstream: next-hop is not asked, since %s answers", ruleAt(d.End))
		return
	}
	if p := want.Path; p != nil && p.Want != u.Target {
		by := "as it came; no rule rewrites it"
		if d.Rewritten != nil {
			by = "rewritten by " + ruleAt(d.Rewritten)
		}
		t.fail(p.Place, "expect.upstream.path = %s: got %s, %s", printable.Quote(p.Want), printable.Quote(u.Target), by)
	}
	for _, f := range want.Fields {
		t.field("expect.upstream.headers.", f, u.Fields, d.Request, "from the client")
	}
	for _, a := range want.Absent {
		t.absent("expect.upstream.absent", a, u.Fields, d.Request, "from the client")
	}
}

// field checks that a field is there. Of several lines one is enough, or all with ", " between.
func (t *trial) field(key string, want config.Expected[config.TextField], fields TextFields, changes []Change, from string) {
	values := fields.Values(want.Want.Name)
	if slices.Contains(values, want.Want.Value) || len(values) > 0 && strings.Join(values, ", ") == want.Want.Value {
		return
	}
	by := changedBy(changes, want.Want.Name)
	switch {
	case by == "" && len(values) > 0:
		by = from
	case by == "":
		by = t.matched()
	}
	separator := ", "
	if len(values) == 0 && !strings.HasPrefix(by, "removed") {
		separator = "; "
	}
	t.fail(want.Place, "%s%s = %s: got %s%s%s", key, want.Want.Name, printable.Quote(want.Want.Value), quoteAll(values), separator, by)
}

func (t *trial) absent(key string, want config.Expected[string], fields TextFields, changes []Change, from string) {
	values := fields.Values(want.Want)
	if len(values) == 0 {
		return
	}
	by := changedBy(changes, want.Want)
	if by == "" {
		by = from + "; " + t.matched()
	}
	t.fail(want.Place, "%s has %s: got %s, %s", key, printable.Quote(want.Want), quoteAll(values), by)
}

// changedBy says which rules made a field what it is; "" where none did.
func changedBy(changes []Change, name string) string {
	var by []string
	for _, c := range changes {
		if ascii.EqualFold(c.Name, name) {
			by = append(by, [...]string{Remove: "removed", Set: "set", Add: "added"}[c.Kind]+" by "+ruleAt(c.Rule))
		}
	}
	return strings.Join(by, ", ")
}

// answerer says where the answer comes from.
func (t *trial) answerer() string {
	if end := t.effect.Decision.End; end != nil {
		return "from " + ruleAt(end)
	}
	return "from next-hop's imagined answer"
}

// matched says which rules had a say, where none of them did what was expected.
func (t *trial) matched() string {
	switch matched := t.effect.Decision.Matched; len(matched) {
	case 0:
		return "no rule matched"
	case 1:
		return "only " + ruleAt(matched[0]) + " matched"
	default:
		names := make([]string, 0, maxValues+1)
		for i, r := range matched {
			if i == maxValues {
				names = append(names, fmt.Sprintf("%d more", len(matched)-i))
				break
			}
			names = append(names, ruleAt(r))
		}
		return "matched: " + strings.Join(names, ", ")
	}
}

// ruleAt names a rule and where it is.
func ruleAt(r *config.Rule) string {
	return fmt.Sprintf("rule %s (line %d)", printable.Quote(r.Name), r.Place.Line)
}

// difference says where two long texts part, when their quotes do not show it.
func difference(want, got string) string {
	if printable.Quote(want) != printable.Quote(got) {
		return ""
	}
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	return fmt.Sprintf("; they differ from byte %d on", i+1)
}

func (t *trial) fail(at config.Place, format string, args ...any) {
	message := fmt.Sprintf("test %s: %s", printable.Quote(t.test.Name), fmt.Sprintf(format, args...))
	t.problems = append(t.problems, config.Problem{File: at.File, Line: at.Line, Column: at.Column, Message: message})
}
