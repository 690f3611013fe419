package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file holds the scanner's tokens: dotted keys, strings, and what stands between tokens.

// dottedKey reads the names of a key, and the blanks around them.
func (s *scanner) dottedKey() ([]part, error) {
	var parts []part
	for {
		s.skipBlanks()
		p := part{at: s.at}
		switch {
		case s.at == len(s.text):
			return nil, errNotTOML
		case s.text[s.at] == '"' || s.text[s.at] == '\'':
			if err := s.shortString(); err != nil {
				return nil, err
			}
			name, err := unquote(s.text[p.at:s.at])
			if err != nil {
				return nil, err
			}
			if name == "" {
				// TOML allows it, but of an array under such a name the library loses elements.
				s.refuse(s.position(p.at), `a key with an empty name: give it one`)
			}
			p.name = name
		default:
			for s.at < len(s.text) && isBareByte(s.text[s.at]) {
				s.at++
			}
			if p.name = s.text[p.at:s.at]; p.name == "" {
				return nil, errNotTOML
			}
		}
		if len(parts) == maxDepth {
			return nil, &refusal{s.position(p.at), fmt.Sprintf("nested more than %d deep: use fewer levels", maxDepth)}
		}
		parts = append(parts, p)
		s.skipBlanks()
		if !s.took('.') {
			return parts, nil
		}
	}
}

// string reads a string of any of the four kinds.
func (s *scanner) string() error {
	quote := s.text[s.at : s.at+1]
	if !strings.HasPrefix(s.text[s.at:], strings.Repeat(quote, 3)) {
		return s.shortString()
	}
	for s.at += 3; s.at < len(s.text); {
		switch {
		case s.text[s.at] == '\\' && quote == `"`:
			s.at = min(s.at+2, len(s.text))
		case strings.HasPrefix(s.text[s.at:], strings.Repeat(quote, 3)):
			// Up to two quotes may stand before the closing three; all that follow each other belong to the string.
			for s.took(quote[0]) {
			}
			return nil
		default:
			s.at++
		}
	}
	return errNotTOML
}

// shortString reads a string that ends on its line.
func (s *scanner) shortString() error {
	quote := s.text[s.at]
	for s.at++; s.at < len(s.text) && s.text[s.at] != '\n'; {
		switch {
		case s.text[s.at] == '\\' && quote == '"':
			s.at = min(s.at+2, len(s.text))
		case s.took(quote):
			return nil
		default:
			s.at++
		}
	}
	return errNotTOML
}

// took steps over the next byte if it is c.
func (s *scanner) took(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// skipBlanks steps over what may stand between two tokens of a line.
func (s *scanner) skipBlanks() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t') {
		s.at++
	}
}

// skipLines steps over blanks, ends of lines and comments.
func (s *scanner) skipLines() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		case '#':
			end := strings.IndexByte(s.text[s.at:], '\n')
			if end < 0 {
				end = len(s.text) - s.at
			}
			s.at += end
		default:
			return
		}
	}
}

// unquote returns the name that a quoted key stands for.
func unquote(s string) (string, error) {
	inner := s[1 : len(s)-1]
	if s[0] == '\'' || !strings.Contains(inner, `\`) {
		return inner, nil
	}
	var b strings.Builder
	for inner != "" {
		before, after, escaped := strings.Cut(inner, `\`)
		b.WriteString(before)
		if !escaped {
			break
		}
		if after == "" {
			return "", errNotTOML
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[after[0]]
		if digits == 0 {
			i := strings.IndexByte(`btnfre"\`, after[0])
			if i < 0 {
				return "", errNotTOML
			}
			b.WriteByte("\b\t\n\f\r\x1b\"\\"[i])
			inner = after[1:]
			continue
		}
		if len(after) < 1+digits {
			return "", errNotTOML
		}
		r, err := strconv.ParseUint(after[1:1+digits], 16, 32)
		if err != nil || r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return "", errNotTOML
		}
		b.WriteRune(rune(r))
		inner = after[1+digits:]
	}
	return b.String(), nil
}
