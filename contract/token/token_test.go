package token

import (
	"strings"
	"testing"
)

func TestIs_HoldsForVisibleBytesWithoutDelimiters(t *testing.T) {
	// RFC 9110 section 5.6.2 says it twice: by what may stand there, as the code does, and by what delimits.
	const delimiters = `"(),/:;<=>?@[\]{}`
	for b := range 256 {
		c := byte(b)
		want := c > ' ' && c < 0x7f && strings.IndexByte(delimiters, c) < 0
		if got := IsByte(c); got != want {
			t.Errorf("IsByte(%q) = %v", c, got)
		}
		for _, s := range []string{string([]byte{c}), string([]byte{'a', c}), string([]byte{c, 'a'})} {
			if got := Is(s); got != want {
				t.Errorf("Is(%q) = %v", s, got)
			}
		}
	}
	if Is("") {
		t.Error("nothing is a token")
	}
}
