// Package nearest owns "did you mean": which of the known names somebody wanted who wrote another one.
package nearest

import (
	"strings"
	"unicode/utf8"
)

// Of returns the name that is the fewest edits away from s, in any case: at most a third of the name's length, at least one and
// at most three. Failing that it returns the only name that begins as s does or with which s begins, from three characters on;
// "" when none is near enough to be meant. Of two that are equally near the first is returned.
func Of(s string, names []string) string {
	s = strings.ToLower(s)
	best, bestDistance := "", 0
	for _, name := range names {
		length := utf8.RuneCountInString(name)
		limit := max(1, min(3, length/3))
		if utf8.RuneCountInString(s) > length+limit { // and s may be of any length
			continue
		}
		if d := distance(s, strings.ToLower(name)); d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		best = onlyByPrefix(s, names)
	}
	return best
}

// onlyByPrefix returns the name that starts with s, or s with it, when there is exactly one.
func onlyByPrefix(s string, names []string) string {
	only := ""
	for _, name := range names {
		lower := strings.ToLower(name)
		if len(s) >= 3 && strings.HasPrefix(lower, s) || len(lower) >= 3 && strings.HasPrefix(s, lower) {
			if only != "" {
				return ""
			}
			only = name
		}
	}
	return only
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
