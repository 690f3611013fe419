package config

import (
	"fmt"
	"strings"

	"section.internal/contract/printable"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File    string // relative to the directory; the directory as it was given when that itself is the problem
	Line    int    // from 1; 0 when the problem is the file as a whole
	Column  int    // from 1, in characters; 0 when Line is
	Message string // one line, of printable characters alone
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// before says whether the problem stands before a position of the same file.
func (p Problem) before(at position) bool {
	return p.Line < int(at.line) || p.Line == int(at.line) && p.Column < int(at.column)
}

// Problems is the error of Load: everything that is wrong, in the order of the file. It is never empty.
type Problems []Problem

// Error returns a line for each problem: file:line:column: message.
func (ps Problems) Error() string { return strings.Join(ps.Lines(), "\n") }

// Lines returns each problem as a line without an end.
func (ps Problems) Lines() []string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return lines
}

// maxShown is how many characters of what a user wrote a message repeats as they are.
const maxShown = 80

// plain returns s on one line, cut where it is longer than a number of characters, with nothing in it that a terminal could
// take for a command.
func plain(s string, most int) string { return printable.Text(printable.Cut(s, most)) }
