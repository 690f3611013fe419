package main

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestColumnsOf_ShowsALineAndNothingATerminalObeys(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		r, err := parseRecord([]byte(line))
		if got := columnsOf([]byte(line), r, err); got != want {
			t.Errorf("%s:\n got %q\nwant %q", line, got, want)
		}
	}
	f(`{"time":"2025-11-21T12:00:00.123Z","client":"203.0.113.0","status":"200","cache":"pass","reason":"passed","time_taken_ms":"12","bytes":"5120","hostname":"www.example.com","request":"GET /a?b=c HTTP/1.1","seq":"7"}`,
		"2025-11-21T12:00:00.123Z  203.0.113.0      200     pass   passed                         12       5120  www.example.com           GET /a?b=c HTTP/1.1")
	f(`{"time":"t","request":"GET /\u001b]0;x\u0007\r\n HTTP/1.1","status":502,"hostname":""}`,
		`t                         -                502     -      -                               -          -  -                         GET /\x1b]0;x\a\r\n HTTP/1.1`)
	f("{\"time\":\"t{\"time\":\"t\x1b", `? {"time":"t{"time":"t\x1b`) // two lines, the first torn by a crash
	f("{\"time\":\"\xff\"}", `? {"time":"\xff"}`)
	f("", "? ")
}

func FuzzColumnsOf(f *testing.F) {
	f.Add([]byte(`{"time":"\u202e","request":"GET / HTTP/1.1","status":[1,"\u001b"],"seq":1}`))
	f.Add([]byte("\x1b[2J"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		got := columnsOf(line, r, err)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", line, got)
		}
	})
}
