package config

import (
	"fmt"
	"strings"

	"section.internal/contract/printable"
	"section.internal/contract/token"
)

// notToken returns the first byte of s that no token has, and what to say about it. s is no token.
func notToken(s, what string) (offset int, message string) {
	if s == "" {
		return 0, "empty: want " + what
	}
	for offset < len(s) && token.IsByte(s[offset]) {
		offset++
	}
	for _, r := range s[offset:] {
		return offset, fmt.Sprintf("%q cannot stand there: want %s, of letters, digits and %s", r, what, token.Marks)
	}
	panic("BUG: a token is called none")
}

// token reads a word.
func (c *checker) token(k *key, n node) string {
	s, ok := c.text(k, n)
	if !ok {
		return ""
	}
	if !token.Is(s) {
		offset, message := notToken(s, k.syntax())
		c.wrongInside(n, offset, message)
	}
	return s
}

// isFieldName checks the name of a field that is the value of n.
func (c *checker) isFieldName(n node, s string) bool {
	switch {
	case token.Is(s):
		return true
	case strings.HasSuffix(s, ":") && token.Is(s[:len(s)-1]):
		c.wrongInside(n, len(s)-1, fmt.Sprintf("want the name without the colon; did you mean %q?", s[:len(s)-1]))
	default:
		offset, message := notToken(s, `the name of a field such as "Set-Cookie"`)
		c.wrongInside(n, offset, message)
	}
	return false
}

// isFieldKey checks the name of a field that is the key of n.
func (c *checker) isFieldKey(n node, name string) bool {
	if token.Is(name) {
		return true
	}
	c.add(n.entry.key, func() string {
		_, message := notToken(name, `the name of a field such as "Set-Cookie"`)
		return fmt.Sprintf("%s: %s", n.label(), message)
	})
	return false
}

// fieldNames reads a list of names, none of which stands there twice.
func (c *checker) fieldNames(k *key, n node) []string {
	var names []string
	c.fieldNamesEach(k, n, func(name string, n node) { names = append(names, name) })
	if names == nil && k.emptyToo {
		names = []string{}
	}
	return names
}

func (c *checker) fieldNamesEach(k *key, n node, read func(name string, n node)) {
	seen := map[string]bool{}
	c.texts(k, n, func(s string, n node) {
		if !c.isFieldName(n, s) {
			return
		}
		if lower := strings.ToLower(s); seen[lower] {
			c.wrong(n, "is named twice: remove one")
		} else {
			seen[lower] = true
			read(s, n)
		}
	})
}

// fieldKeys calls read for each name of a table of fields, none of which stands there twice.
func (c *checker) fieldKeys(k *key, n node, read func(name string, n node)) {
	seen := map[string]string{}
	c.named(k, n, func(name string, n node) {
		if !c.isFieldKey(n, name) {
			return
		}
		lower := strings.ToLower(name)
		if other, twice := seen[lower]; twice {
			c.add(n.entry.key, func() string {
				return fmt.Sprintf("%s: the same field as %s, since case does not count: remove one", n.label(), printable.Quote(other))
			})
			return
		}
		seen[lower] = name
		read(name, n)
	})
}

// fieldValue reads a value without placeholders.
func (c *checker) fieldValue(n node, s string) bool {
	for i, r := range s {
		if r < ' ' && r != '\t' || r == 0x7f {
			c.wrongInside(n, i, fmt.Sprintf("%q cannot stand in a field: want printable characters", r))
			return false
		}
	}
	if s != strings.Trim(s, " \t") {
		c.wrong(n, "begins or ends with a space, which is lost on the way: remove it")
		return false
	}
	return true
}

// side is whose header section a rule changes.
type side int

const (
	requestSide side = iota
	responseSide
)

// untouchable are the fields that no rule may set, add or remove, and why.
var untouchable = map[string]string{
	"connection":        "it is about one connection, and made for each",
	"keep-alive":        "it is about one connection, and made for each",
	"proxy-connection":  "it is about one connection, and made for each",
	"te":                "it is about one connection, and made for each",
	"trailer":           "it says how the body comes, which no rule changes",
	"transfer-encoding": "it says how the body comes, which no rule changes",
	"content-length":    "it says how the body comes, which no rule changes",
	"upgrade":           "it is about one connection, and made for each",
	"host":              "next-hop gets the host that was asked for; the action origin chooses another origin",
	"via":               "each proxy adds itself to it",
	"expect":            "it is about the body that a client waits to send",
	"max-forwards":      "each proxy counts it down",
	"section-io-id":     "the platform follows requests by it",
}

// mayChange keeps a problem for a field that no rule may change. at is where its name is written.
func (c *checker) mayChange(n node, at position, of side, name string) bool {
	why := untouchable[strings.ToLower(name)]
	if of == responseSide && strings.EqualFold(name, "Date") {
		why = "it says when the answer was made"
	}
	if why == "" {
		return true
	}
	c.add(at, func() string {
		return fmt.Sprintf("%s: no rule may change %s, since %s: remove it", n.label(), printable.Quote(name), why)
	})
	return false
}
