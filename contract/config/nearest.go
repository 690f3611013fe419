package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// hint returns what to do about an unknown name: the nearest of those that are known or, when none is near, all of them.
func hint(unknown, whatTheyAre string, known []string, full func(string) string) string {
	if near := nearest(unknown, known); near != "" {
		return fmt.Sprintf("did you mean %q?", full(near))
	}
	return whatTheyAre + " " + strings.Join(known, ", ")
}

// nearest returns the candidate that is the fewest edits away from s or, failing that, the only one that begins as s does or with
// which s begins; "" when none is near enough to be meant.
func nearest(s string, candidates []string) string {
	best, bestDistance := "", 0
	for _, c := range candidates {
		length := utf8.RuneCountInString(c)
		limit := max(1, min(3, length/3))
		if utf8.RuneCountInString(s) > length+limit {
			continue
		}
		if d := distance(strings.ToLower(s), c); d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	if best == "" && utf8.RuneCountInString(s) >= 3 {
		best = onlyByPrefix(strings.ToLower(s), candidates)
	}
	return best
}

// onlyByPrefix returns the candidate that starts with s, or s with it, when there is exactly one.
func onlyByPrefix(s string, candidates []string) string {
	only := ""
	for _, c := range candidates {
		if strings.HasPrefix(c, s) || len(c) >= 3 && strings.HasPrefix(s, c) {
			if only != "" {
				return ""
			}
			only = c
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
