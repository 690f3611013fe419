package main

import (
	"strings"
	"testing"
	"time"
)

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
