package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"section.internal/contract/config"
	"section.internal/contract/policy"
)

// This file tells what differs between two decisions about one request. What a placeholder stands for counts, but it is shown as the
// rule has it, so that requests to which the same happens are told in one line.

// maxText is how many bytes of a value are shown.
const maxText = 120

// effect is one thing that a decision brings about.
type effect struct {
	on    string // what it changes, such as a field
	value string // what tells it from another, as the request has it
	text  string // what is shown, as the rule has it
}

// compare orders effects by what they change. Names of fields have no case.
func (e effect) compare(f effect) int {
	return strings.Compare(strings.ToLower(e.on), strings.ToLower(f.on))
}

// outcome is a decision and, where a rule answers, the answer.
type outcome struct {
	decision policy.Decision
	answer   policy.Answer
}

func (o *outcome) decide(p *policy.Policy, r *policy.Request) {
	p.Decide(r, &o.decision)
	if o.decision.End != nil {
		o.decision.Answer(&o.answer)
	}
}

// difference says what changes from one outcome to another; "" when nothing does.
func difference(before, after *outcome) string {
	if same(before, after) {
		return ""
	}
	was, is := before.effects(after), after.effects(before)
	var texts []string
	for i, j := 0, 0; i < len(was) || j < len(is); {
		order := 0
		switch {
		case j == len(is):
			order = -1
		case i == len(was):
			order = 1
		default:
			order = was[i].compare(is[j])
		}
		switch {
		case order < 0:
			texts = append(texts, fmt.Sprintf("%s: %s -> %s", was[i].on, was[i].text, was[i].without()))
			i++
		case order > 0:
			texts = append(texts, fmt.Sprintf("%s: %s -> %s", is[j].on, is[j].without(), is[j].text))
			j++
		default:
			if was[i].value != is[j].value {
				texts = append(texts, fmt.Sprintf("%s: %s -> %s", is[j].on, was[i].text, is[j].text))
			}
			i, j = i+1, j+1
		}
	}
	return strings.Join(texts, "; ")
}

// without says what there is in place of an effect.
func (e effect) without() string {
	if e.on == "limit" || e.on == "body" {
		return "none"
	}
	return "untouched"
}

// same says whether two outcomes are told by the same bytes, which is all there is to say of most requests.
func same(a, b *outcome) bool {
	x, y := &a.decision, &b.decision
	if (x.End == nil) != (y.End == nil) || !slices.EqualFunc(x.Charges, y.Charges, func(a, b policy.Charge) bool {
		return a.Rule.Name == b.Rule.Name && *a.Rule.Limit == *b.Rule.Limit && bytes.Equal(a.Key, b.Key)
	}) {
		return false
	}
	if x.End != nil {
		return a.answer.Status == b.answer.Status && bytes.Equal(a.answer.Body, b.answer.Body) &&
			slices.EqualFunc(a.answer.Fields, b.answer.Fields, equalChange)
	}
	return (x.Target == nil) == (y.Target == nil) && bytes.Equal(x.Target, y.Target) &&
		slices.EqualFunc(x.Request, y.Request, equalChange) && slices.EqualFunc(x.Response, y.Response, equalChange)
}

func equalChange(a, b policy.Change) bool {
	return a.Kind == b.Kind && a.Name == b.Name && bytes.Equal(a.Value, b.Value)
}

// effects lists what an outcome brings about, in the order of what it changes. Where one of two is answered by a rule and the other
// is passed on, that is all there is to say of the answer.
func (o *outcome) effects(beside *outcome) []effect {
	d := &o.decision
	var list []effect
	for _, c := range d.Charges {
		list = append(list, effect{"limit", limitText(c.Rule) + string(c.Key), limitText(c.Rule)})
	}
	switch {
	case d.End == nil && beside.decision.End == nil:
		if d.Target != nil {
			list = append(list, effect{"path", string(d.Target), quoted(o.rewrite())})
		}
		list = append(list, o.changes("request field ", d.Request, func(r *config.Rule) *config.Changes { return &r.Request })...)
		list = append(list, o.changes("response field ", d.Response, func(r *config.Rule) *config.Changes { return &r.Response })...)
	case d.End == nil:
		list = append(list, effect{"answer", "", "next-hop's"})
	case beside.decision.End == nil:
		list = append(list, effect{"answer", strconv.Itoa(o.answer.Status), o.summary()})
	default:
		list = append(list, effect{"answer", strconv.Itoa(o.answer.Status), fmt.Sprintf("%d of rule %q", o.answer.Status, d.End.Name)})
		if len(o.answer.Body) > 0 {
			list = append(list, effect{"body", string(o.answer.Body), bodyText(o.answer.Body)})
		}
		list = append(list, o.changes("response field ", o.answer.Fields, func(r *config.Rule) *config.Changes { return &r.Response })...)
	}
	slices.SortStableFunc(list, effect.compare)
	return merged(list)
}

// merged makes one of the effects on one thing.
func merged(list []effect) []effect {
	out := list[:0]
	for _, e := range list {
		if n := len(out); n > 0 && out[n-1].compare(e) == 0 {
			out[n-1].value += "\n" + e.value
			out[n-1].text += ", " + e.text
			continue
		}
		out = append(out, e)
	}
	return out
}

// summary tells an answer beside one of next-hop.
func (o *outcome) summary() string {
	end := o.decision.End
	if end.Redirect != nil {
		return fmt.Sprintf("%d to %s of rule %q", o.answer.Status, quoted(end.Redirect.To.String()), end.Name)
	}
	return fmt.Sprintf("%d of rule %q", o.answer.Status, end.Name)
}

// rewrite returns the rewritten path as its rule has it.
func (o *outcome) rewrite() string {
	for _, r := range slices.Backward(o.decision.Matched) {
		if r.Rewrite != nil {
			return r.Rewrite.String()
		}
	}
	return string(o.decision.Target)
}

// changes lists the changes of a header section.
func (o *outcome) changes(on string, list []policy.Change, section func(*config.Rule) *config.Changes) []effect {
	out := make([]effect, len(list))
	for i, c := range list {
		e := effect{on: on + c.Name, value: strconv.Itoa(int(c.Kind)) + string(c.Value)}
		switch c.Kind {
		case policy.Remove:
			e.text = "removed"
		case policy.Set:
			e.text = "set to " + quoted(o.written(c, func(r *config.Rule) []config.Field { return section(r).Set }))
		case policy.Add:
			e.text = "added " + quoted(o.written(c, func(r *config.Rule) []config.Field { return section(r).Add }))
		}
		out[i] = e
	}
	return out
}

// written returns the value of a change as its rule has it or, where the rule cannot be told, as it is.
func (o *outcome) written(c policy.Change, section func(*config.Rule) []config.Field) string {
	var values []string
	look := func(fields []config.Field) {
		for _, f := range fields {
			if strings.EqualFold(f.Name, c.Name) {
				values = append(values, f.Value.String())
			}
		}
	}
	for _, r := range o.decision.Matched {
		look(section(r))
	}
	if end := o.decision.End; len(values) == 0 && end != nil {
		switch {
		case end.Redirect != nil && strings.EqualFold(c.Name, "Location"):
			values = append(values, end.Redirect.To.String())
		case end.Respond != nil:
			look(end.Respond.Fields)
		}
	}
	if len(values) == 0 || c.Kind == policy.Add && len(values) > 1 {
		return string(c.Value)
	}
	return values[len(values)-1]
}

func limitText(r *config.Rule) string {
	return fmt.Sprintf("%s (rule %q)", r.Limit, r.Name)
}

func bodyText(body []byte) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%d bytes, sha256 %x", len(body), sum[:6])
}

// quoted returns a text on one line, cut where it is long.
func quoted(s string) string {
	if len(s) > maxText {
		return strconv.Quote(s[:maxText]) + "…"
	}
	return strconv.Quote(s)
}
