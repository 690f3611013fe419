package percent

import (
	"fmt"
	"strings"
	"testing"
)

func TestAppend_IsWhatDecodeReadsInAnyCase(t *testing.T) {
	for b := range 256 {
		c := byte(b)
		encoded := string(Append([]byte("x"), c))
		if want := fmt.Sprintf("x%%%02X", c); encoded != want {
			t.Errorf("%q became %q; want %q", c, encoded, want)
		}
		for _, text := range []string{encoded[1:], strings.ToLower(encoded[1:]), encoded[1:] + "1"} {
			if !Begins(text) || Decode(text) != c {
				t.Errorf("%q became %q; want %q", text, Decode(text), c)
			}
			if bytes := []byte(text); !Begins(bytes) || Decode(bytes) != c {
				t.Errorf("%q as bytes became %q; want %q", text, Decode(bytes), c)
			}
		}
	}
}

func TestBegins_WantsAPercentSignAndTwoDigits(t *testing.T) {
	for _, text := range []string{"", "%", "%4", "41%", "a%41", "%%41", "% 41", "%+1", "%-1", "%0x41"} {
		if Begins(text) || Begins([]byte(text)) {
			t.Errorf("%q is taken for an encoded byte", text)
		}
	}
	for b := range 256 {
		digit := string([]byte{byte(b)})
		want := strings.Contains("0123456789abcdefABCDEF", digit)
		for _, text := range []string{"%" + digit + "0", "%0" + digit} {
			if Begins(text) != want {
				t.Errorf("Begins(%q) is %v", text, !want)
			}
		}
	}
}
