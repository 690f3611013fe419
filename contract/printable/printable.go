// Package printable owns how what came from the network or from a file is shown on a terminal: so that nothing in it is obeyed.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns s with everything that a terminal could obey, or that a reader could not see, written as an escape: control
// characters, changes of the writing direction, spaces other than the plain one, bytes that are not UTF-8.
func Text(s string) string {
	clean := true
	for _, r := range s {
		clean = clean && r != utf8.RuneError && strconv.IsPrint(r)
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			quoted := strconv.Quote(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
