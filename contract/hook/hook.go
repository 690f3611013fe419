// Package hook owns how a tool ends: in silence and with exit code 0 when all went well, otherwise with the reason as plain
// lines on stderr and an exit code that tells a failure from a misuse of the command line.
package hook

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The exit codes of every tool.
const (
	OK      = 0
	Failed  = 1 // the job could not be done; the reason is on stderr
	Misused = 2 // the command line is wrong; nothing was done
)

// MisuseError is a command line that the tool does not understand.
type MisuseError struct{ Err error }

func (e *MisuseError) Error() string { return e.Err.Error() }
func (e *MisuseError) Unwrap() error { return e.Err }

// Misuse returns a MisuseError with a formatted text.
func Misuse(format string, args ...any) error {
	return &MisuseError{Err: fmt.Errorf(format, args...)}
}

// Plain marks an error whose lines already say where they belong, such as the problems of a configuration that each start with
// a file name: Exit prints them without the name of the tool.
type Plain struct{ Err error }

func (e *Plain) Error() string { return e.Err.Error() }
func (e *Plain) Unwrap() error { return e.Err }

// Exit writes why the tool ends to stderr, a line for each line of err with the tool's name before it, and returns the exit
// code. A nil err writes nothing.
func Exit(stderr io.Writer, tool string, err error) int {
	if err == nil {
		return OK
	}
	prefix := tool + ": "
	if _, plain := errors.AsType[*Plain](err); plain {
		prefix = ""
	}
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			fmt.Fprintf(stderr, "%s%s\n", prefix, line)
		}
	}
	if _, misuse := errors.AsType[*MisuseError](err); misuse {
		fmt.Fprintf(stderr, "%stry '%s --help'\n", prefix, tool)
		return Misused
	}
	return Failed
}
