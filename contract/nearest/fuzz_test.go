package nearest

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzOf: nothing but a known name is proposed, a name itself is always found, and what is proposed is near or shares a beginning. A
// distance is the same in both directions, and no longer than the longer text.
func FuzzOf(f *testing.F) {
	for _, s := range []string{"pong", "loglevel", "Update", "", "\xff", "ſ", "K"} {
		f.Add(s, "ping updateenvironment log-level")
	}
	f.Fuzz(func(t *testing.T, s, list string) {
		if len(s) > 200 || len(list) > 400 {
			return
		}
		names := strings.Fields(list)
		got := Of(s, names)
		if got == "" {
			if slices.Contains(names, s) {
				t.Errorf("%q is not found in %q", s, names)
			}
			return
		}
		if !slices.Contains(names, got) {
			t.Fatalf("%q of %q is none", got, names)
		}
		if slices.Contains(names, s) && !strings.EqualFold(got, s) {
			t.Errorf("for %q, which is there, %q is proposed", s, got)
		}
		x, y := strings.ToLower(s), strings.ToLower(got)
		d, longer := distance(x, y), max(utf8.RuneCountInString(x), utf8.RuneCountInString(y))
		if d > max(1, min(3, utf8.RuneCountInString(got)/3)) && !strings.HasPrefix(x, y) && !strings.HasPrefix(y, x) {
			t.Errorf("for %q %q is proposed, %d edits away", s, got, d)
		}
		if back := distance(y, x); back != d || d > longer || d == 0 != slices.Equal([]rune(x), []rune(y)) {
			t.Errorf("%q and %q are %d edits apart, and %d back", x, y, d, back)
		}
	})
}
