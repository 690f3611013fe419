package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"section.internal/contract/nearest"
	"section.internal/contract/printable"
)

// This file holds what reads the values of all tables below [[rule]] and [[test]]: each kind of value, and tables, in one way. What is
// wrong with one is kept; the value is then the zero value, or less than the file has.

// node is one value of the file.
type node struct {
	path  string // in the index
	value any
	entry entry
}

func (c *checker) node(path string, value any) node { return node{path, value, c.places[path]} }

func (c *checker) child(n node, name string, value any) node {
	return c.node(join(n.path, name), value)
}

// label returns what messages call a node: its path without the numbers of rules and of elements. The place tells those.
func (n node) label() string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(n.path); i++ {
		switch c := n.path[i]; {
		case c == '\\' && quoted && i+1 < len(n.path):
			b.WriteByte(c)
			i++
		case c == '"':
			quoted = !quoted
		case c == '[' && !quoted:
			i += strings.IndexByte(n.path[i:], ']')
			continue
		}
		b.WriteByte(n.path[i])
	}
	return printable.Cut(b.String(), 2*maxShown)
}

// complain keeps what is wrong with a value, unless that is nothing.
func (c *checker) complain(n node, wrong complaint) {
	if wrong != nil {
		c.add(n.entry.value, func() string { return wrong(n.label(), n.entry) })
	}
}

// wrong keeps what is wrong with a string: file:line:column: label = "string": message.
func (c *checker) wrong(n node, message string) {
	c.add(n.entry.value, func() string {
		return fmt.Sprintf("%s = %s: %s", n.label(), literal(n.value, n.entry), plain(message, maxMessage))
	})
}

// maxMessage is how many characters a message of a parser may have.
const maxMessage = 600

// wrongInside keeps what is wrong with a string at one of its bytes.
func (c *checker) wrongInside(n node, offset int, message string) {
	at, exact := n.inside(offset)
	c.add(at, func() string {
		if !exact && offset > 0 {
			message += " (" + n.atCharacter(offset) + ")"
		}
		return fmt.Sprintf("%s = %s: %s", n.label(), literal(n.value, n.entry), plain(message, maxMessage))
	})
}

// inside returns the place of a byte of a string. Where the string is written with escapes or over several lines, that is the place of
// the value, and not exact.
func (n node) inside(offset int) (at position, exact bool) {
	at = n.entry.value
	s, _ := n.value.(string)
	if raw := n.entry.raw; len(raw) == len(s)+2 && raw[1:len(raw)-1] == s && 0 <= offset && offset <= len(s) {
		at.column += 1 + int32(utf8.RuneCountInString(s[:offset]))
		return at, true
	}
	return at, false
}

// atCharacter names a byte of a string.
func (n node) atCharacter(offset int) string {
	s, _ := n.value.(string)
	return fmt.Sprintf("at character %d", utf8.RuneCountInString(s[:max(0, min(offset, len(s)))])+1)
}

// wrongTable keeps what is wrong with a table as a whole.
func (c *checker) wrongTable(n node, message string) {
	c.add(n.entry.key, func() string { return n.label() + " " + message })
}

// fields calls read for each key that the table at n has and its description knows, in the order of the description. It says
// whether n is a table at all.
func (c *checker) fields(t *table, n node, read func(k *key, n node)) bool {
	in, isTable := n.value.(map[string]any)
	if !isTable {
		c.complain(n, func(name string, e entry) string {
			message := fmt.Sprintf("%s: want a table such as %s", describe(name, n.value, e), t.eg)
			if s, isString := n.value.(string); isString && t.name == "match" && strings.HasPrefix(s, "/") {
				message += fmt.Sprintf("; did you mean { path = %s }?", printable.Quote(s))
			}
			return message
		})
		return false
	}
	known := 0
	for i := range t.keys {
		k := &t.keys[i]
		if value, ok := in[k.name]; ok {
			known++
			read(k, c.child(n, k.name, value))
		} else if k.required {
			c.wrongTable(n, fmt.Sprintf("has no %s: write %s = %s", k.name, k.name, k.sample()))
		}
	}
	if known < len(in) {
		c.unknown(t, n, in)
	}
	if t.atLeastOne != "" && len(in) == 0 {
		c.wrongTable(n, t.atLeastOne)
	}
	return true
}

// sample returns an example of the key's value, of a table that of the table.
func (k *key) sample() string {
	if k.kind == kindTable {
		return nestedTable(k.of).eg
	}
	return k.eg
}

// unknown keeps a problem for each key of a table that its description does not know.
func (c *checker) unknown(t *table, n node, in map[string]any) {
	for name := range in {
		if t.find(name) != nil {
			continue
		}
		child := c.child(n, name, nil)
		c.add(child.entry.key, func() string {
			return fmt.Sprintf("unknown key %s; %s", quoteName(child.label()), t.hint(name, n.label()))
		})
	}
}

// hint returns what to do about an unknown key of the table that messages call label.
func (t *table) hint(name, label string) string {
	// One that stands a level too high is told where it belongs.
	var below []string
	for _, k := range t.keys {
		if k.kind == kindTable && k.of != t.name && nestedTable(k.of).find(name) != nil {
			below = append(below, fmt.Sprintf("%q", label+"."+k.name+"."+name))
		}
	}
	if len(below) > 0 {
		return "did you mean " + strings.Join(below, " or ") + "?"
	}
	return hint(name, "the keys of "+label+" are", t.names(), func(near string) string { return label + "." + near })
}

// named calls read for each key of a table whose names are the user's choice, in the order of the file.
func (c *checker) named(k *key, n node, read func(name string, n node)) {
	in, isTable := n.value.(map[string]any)
	switch {
	case !isTable:
		c.complain(n, func(name string, e entry) string {
			return fmt.Sprintf("%s: want a table of %s, such as %s", describe(name, n.value, e), k.names, k.eg)
		})
		return
	case len(in) == 0:
		c.wrongTable(n, fmt.Sprintf("is empty: want a table of %s, such as %s%s", k.names, k.eg, map[bool]string{false: ", or leave it out"}[k.required]))
	}
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	children := make([]node, len(names))
	for i, name := range names {
		children[i] = c.child(n, name, in[name])
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, q := children[a].entry.key, children[b].entry.key
		return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
	})
	for _, i := range order {
		read(names[i], children[i])
	}
}

// text reads a string.
func (c *checker) text(k *key, n node) (string, bool) {
	s, isString := n.value.(string)
	if !isString {
		c.complain(n, k.wrongType(n.value))
	}
	return s, isString
}

// texts calls read for a string, or for each of a list of them.
func (c *checker) texts(k *key, n node, read func(s string, n node)) {
	var elements []any
	switch value := n.value.(type) {
	case string:
		read(value, n)
		return
	case []any:
		elements = value
	case []map[string]any: // what the library makes of a list that holds tables alone
		for _, element := range value {
			elements = append(elements, element)
		}
	default:
		c.complain(n, func(name string, e entry) string {
			return fmt.Sprintf("%s: want %s, or a list of them%s", describe(name, value, e), k.syntax(), k.meantByType(value))
		})
		return
	}
	switch {
	case len(elements) == 0 && !k.emptyToo:
		c.complain(n, func(name string, e entry) string {
			return fmt.Sprintf("%s = []: the list is empty: want %s, or leave the key out", name, k.syntax())
		})
	case k.most > 0 && len(elements) > k.most:
		there := len(elements)
		c.complain(n, func(name string, e entry) string {
			return fmt.Sprintf("%s has %d elements: want at most %d", name, there, k.most)
		})
		elements = elements[:k.most]
	}
	for i, element := range elements {
		child := c.node(item(n.path, i), element)
		if s, isString := element.(string); isString {
			read(s, child)
			continue
		}
		c.complain(child, func(name string, e entry) string {
			return fmt.Sprintf("%s: want %s%s", describe("an element of "+name, element, e), k.syntax(), k.meantByType(element))
		})
	}
}

func (c *checker) number(k *key, n node) int64 {
	number, wrong := k.readNumber(n.value)
	c.complain(n, wrong)
	return number
}

func (c *checker) choice(k *key, n node) string {
	s, wrong := k.readChoice(n.value)
	c.complain(n, wrong)
	return s
}

// didYouMean proposes a name near s among those that a user chose; "" when there is none, or when that was done often enough.
func (c *checker) didYouMean(s string, names []string) string {
	const longest, mostNames = 64, 1000
	if c.hints == 0 || len(s) > longest {
		return ""
	}
	c.hints--
	names = slices.Clone(names[:min(len(names), mostNames)])
	near := nearest.Of(s, slices.DeleteFunc(names, func(name string) bool { return len(name) > longest }))
	if near == "" {
		return ""
	}
	return "; did you mean " + printable.Quote(near) + "?"
}
