package policy

import (
	"bytes"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"section.internal/contract/config"
)

// index finds the rules that a request may match, so that a rule for another host or another path costs nothing. Each rule is in
// it by the one of both that fewer rules share; one that says nothing certain of either is asked about each request. All lists
// are in the order of the file.
type index struct {
	common []int32
	hosts  map[string][]int32 // exact ones
	below  map[string][]int32 // by the name behind "*."
	paths  prefixes
}

// handle is what a rule may be found by: a host or the beginning of a path.
type handle struct {
	kind byte // '=' a host, '.' all below a host, '/' the beginning of a path, '|' the whole path
	text string
}

func newIndex(rules []rule) index {
	hosts, paths := make([][]handle, len(rules)), make([][]handle, len(rules))
	shared := map[handle]int{}
	for i := range rules {
		hosts[i], paths[i] = handles(&rules[i].match)
		for _, h := range slices.Concat(hosts[i], paths[i]) {
			shared[h]++
		}
	}
	x := index{hosts: map[string][]int32{}, below: map[string][]int32{}}
	for i := range rules {
		best, least := []handle(nil), math.MaxInt
		for _, by := range [][]handle{paths[i], hosts[i]} {
			sum := 0
			for _, h := range by {
				sum += shared[h]
			}
			if by != nil && sum < least {
				best, least = by, sum
			}
		}
		x.add(int32(i), best)
	}
	return x
}

func (x *index) add(i int32, by []handle) {
	if by == nil {
		x.common = append(x.common, i)
	}
	for _, h := range by {
		switch h.kind {
		case '=':
			x.hosts[h.text] = append(x.hosts[h.text], i)
		case '.':
			x.below[h.text] = append(x.below[h.text], i)
		case '/', '|':
			x.paths.insert(h.text, h.kind == '|', i)
		}
	}
}

// handles returns all hosts, and all beginnings of paths, that a request may have that fits; nil where any may do.
func handles(m *match) (hosts, paths []handle) {
	for i := range m.conditions {
		switch c := &m.conditions[i]; c.Kind {
		case config.OfHost:
			for _, h := range c.Hosts {
				name, anyBelow := h.Name()
				hosts = append(hosts, handle{'=', name})
				if anyBelow {
					hosts[len(hosts)-1].kind = '.'
				}
			}
		case config.OfPath:
			var all []handle
			for _, p := range c.Paths {
				prefix, whole := p.Prefix()
				all = append(all, handle{'/', prefix})
				if whole {
					all[len(all)-1].kind = '|'
				}
			}
			if !slices.ContainsFunc(all, func(h handle) bool { return h.text == "" }) {
				paths = all
			}
		case config.OfPathRegex:
			if prefix := regexPrefix(c.Regex); prefix != "" && paths == nil {
				paths = []handle{{'/', prefix}}
			}
		}
	}
	return compacted(hosts), compacted(paths)
}

// compacted returns each handle once.
func compacted(list []handle) []handle {
	slices.SortFunc(list, func(a, b handle) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return strings.Compare(a.text, b.text)
	})
	return slices.Compact(list)
}

// regexPrefix returns what every path begins with that a regular expression fits: what stands behind its "^".
func regexPrefix(re *regexp.Regexp) string {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat || parsed.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	var prefix strings.Builder
	for _, sub := range parsed.Sub[1:] {
		if sub.Op != syntax.OpLiteral {
			break
		}
		for _, r := range sub.Rune {
			folded := sub.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r
			if folded || r == utf8.RuneError { // which stands for any broken byte as well
				return prefix.String()
			}
			prefix.WriteRune(r)
		}
	}
	return prefix.String()
}

// maxHost is how long a host is that a pattern can name.
const maxHost = 253

// candidates appends the lists of rules that a request may match.
func (x *index) candidates(v *view, lists [][]int32) [][]int32 {
	add := func(list []int32) {
		if len(list) > 0 {
			lists = append(lists, list)
		}
	}
	add(x.common)
	if len(x.hosts) > 0 {
		add(x.hosts[string(v.host)])
	}
	if len(x.below) > 0 {
		for host := v.host[max(0, len(v.host)-maxHost-1):]; ; {
			dot := bytes.IndexByte(host, '.')
			if dot < 0 {
				break
			}
			host = host[dot+1:]
			add(x.below[string(host)])
		}
	}
	if v.hasPath {
		lists = x.paths.lists(v.path, lists)
	}
	return lists
}

// next takes the first rule off the lists, from each in which it is; -1 when they are empty.
func next(lists [][]int32) int32 {
	first := int32(math.MaxInt32)
	for _, l := range lists {
		if len(l) > 0 {
			first = min(first, l[0])
		}
	}
	if first == math.MaxInt32 {
		return -1
	}
	for i, l := range lists {
		if len(l) > 0 && l[0] == first {
			lists[i] = l[1:]
		}
	}
	return first
}
