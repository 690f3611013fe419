package main

import "testing"

func TestSequence_TellsOfMissingLinesAndOfRestarts(t *testing.T) {
	var s sequence
	f := func(seq field, want string) {
		t.Helper()
		if got := s.next(seq); got != want {
			t.Errorf("next(%s) = %q, want %q", seq, got, want)
		}
	}
	f("40", "") // where one begins to read, nothing is missing
	f("41", "")
	f("43", "1 line is missing: seq goes from 41 to 43")
	f("53", "9 lines are missing: seq goes from 43 to 53")
	f("", "")
	f("many", "")
	f("54", "")
	f("1", "proxyd was restarted after seq 54")
	f("2", "")
	f("2", "proxyd was restarted after seq 2, and 1 line is missing: seq goes on with 2")
	f("18446744073709551615", "18446744073709551612 lines are missing: seq goes from 2 to 18446744073709551615")
}
