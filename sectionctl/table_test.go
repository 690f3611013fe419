package main

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestPrintable_LeavesNothingThatATerminalObeys(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
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

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;title\x07")
	f.Add("a\xffb\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if !utf8.ValidString(got) {
			t.Errorf("printable(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || !unicode.IsPrint(r) {
				t.Errorf("printable(%q) = %q has %q", s, got, r)
			}
		}
		if again := printable(got); again != got {
			t.Errorf("printable changes its own output %q to %q", got, again)
		}
	})
}

func TestTable_AlignsByCharactersAndEscapesCells(t *testing.T) {
	var tab table
	tab.row("ä", "b")
	tab.row("long", "x\x1b[m\nfake  row")
	tab.row("empty", "")
	var out strings.Builder
	if err := tab.print(&out); err != nil {
		t.Fatal(err)
	}
	want := "ä      b\nlong   x\\x1b[m\\nfake  row\nempty\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

func TestSpanAndSize_UseTheLargestUnits(t *testing.T) {
	s := func(d time.Duration, want string) {
		t.Helper()
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	s(-time.Second, "0s") // clocks differ
	s(59*time.Second, "59s")
	s(61*time.Second, "1m 1s")
	s(3*time.Hour+12*time.Minute+9*time.Second, "3h 12m")
	s(49*time.Hour, "2d 1h")
	n := func(bytes uint64, want string) {
		t.Helper()
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
	n(1023, "1023 B")
	n(1024, "1.0 KiB")
	n(20<<20, "20.0 MiB")
	n(3<<30/2, "1.5 GiB")
	n(5<<40, "5.0 TiB")
	n(5<<50, "5120.0 TiB")
}
