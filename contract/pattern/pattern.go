// Package pattern owns the patterns that a configuration matches paths, hosts and other values with. A parsed pattern never changes
// and may be used from anywhere; matching allocates nothing, and takes at most as many steps as the lengths of pattern and value
// multiplied: no value, however it is made, is compared twice with the same part of a pattern at the same place.
package pattern

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLength is how long a pattern may be. It bounds what one comparison can cost.
const maxLength = 1024

// Error is why a text is no pattern.
type Error struct {
	Offset  int    // in bytes of the text
	Message string // what is wrong there, and what is accepted
}

func (e *Error) Error() string { return e.Message }

func errorAt(offset int, format string, args ...any) *Error {
	return &Error{offset, fmt.Sprintf(format, args...)}
}

// checkText finds what is wrong with any pattern: it is empty, too long, or holds what no value holds.
func checkText(text, example string) *Error {
	if text == "" {
		return errorAt(0, "empty: want a pattern such as %s", example)
	}
	if len(text) > maxLength {
		return errorAt(maxLength, "longer than %d bytes: want a shorter pattern", maxLength)
	}
	for i, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return errorAt(i, "%q: want printable characters", r)
		}
	}
	return nil
}

// starsAt returns how many "*" stand at the beginning of text.
func starsAt(text string) int { return len(text) - len(strings.TrimLeft(text, "*")) }
