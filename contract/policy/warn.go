package policy

import (
	"fmt"
	"strings"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
	"section.internal/contract/pattern"
	"section.internal/contract/printable"
)

// Warnings returns what is right but cannot be meant: a rule that can never match because an earlier one ends every request it could
// match. It is only said where it is certain: each part of the earlier rule's match follows from a part of the later one's. They are
// in the order of the file.
func Warnings(c *config.Config) config.Problems {
	return (&implications{left: maxSteps}).warnings(c)
}

func (w *implications) warnings(c *config.Config) (warnings config.Problems) {
	var ending []*config.Rule
	for i := range c.Rules {
		r := &c.Rules[i]
		for _, earlier := range ending {
			if w.match(&r.Match, &earlier.Match) {
				warnings = append(warnings, config.Problem{
					File: r.Place.File, Line: r.Place.Line, Column: r.Place.Column,
					Message: fmt.Sprintf("rule %s can never match: rule %s (line %d) ends every request that it could; want it above that one",
						printable.Quote(r.Name), printable.Quote(earlier.Name), earlier.Place.Line),
				})
				break
			}
		}
		if r.Redirect != nil || r.Respond != nil {
			ending = append(ending, r)
		}
	}
	return warnings
}

// maxSteps bounds what is tried, in comparisons of two bytes: about a tenth of a second. What would take more is not said.
const maxSteps = 50_000_000

// implications finds out what follows from what. Its answers are certain when they are true; false is also said of what it does
// not see, and of everything once it has compared enough.
type implications struct{ left int }

// match says whether every request that fits narrow fits wide.
func (w *implications) match(narrow, wide *config.Match) bool {
	for i := range wide.Conditions {
		if !w.any(narrow, &wide.Conditions[i]) {
			return false
		}
	}
	return true
}

func (w *implications) any(narrow *config.Match, wide *config.Condition) bool {
	for i := range narrow.Conditions {
		if w.condition(&narrow.Conditions[i], wide) {
			return true
		}
	}
	return false
}

func (w *implications) condition(narrow, wide *config.Condition) bool {
	if w.left--; w.left < 0 {
		return false
	}
	switch {
	case wide.Kind == config.OfPathRegex:
		return w.regex(narrow, wide)
	case wide.Kind == config.OfPath && narrow.Kind == config.OfPathRegex:
		prefix := regexPrefix(narrow.Regex)
		below, err := pattern.ParsePath(prefix + "**")
		return prefix != "" && err == nil && covered(w, []pattern.Path{below}, wide.Paths, pathCost)
	case narrow.Kind != wide.Kind:
		return false
	}
	switch wide.Kind {
	case config.OfPath:
		return covered(w, narrow.Paths, wide.Paths, pathCost)
	case config.OfHost:
		return covered(w, narrow.Hosts, wide.Hosts, hostCost)
	case config.OfClient:
		return w.clients(narrow, wide)
	case config.OfNot:
		return w.match(wide.Not, narrow.Not) // the other way round: what is outside of the larger one is outside of the smaller
	case config.OfHeader:
		if !ascii.EqualFold(narrow.Name, wide.Name) {
			return false
		}
	case config.OfGeo:
		if !ascii.EqualFold(geoField(narrow.Name), geoField(wide.Name)) {
			return false
		}
	case config.OfCookie, config.OfQuery:
		if narrow.Name != wide.Name {
			return false
		}
	}
	return covered(w, narrow.Values, wide.Values, valueCost)
}

// covered says whether each of the narrow patterns lies within one of the wide ones. Cost is what it costs to find out for two, and 0
// when they cannot.
func covered[T interface{ Covers(T) bool }](w *implications, narrow, wide []T, cost func(wide, narrow T) int) bool {
	for _, n := range narrow {
		found := false
		for _, p := range wide {
			c := cost(p, n)
			if w.left -= 1 + c; w.left < 0 {
				return false
			}
			if found = c > 0 && p.Covers(n); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return len(narrow) > 0
}

func pathCost(wide, narrow pattern.Path) int {
	prefix, whole := wide.Prefix()
	of, _ := narrow.Prefix()
	if !strings.HasPrefix(of, prefix) || whole && wide.String() != narrow.String() {
		return 0
	}
	return len(wide.String()) * len(narrow.String())
}

func hostCost(_, _ pattern.Host) int { return 1 }

func valueCost(wide, narrow pattern.Value) int {
	text, literal := wide.Literal()
	switch {
	case wide.Any():
		return 1
	case literal && text != narrow.String():
		return 0
	}
	return len(text) * len(narrow.String())
}

// regex says whether a condition implies one of a regular expression: it is the same, or one of whole paths that fit.
func (w *implications) regex(narrow, wide *config.Condition) bool {
	switch narrow.Kind {
	case config.OfPathRegex:
		return narrow.Regex.String() == wide.Regex.String()
	case config.OfPath:
		for _, p := range narrow.Paths {
			w.left -= 1000
			path, whole := p.Prefix()
			if w.left < 0 || !whole || !wide.Regex.MatchString(path) {
				return false
			}
		}
		return len(narrow.Paths) > 0
	}
	return false
}

func (w *implications) clients(narrow, wide *config.Condition) bool {
	w.left -= len(narrow.Clients) + len(wide.Clients)
	if w.left < 0 {
		return false
	}
	within := ranges(wide.Clients)
	for _, r := range ranges(narrow.Clients) {
		if i, in := find(within, r.first); !in || within[i].last.Less(r.last) {
			return false
		}
	}
	return len(narrow.Clients) > 0
}
