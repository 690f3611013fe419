package ascii

import (
	"bytes"
	"testing"
)

func TestEqualFold_KnowsTheLettersOfASCIIAlone(t *testing.T) {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	for a := range 256 {
		for b := range 256 {
			x, y := byte(a), byte(b)
			want := x == y || letter(x) && letter(y) && x^y == 0x20
			s, r := []byte{'x', x}, []byte{'X', y}
			if EqualFold(s, r) != want || EqualFold(string(s), r) != want || EqualFold(s, string(r)) != want || EqualFold(string(s), string(r)) != want {
				t.Errorf("EqualFold(%q, %q) is not %v", s, r, want)
			}
		}
	}
	f := func(a, b string, want bool) {
		t.Helper()
		if EqualFold(a, b) != want {
			t.Errorf("EqualFold(%q, %q) is not %v", a, b, want)
		}
	}
	f("", "", true)
	f("a", "", false)
	f("", "a", false)
	f("Host", "hosts", false)
	f("\u212a", "k", false)
	f("É", "é", false)
}

func TestLower_ChangesUpperCaseLettersAlone(t *testing.T) {
	for b := range 256 {
		c := byte(b)
		want := c
		if i := bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), c); i >= 0 {
			want = "abcdefghijklmnopqrstuvwxyz"[i]
		}
		s := []byte{'a', c}
		if Lower(c) != want || string(AppendLower([]byte("-"), s)) != "-a"+string([]byte{want}) || HasUpper(s) != (want != c) ||
			ToLower(string(s)) != "a"+string([]byte{want}) {
			t.Errorf("%q: became %q, as a part %q, HasUpper %v", c, Lower(c), AppendLower(nil, s), HasUpper(s))
		}
		if !EqualLower(s, "a"+string([]byte{want})) || EqualLower(s, "b"+string([]byte{want})) || EqualLower(s, "a") || EqualLower(s[:1], "aa") {
			t.Errorf("EqualLower(%q) is wrong", s)
		}
	}
}
