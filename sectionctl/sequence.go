package main

import (
	"fmt"
	"strconv"
)

// sequence watches the numbers that proxyd gives its access log lines, 1 at its start and one more with each line, and so knows
// of lines that are missing. Its zero value has seen no line.
type sequence struct{ newest uint64 }

// next takes the number of the next line and returns what is to be said about it: nothing, most of the time.
func (s *sequence) next(text field) string {
	seq, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || seq == 0 {
		return ""
	}
	before := s.newest
	s.newest = seq
	switch {
	case before == 0 || seq == before+1:
		return ""
	case seq > before:
		return fmt.Sprintf("%s missing: seq goes from %d to %d", lines(seq-before-1), before, seq)
	case seq == 1:
		return fmt.Sprintf("proxyd was restarted after seq %d", before)
	}
	return fmt.Sprintf("proxyd was restarted after seq %d, and %s missing: seq goes on with %d", before, lines(seq-1), seq)
}

func lines(n uint64) string {
	if n == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", n)
}
