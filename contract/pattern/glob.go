package pattern

import (
	"bytes"

	"section.internal/contract/ascii"
)

// glob is a text whose wildcards stand for any bytes: the literals between them, so one more than there are wildcards. With fold
// the literals are in lower case.
//
// The literals are looked for from the left, each at the first place where it is. That is enough: wherever a literal lies in a
// value that fits, taking its first place instead leaves more room to those behind it, never less. So nothing is tried twice.
type glob struct {
	literals []string
	fold     bool
}

// match says whether the whole of value fits.
func (g glob) match(value []byte) bool {
	n := len(g.literals)
	if n == 1 {
		return len(value) == len(g.literals[0]) && g.hasPrefix(value, g.literals[0])
	}
	value, ok := g.after(value, g.literals[:n-1])
	return ok && g.hasSuffix(value, g.literals[n-1])
}

// matchSuffix says whether value ends in something that fits.
func (g glob) matchSuffix(value []byte) bool {
	n := len(g.literals)
	if n == 1 {
		return g.hasSuffix(value, g.literals[0])
	}
	i := g.index(value, g.literals[0])
	if i < 0 {
		return false
	}
	value, ok := g.rest(value[i+len(g.literals[0]):], g.literals[1:n-1])
	return ok && g.hasSuffix(value, g.literals[n-1])
}

// matchPrefix returns what is left of value behind the shortest beginning that fits.
func (g glob) matchPrefix(value []byte) (rest []byte, ok bool) { return g.after(value, g.literals) }

// find returns what is left of value behind the first part that fits: that which ends first.
func (g glob) find(value []byte) (rest []byte, ok bool) { return g.rest(value, g.literals) }

// after takes the literals off value, of which the first stands at the beginning.
func (g glob) after(value []byte, literals []string) (rest []byte, ok bool) {
	if !g.hasPrefix(value, literals[0]) {
		return nil, false
	}
	return g.rest(value[len(literals[0]):], literals[1:])
}

// rest takes the literals off value, each at its first place.
func (g glob) rest(value []byte, literals []string) (rest []byte, ok bool) {
	for _, literal := range literals {
		i := g.index(value, literal)
		if i < 0 {
			return nil, false
		}
		value = value[i+len(literal):]
	}
	return value, true
}

func (g glob) hasPrefix(value []byte, literal string) bool {
	if len(value) < len(literal) {
		return false
	}
	if g.fold {
		return ascii.EqualLower(value[:len(literal)], literal)
	}
	return string(value[:len(literal)]) == literal
}

func (g glob) hasSuffix(value []byte, literal string) bool {
	return len(value) >= len(literal) && g.hasPrefix(value[len(value)-len(literal):], literal)
}

func (g glob) index(value []byte, literal string) int {
	if literal == "" {
		return 0
	}
	if len(literal) == 1 && (!g.fold || !isLetter(literal[0])) {
		return bytes.IndexByte(value, literal[0])
	}
	if !g.fold {
		return indexString(value, literal)
	}
	for i := 0; i+len(literal) <= len(value); i++ {
		if ascii.Lower(value[i]) == literal[0] && ascii.EqualLower(value[i:i+len(literal)], literal) {
			return i
		}
	}
	return -1
}

// indexString is bytes.Index for a string.
func indexString(value []byte, literal string) int {
	for at := 0; ; at++ {
		i := bytes.IndexByte(value[at:], literal[0])
		if at += i; i < 0 || at+len(literal) > len(value) {
			return -1
		}
		if string(value[at:at+len(literal)]) == literal {
			return at
		}
	}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
