package pattern

import (
	"strings"

	"section.internal/contract/ascii"
)

// Value is a pattern of any other value: "*" stands for any bytes, everything else for itself.
type Value struct {
	text string // in lower case with fold
	glob glob
}

// ParseValue parses a pattern. With fold the case of ASCII letters makes no difference. The error is an *Error.
func ParseValue(text string, fold bool) (Value, error) {
	if err := checkText(text, `"*" for any value`); err != nil {
		return Value{}, err
	}
	if i := strings.Index(text, "**"); i >= 0 {
		return Value{}, errorAt(i, `"**": want "*", which stands for any characters here`)
	}
	if fold {
		text = ascii.ToLower(text)
	}
	return Value{text, glob{strings.Split(text, "*"), fold}}, nil
}

// Match says whether the whole of value fits.
func (v Value) Match(value []byte) bool { return len(v.glob.literals) > 0 && v.glob.match(value) }

// Literal returns the one value that fits, or false when the pattern has a wildcard. With fold it is in lower case.
func (v Value) Literal() (string, bool) { return v.text, len(v.glob.literals) == 1 }

// Any says whether every value fits, the empty one too.
func (v Value) Any() bool { return v.text == "*" }

// Covers says whether every value that fits w fits v, where that is certain: each wildcard of w lies within one of v.
func (v Value) Covers(w Value) bool {
	if v.glob.fold != w.glob.fold && !v.Any() {
		return false
	}
	return covers(valueTokens(v.text), valueTokens(w.text))
}

func valueTokens(text string) (tokens []token) {
	for _, c := range []byte(text) {
		if c == '*' {
			tokens = append(tokens, anything)
		} else {
			tokens = append(tokens, token(c))
		}
	}
	return tokens
}

// String returns the pattern, with fold in lower case.
func (v Value) String() string { return v.text }

// Fold says whether the case of ASCII letters makes no difference.
func (v Value) Fold() bool { return v.glob.fold }
