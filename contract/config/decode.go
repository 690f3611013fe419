package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"section.internal/contract/place"
	"section.internal/contract/printable"
)

// parse turns the content of the file into a tree of tables and the places of its keys. A text that is not TOML has one problem,
// its first: what stands behind that means nothing.
func parse(content []byte) (map[string]any, index, *Problem) {
	if looksLikeUTF16(content) {
		return nil, nil, at(position{1, 1}, fmt.Sprintf("byte 0x%02x at offset 0: this file looks like UTF-16: save it as UTF-8", content[0]))
	}
	text := strings.TrimPrefix(string(content), byteOrderMark) // some editors start a file with it
	if offset, message := notText(text); message != "" {
		b, inFile := text[offset], len(content)-len(text)+offset
		return nil, nil, atByte(text, offset, fmt.Sprintf("byte 0x%02x at offset %d: %s", b, inFile, message))
	}
	places, wrong, scanErr := scan(text)
	if beyond, ok := errors.AsType[*refusal](scanErr); ok {
		return nil, nil, at(beyond.position, beyond.message)
	}
	tree, err := decode(text)
	if err == nil {
		err = scanErr
	}
	var problem *Problem
	if err != nil {
		problem = syntaxProblem(text, places, err)
	}
	if wrong != nil && (problem == nil || !problem.before(wrong.position)) {
		problem = at(wrong.position, wrong.message)
	}
	return tree, places, problem
}

const byteOrderMark = "\ufeff"

// notText finds the first byte that no text may have and says why; "" when there is none.
func notText(text string) (offset int, message string) {
	if strings.HasPrefix(text, byteOrderMark) {
		return 0, "a second byte order mark: remove it" // the library would take it off without a word
	}
	for offset < len(text) {
		r, size := utf8.DecodeRuneInString(text[offset:])
		switch {
		case r == utf8.RuneError && size == 1:
			return offset, "not UTF-8: save the file as UTF-8"
		case r == '\r' && !strings.HasPrefix(text[offset:], "\r\n"):
			return offset, `carriage return without a line feed: end lines with "\n" or "\r\n"`
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			return offset, "control character: remove it"
		}
		offset += size
	}
	return 0, ""
}

// looksLikeUTF16 says whether the content starts as a text in UTF-16 does: with a byte order mark, or with an ASCII character
// that has a zero byte beside it.
func looksLikeUTF16(content []byte) bool {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return true
	}
	return len(content) >= 4 && len(content)%2 == 0 &&
		(content[0] == 0 && content[1] != 0 && content[2] == 0 || content[0] != 0 && content[1] == 0 && content[3] == 0)
}

// decode gives a text to the library. The library should never panic; should it meet a text with which it does, that text is
// refused like any other that it cannot read.
func decode(text string) (tree map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			tree, err = nil, errors.New(fmt.Sprint(r))
		}
	}()
	_, err = toml.Decode(text, &tree)
	return tree, err
}

// notValid starts every problem of a text that is not TOML.
const notValid = "not valid TOML: "

// syntaxProblem puts what the library said into one line.
func syntaxProblem(text string, places index, err error) *Problem {
	syntax, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return at(position{1, 1}, notValid+plain(err.Error(), 200))
	}
	// The library's columns count bytes and its lines can be off by one; its offsets are right, but for blanks before the token.
	offset := max(0, min(syntax.Position.Start, len(text)))
	offset += len(text[offset:]) - len(strings.TrimLeft(text[offset:], " \t"))
	p := positionOf(text, offset)

	if noValue.MatchString(syntax.Message) || afterValue.MatchString(syntax.Message) {
		if word, ok := wordAt(places, p); ok {
			return at(word.value, fmt.Sprintf("%s%s is no value: put text in quotes", notValid, plain(word.raw, maxShown)))
		}
	}
	return at(p, notValid+plain(inOurWords(syntax.Message, places), 200))
}

var (
	definedTwice = regexp.MustCompile(`^Key '(.*)' has already been defined\.$`)
	noValue      = regexp.MustCompile(`^expected value but found .* instead$|^unexpected EOF; expected value$`)
	afterValue   = regexp.MustCompile(`^expected a top-level item to end with a newline, comment, or EOF, but got (.*) instead$`)
	outOfRange   = regexp.MustCompile(`^(\S+) is out of range for (int64|float64)$`)
	openString   = regexp.MustCompile(`^strings cannot contain newlines$`)
)

// inOurWords says in words of this manual what the library says in those of its parser, where the mistake is a common one.
func inOurWords(message string, places index) string {
	if m := definedTwice.FindStringSubmatch(message); m != nil {
		if first, ok := places[m[1]]; ok {
			return secondTime(m[1], first)
		}
	}
	if m := afterValue.FindStringSubmatch(message); m != nil {
		return m[1] + " where the line should end: put it on a line of its own"
	}
	if m := outOfRange.FindStringSubmatch(message); m != nil {
		return printable.Cut(m[1], maxShown) + " is out of the range of all numbers (" + m[2] + ")"
	}
	switch {
	case noValue.MatchString(message):
		return "the value is missing"
	case openString.MatchString(message):
		return "the string is not closed on its line: add the closing quote"
	}
	if len(message) > 1 && message[1] >= 'a' && message[1] <= 'z' {
		message = strings.ToLower(message[:1]) + message[1:]
	}
	return strings.TrimRight(message, ".")
}

// wordAt returns the entry of a value that is written without quotes or brackets, and over or right behind which p is.
func wordAt(places index, p position) (entry, bool) {
	for _, e := range places {
		if e.raw == "" || strings.ContainsAny(e.raw[:1], "\"'[{") || e.value.line != p.line {
			continue
		}
		if e.value.column <= p.column && p.column <= e.value.column+int32(utf8.RuneCountInString(e.raw)) {
			return e, true
		}
	}
	return entry{}, false
}

// at returns a problem at a place of the file.
func at(p position, message string) *Problem {
	return &Problem{File: place.ConfigFileName, Line: int(p.line), Column: int(p.column), Message: message}
}

// atByte returns a problem at a byte of the file's text.
func atByte(text string, offset int, message string) *Problem {
	return at(positionOf(text, offset), message)
}
