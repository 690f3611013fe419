package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText_LeavesNothingThatATerminalObeys(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	f("GET /ä HTTP/1.1", "GET /ä HTTP/1.1")
	f("\x1b[2J\r\n\t\x00\x7f", `\x1b[2J\r\n\t\x00\x7f`)
	f("\u009b1m", `\u009b1m`)               // the one-character form of ESC [
	f("a\u202eb\u200bc", `a\u202eb\u200bc`) // right to left from here, and a space of no width
	f("\xff\xfe", `\xff\xfe`)
	f("\ufffd", "\ufffd") // a replacement character is what was there
	f(`say "hi" \x1b`, `say "hi" \x1b`)
}

func TestCut_CountsCharactersAndSaysThatThereWereMore(t *testing.T) {
	f := func(in string, most int, want string) {
		t.Helper()
		if got := Cut(in, most); got != want {
			t.Errorf("Cut(%q, %d) = %q, want %q", in, most, got, want)
		}
	}
	f("", 0, "")
	f("abc", 3, "abc")
	f("abcd", 3, "abc…")
	f("äöüß", 3, "äöü…")
	f("\xff\xfe\xfd\xfc", 3, "\xff\xfe\xfd…")
}

func TestQuote_LeavesNothingThatATerminalObeys(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
	f("", `""`)
	f(`say "hi"`, `"say \"hi\""`)
	f("ä\x1b[2J\n\u202e", `"ä\x1b[2J\n\u202e"`)
	f("ä\xff", `"ä\xff"`)
	f(strings.Repeat("ä", 80), `"`+strings.Repeat("ä", 80)+`"`)
	f(strings.Repeat("ä", 81), `"`+strings.Repeat("ä", 80)+`…"`)
}

func FuzzText(f *testing.F) {
	f.Add("\x1b]0;title\x07")
	f.Add("a\xffb\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) {
			t.Errorf("Text(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || !unicode.IsPrint(r) {
				t.Errorf("Text(%q) = %q has %q", s, got, r)
			}
		}
		if again := Text(got); again != got {
			t.Errorf("Text changes its own output %q to %q", got, again)
		}
	})
}
