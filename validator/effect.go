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
	"section.internal/contract/printable"
)

// This file tells what differs between two decisions about one request. What a placeholder stands for counts, but it is shown as the
// rule has it, so that requests to which the same happens are told in one line.

// maxText is how many characters of a value are shown.
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
			list = append(list, effect{"path", string(d.Target), quoted(d.Rewritten.Rewrite.String())})
		}
		list = append(list, changes("request field ", d.Request, func(r *config.Rule) *config.Changes { return &r.Request })...)
		list = append(list, changes("response field ", d.Response, func(r *config.Rule) *config.Changes { return &r.Response })...)
	case d.End == nil:
		list = append(list, effect{"answer", "", "next-hop's"})
	case beside.decision.End == nil:
		list = append(list, effect{"answer", strconv.Itoa(o.answer.Status), o.summary()})
	default:
		list = append(list, effect{"answer", strconv.Itoa(o.answer.Status), fmt.Sprintf("%d of rule %q", o.answer.Status, d.End.Name)})
		if len(o.answer.Body) > 0 {
			list = append(list, effect{"body", string(o.answer.Body), bodyText(o.answer.Body)})
		}
		list = append(list, changes("response field ", o.answer.Fields, func(r *config.Rule) *config.Changes { return &r.Response })...)
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

// changes lists the changes of a header section. Section gives that of a rule.
func changes(on string, list []policy.Change, section func(*config.Rule) *config.Changes) []effect {
	out := make([]effect, len(list))
	for i, c := range list {
		e := effect{on: on + c.Name, value: strconv.Itoa(int(c.Kind)) + string(c.Value)}
		switch from := section(c.Rule); c.Kind {
		case policy.Remove:
			e.text = "removed"
		case policy.Set:
			e.text = "set to " + quoted(written(c, from.Set))
		case policy.Add:
			e.text = "added " + quoted(written(c, from.Add))
		}
		out[i] = e
	}
	return out
}

// written returns the value of a change as its rule has it. One that no rule has, such as the variant of a split, and one of several
// that a rule adds, is told as it is.
func written(c policy.Change, fields []config.Field) string {
	var texts []string
	for _, f := range slices.Concat(fields, answered(c.Rule)) {
		if strings.EqualFold(f.Name, c.Name) {
			texts = append(texts, f.Value.String())
		}
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return string(c.Value)
}

// answered returns the fields of the answer that a rule makes.
func answered(r *config.Rule) []config.Field {
	switch {
	case r.Redirect != nil:
		return []config.Field{{Name: "Location", Value: r.Redirect.To}}
	case r.Respond != nil:
		return r.Respond.Fields
	}
	return nil
}

func limitText(r *config.Rule) string {
	return fmt.Sprintf("%s (rule %q)", r.Limit, r.Name)
}

func bodyText(body []byte) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%d bytes, sha256 %x", len(body), sum[:6])
}

// quoted returns a text on one line, cut where it is long.
func quoted(s string) string { return strconv.Quote(printable.Cut(s, maxText)) }
