package config

// The TOML library says where a syntax error is, but not where the keys of a good file are. This scanner finds them: it walks
// over the same text and notes the place of every key and value. It knows only as much of TOML as it needs to tell keys,
// strings, brackets and comments apart; what a value is, and whether a text is TOML at all, is the library's to say. It runs
// before the library, because it also bounds what the library is given: on a text that is not TOML it stops early, and then
// the library has the word.

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// position is a place in a text. Lines and columns count from 1, columns in characters.
type position struct{ line, column int32 }

// entry is where one key, or one element of an array, is written.
type entry struct {
	key   position // of the key where it is named first; of an element: its value
	value position // of the value; of a table that has no braces: its key
	raw   string   // the value as it is written; of a table that has no braces: ""
}

// index holds the entries of a text by their path (see join and item).
type index map[string]entry

// The bounds within which a text is read. They leave a configuration that people write, or generate, all the room it could want,
// and keep the library below a second and 64 MiB: its time and memory grow with the number of keys, how deep they are, and how
// long their paths are. (Measured at the bounds, whole process: 0.4 s on one core, 58 MiB.)
const (
	maxDepth  = 10      // keys and array elements on the way to a value
	maxPath   = 512     // bytes of a path
	maxValues = 80_000  // keys and array elements in all
	maxWeight = 9 << 20 // of all paths together; see weight
)

// weight is about what the library spends on a path: it keeps some as a list of names, with 25 bytes reserved for each.
func weight(path string, depth int) int { return len(path) + 32*depth }

// errNotTOML says that the scanner has met something that cannot be TOML.
var errNotTOML = errors.New("not TOML")

// refusal says why a text is not taken, and where. As an error of scan it is a bound that the text is beyond.
type refusal struct {
	position position
	message  string
}

func (e *refusal) Error() string { return e.message }

// join returns the path of a key in the table at parent; the path of the whole file is "". A name that TOML lets stand bare
// is written bare, any other in quotes.
func join(parent, name string) string {
	if !isBare(name) {
		name = strconv.Quote(name)
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// item returns the path of an element of the array at parent.
func item(parent string, n int) string { return parent + "[" + strconv.Itoa(n) + "]" }

func isBare(name string) bool {
	for i := range len(name) {
		if !isBareByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// scan returns the index of a text, and the first thing in it that the library takes, or loses, though it must not. The error is
// a *refusal, or errNotTOML; the index then holds what stands before.
func scan(text string) (index, *refusal, error) {
	s := &scanner{text: text, line: 1, column: 1, index: index{}, elements: map[string]int{}}
	err := s.document()
	return s.index, s.wrong, err
}

// scanner is a run over a text.
type scanner struct {
	text string
	at   int // the next byte

	// The place of the byte `placed`; it only moves forward, so that finding all places costs one walk over the text.
	placed       int
	line, column int32

	index    index
	weight   int            // of all paths in the index
	elements map[string]int // by path of an array of tables: how many of its [[headers]] were there
	wrong    *refusal       // the first; nil for none
}

// refuse notes something wrong that does not keep the rest from being scanned.
func (s *scanner) refuse(at position, message string) {
	if s.wrong == nil {
		s.wrong = &refusal{at, message}
	}
}

// part is one name of a dotted key.
type part struct {
	name string
	at   int
}

// where is a path under construction.
type where struct {
	path  string
	depth int
}

func (s *scanner) document() error {
	var table where
	for {
		s.skipLines()
		if s.at == len(s.text) {
			return nil
		}
		var err error
		if s.text[s.at] == '[' {
			table, err = s.header()
		} else {
			err = s.keyValue(table)
		}
		if err != nil {
			return err
		}
		s.skipBlanks()
		if s.at < len(s.text) && !strings.ContainsRune("\r\n#", rune(s.text[s.at])) {
			return errNotTOML
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the path of the table that the following keys belong to.
func (s *scanner) header() (where, error) {
	brackets := 1
	if strings.HasPrefix(s.text[s.at:], "[[") {
		brackets = 2
	}
	s.at += brackets
	parts, err := s.dottedKey()
	if err != nil {
		return where{}, err
	}
	if !strings.HasPrefix(s.text[s.at:], "]]"[:brackets]) {
		return where{}, errNotTOML
	}
	s.at += brackets

	last := len(parts) - 1
	table, err := s.tables(where{}, parts[:last])
	if err != nil {
		return where{}, err
	}
	if brackets == 1 {
		return s.tables(table, parts[last:])
	}
	array, err := s.named(table, parts[last])
	if err != nil {
		return where{}, err
	}
	n := s.elements[array.path]
	s.elements[array.path] = n + 1
	p := s.position(parts[last].at)
	return s.note(array, item(array.path, n), entry{key: p, value: p})
}

// keyValue reads key = value in a table.
func (s *scanner) keyValue(table where) error {
	parts, err := s.dottedKey()
	if err != nil {
		return err
	}
	if s.at == len(s.text) || s.text[s.at] != '=' {
		return errNotTOML
	}
	s.at++
	last := len(parts) - 1
	if table, err = s.tables(table, parts[:last]); err != nil {
		return err
	}
	key := s.position(parts[last].at)
	s.skipBlanks()
	value := s.position(s.at)
	path := join(table.path, parts[last].name)
	if first, known := s.index[path]; known {
		// The library lets an array take the place of a table that dotted keys have made, and forgets the table.
		s.refuse(key, notValid+secondTime(path, first))
	}
	in, err := s.note(table, path, entry{key: key, value: value})
	if err != nil {
		return err
	}
	return s.value(in)
}

// secondTime says that a path is set again.
func secondTime(path string, first entry) string {
	return fmt.Sprintf("%s is set a second time; the first is in line %d: remove one", quoteName(path), first.key.line)
}

// tables notes the tables that the parts of a key name one inside the other, and returns the innermost. An array of tables
// stands for its newest element.
func (s *scanner) tables(in where, parts []part) (where, error) {
	for _, p := range parts {
		var err error
		if in, err = s.named(in, p); err != nil {
			return where{}, err
		}
		if n := s.elements[in.path]; n > 0 {
			in = where{path: item(in.path, n-1), depth: in.depth + 1}
		}
	}
	return in, nil
}

// named notes a table, or an array of them, that stands for itself and has no value.
func (s *scanner) named(in where, p part) (where, error) {
	key, path := s.position(p.at), join(in.path, p.name)
	if first := s.index[path]; first.raw != "" {
		// The library lets a table that dotted keys make take the place of an array, and forgets the array.
		s.refuse(key, notValid+secondTime(path, first))
	}
	return s.note(in, path, entry{key: key, value: key})
}

// note keeps the entry of a path inside of another, unless the path is known already.
func (s *scanner) note(in where, path string, e entry) (where, error) {
	if _, known := s.index[path]; !known {
		switch {
		case in.depth == maxDepth:
			return where{}, &refusal{e.key, fmt.Sprintf("nested more than %d deep: use fewer levels", maxDepth)}
		case len(path) > maxPath:
			return where{}, &refusal{e.key, fmt.Sprintf("this key, with the tables it is in, is longer than %d bytes: use shorter names", maxPath)}
		case len(s.index) == maxValues:
			return where{}, &refusal{e.key, fmt.Sprintf("more than %d keys and array elements in one file: use fewer", maxValues)}
		case s.weight+weight(path, in.depth+1) > maxWeight:
			return where{}, &refusal{e.key, "too many keys that are deep or have long names: use fewer, fewer levels, or shorter names"}
		}
		s.index[path] = e
		s.weight += weight(path, in.depth+1)
	}
	return where{path: path, depth: in.depth + 1}, nil
}

// value reads a value and keeps it as the raw text of the path's entry.
func (s *scanner) value(in where) error {
	if s.at == len(s.text) {
		return errNotTOML
	}
	start := s.at
	var err error
	switch s.text[s.at] {
	case '"', '\'':
		err = s.string()
	case '[':
		err = s.array(in)
	case '{':
		err = s.inlineTable(in)
	default:
		end := strings.IndexAny(s.text[s.at:], ",]}#\r\n")
		if end < 0 {
			end = len(s.text) - s.at
		}
		s.at += len(strings.TrimRight(s.text[s.at:s.at+end], " \t"))
		if s.at == start {
			err = errNotTOML
		}
	}
	if e := s.index[in.path]; err == nil && e.raw == "" {
		e.raw = s.text[start:s.at]
		s.index[in.path] = e
	}
	return err
}

// array reads the elements of an array and its closing bracket.
func (s *scanner) array(in where) error {
	s.at++
	for n := 0; ; n++ {
		s.skipLines()
		if s.took(']') {
			return nil
		}
		p := s.position(s.at)
		element, err := s.note(in, item(in.path, n), entry{key: p, value: p})
		if err != nil {
			return err
		}
		if err := s.value(element); err != nil {
			return err
		}
		s.skipLines()
		if !s.took(',') {
			if s.took(']') {
				return nil
			}
			return errNotTOML
		}
	}
}

// inlineTable reads the keys of an inline table and its closing brace. Since TOML 1.1 it may span lines.
func (s *scanner) inlineTable(in where) error {
	s.at++
	for {
		s.skipLines()
		if s.took('}') {
			return nil
		}
		if err := s.keyValue(in); err != nil {
			return err
		}
		s.skipLines()
		if !s.took(',') {
			if s.took('}') {
				return nil
			}
			return errNotTOML
		}
	}
}

// position returns the place of a byte of the text. No earlier byte than that of the call before may be asked for.
func (s *scanner) position(at int) position {
	for s.placed < at {
		if s.text[s.placed] == '\n' {
			s.line, s.column = s.line+1, 0
		}
		_, size := utf8.DecodeRuneInString(s.text[s.placed:])
		s.placed += size
		s.column++
	}
	return position{s.line, s.column}
}

// positionOf returns the place of a byte of a text.
func positionOf(text string, at int) position {
	s := scanner{text: text, line: 1, column: 1}
	return s.position(min(at, len(text)))
}
