package config

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// generator writes texts out of TOML's grammar, with so few names that tables, arrays and keys meet again and again: that is where
// readers of TOML differ. Bytes that are changed at random seldom get that far.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) key() string {
	parts := make([]string, 1+g.IntN(3))
	for i := range parts {
		parts[i] = g.one("a", "b", "c", `"a"`, "'b'", `"\u0063"`)
	}
	return strings.Join(parts, g.one(".", " . "))
}

func (g generator) gap() string { return g.one("", "\n", " # x]}\n", " ", "\r\n") }

// list returns up to two items within brackets, with or without a comma at the end.
func (g generator) list(brackets string, item func() string) string {
	s := brackets[:1]
	for n := g.IntN(3); n > 0; n-- {
		s += g.gap() + item() + g.gap()
		if n > 1 || g.IntN(4) == 0 {
			s += ","
		}
	}
	return s + g.gap() + brackets[1:]
}

func (g generator) value(depth int) string {
	n := g.IntN(8)
	switch {
	case n < 2 && depth > 0:
		return g.list("[]", func() string { return g.value(depth - 1) })
	case n < 5 && depth > 0:
		return g.list("{}", func() string { return g.key() + " = " + g.value(depth-1) })
	}
	return g.one("1", "'x'", `"y\""`, `""`, "\"\"\"\n[a]\\\"\"\"\"\"", "'''\n#'''''", "1979-05-27 07:32:00 ", "inf", "-1_0.5", "true")
}

func (g generator) text() string {
	s := ""
	for range 1 + g.IntN(5) {
		switch g.IntN(5) {
		case 0:
			s += "[" + g.key() + "]"
		case 1:
			s += "[[" + g.key() + "]]"
		default:
			s += g.key() + "=" + g.value(3)
		}
		s += g.one("\n", " # c\n", "\r\n")
	}
	return s
}

func TestParse_LosesNothingOfWhatItTakes(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	taken := 0
	for range 10_000 {
		text := g.text()
		tree, places, problem := parse([]byte(text))
		if problem != nil {
			continue
		}
		taken++
		values := map[string]any{}
		flatten(values, "", tree)
		if got, want := slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(places)); !slices.Equal(got, want) {
			t.Fatalf("%q:\nwritten %q\ntaken   %q", text, want, got)
		}
	}
	if taken < 2000 {
		t.Errorf("%d texts of 10000 were taken: the generator no longer tests anything", taken)
	}
}
