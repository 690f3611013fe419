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

// maxQuoted is how many characters of a value a message repeats.
const maxQuoted = 80

// Quote returns s in quotes, cut where it is too long for a message. Nothing in it is obeyed by a terminal either.
func Quote(s string) string { return strconv.Quote(Cut(s, maxQuoted)) }

// Cut returns s, or as many characters of it as given and "…" where it has more. What a terminal could obey stays in it.
func Cut(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
