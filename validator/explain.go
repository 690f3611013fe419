package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"section.internal/contract/config"
	"section.internal/contract/policy"
	"section.internal/contract/printable"
)

// maxBody is how many bytes of a body are shown.
const maxBody = 400

// explain tells, rule by rule, what becomes of a request, then what next-hop would be asked and what the client would get.
func explain(dir string, asked *config.TestRequest, stdout io.Writer) error {
	loaded, err := load(dir)
	if err != nil {
		return err
	}
	var d policy.Decision
	r := policy.Imagine(asked)
	steps := policy.Compile(&loaded.Config).Explain(r, &d)
	e := &explanation{request: r, decision: &d}
	scheme := "http"
	if asked.HTTPS {
		scheme = "https"
	}
	client := d.Client
	if !client.IsValid() { // where no rule is asked, nobody asks whose request it is
		client = asked.Client
	}
	e.line("%s %s://%s%s from %s", asked.Method, scheme, asked.Host, asked.Target, client)
	e.line("")
	switch {
	case len(steps) == 0 && !loaded.Config.Enabled && len(loaded.Config.Rules) > 0:
		e.line("no rule is applied: enabled = false")
	case len(steps) == 0 && len(loaded.Config.Rules) > 0:
		e.line("no rule is applied: this is the platform's health check")
	case len(steps) == 0:
		e.line("there are no rules")
	}
	for i := range steps {
		e.step(&steps[i])
	}
	e.limits()
	if d.End != nil {
		e.answer()
	} else {
		e.passedOn()
	}
	return write(stdout, e.text.String())
}

// explanation is the text under construction.
type explanation struct {
	text     strings.Builder
	request  *policy.Request
	decision *policy.Decision
}

func (e *explanation) line(format string, args ...any) {
	e.text.WriteString(printable.Text(fmt.Sprintf(format, args...)) + "\n")
}

func (e *explanation) step(s *policy.Step) {
	switch rule := fmt.Sprintf("%s: rule %q", s.Rule.Place, s.Rule.Name); {
	case s.After:
		e.line("%s is not reached", rule)
	case s.Matched:
		e.line("%s matches: %s", rule, s.Rule.Does())
	default:
		e.line("%s does not match: %s (%s); this is %s", rule, s.Failed.Written, s.Failed.Place, s.Got)
	}
}

func (e *explanation) limits() {
	if len(e.decision.Charges) == 0 {
		return
	}
	e.line("")
	e.line("the request counts towards limits; beyond one, the client gets 429")
	for _, c := range e.decision.Charges {
		e.line("  %s", limitText(c.Rule))
	}
}

func (e *explanation) answer() {
	var a policy.Answer
	e.decision.Answer(&a)
	e.line("")
	e.line("next-hop is not asked")
	e.line("")
	e.line("the client gets")
	e.line("  %d", a.Status)
	for _, f := range a.Fields {
		e.line("  %s: %s", f.Name, f.Value)
	}
	if len(a.Body) == 0 || string(e.request.Method) == "HEAD" {
		return
	}
	e.line("")
	if !utf8.Valid(a.Body) {
		e.line("  (%d bytes)", len(a.Body))
		return
	}
	shown := string(a.Body[:min(len(a.Body), maxBody)])
	for !utf8.ValidString(shown) {
		shown = shown[:len(shown)-1]
	}
	for line := range strings.Lines(shown) {
		e.line("  %s", strings.TrimRight(line, "\r\n"))
	}
	if len(shown) < len(a.Body) {
		e.line("  (%d bytes in all)", len(a.Body))
	}
}

func (e *explanation) passedOn() {
	target := e.request.Target
	if e.decision.Target != nil {
		target = e.decision.Target
	}
	e.line("")
	e.line("next-hop is asked")
	e.line("  %s %s", e.request.Method, target)
	for _, f := range policy.Apply(e.request.Fields, e.decision.Request) {
		e.line("  %s: %s", f.Name, f.Value)
	}
	e.line("")
	if len(e.decision.Response) == 0 {
		e.line("the client gets next-hop's response as it is")
		return
	}
	e.line("the client gets next-hop's response, changed")
	for _, c := range e.decision.Response {
		switch c.Kind {
		case policy.Remove:
			e.line("  without %s", c.Name)
		case policy.Set:
			e.line("  with %s: %s", c.Name, c.Value)
		case policy.Add:
			e.line("  with a further %s: %s", c.Name, c.Value)
		}
	}
}
