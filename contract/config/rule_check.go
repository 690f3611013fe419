package config

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// several returns the tables of an array, each [[name]] of the file.
func (c *checker) several(name string, value any) []map[string]any {
	switch value := value.(type) {
	case nil:
		return nil
	case []map[string]any:
		return value
	case []any: // one in brackets
		var tables []map[string]any
		for _, element := range value {
			if table, isTable := element.(map[string]any); isTable {
				tables = append(tables, table)
			}
		}
		if len(tables) == len(value) {
			return tables
		}
	}
	c.complain(c.node(name, value), func(name string, e entry) string {
		return fmt.Sprintf("%s: want an array of tables: write [[%s]] above the keys of each", describe(name, value, e), name)
	})
	return nil
}

// readAll reads each [[name]] of the file.
func readAll[T any](c *checker, name string, value any, read func(node) T) []T {
	tables := c.several(name, value)
	if len(tables) == 0 {
		return nil
	}
	all := make([]T, 0, len(tables))
	for i, table := range tables {
		one := read(c.node(item(name, i), table))
		tables[i] = nil   // a file can hold a lot of it, and what is read is no longer needed
		if c.found == 0 { // otherwise nobody gets them
			all = append(all, one)
		}
	}
	return all
}

// rule reads one rule.
func (c *checker) rule(n node) Rule {
	r := Rule{Place: filePlace(n.entry.key)}
	var groups []string
	var request, response *changes
	var said respondNodes
	var redirect, respond, ended node // ended: what a redirect or a respond keeps from ever being done
	acts := false
	c.fields(nestedTable("rule"), n, func(k *key, n node) {
		acts = acts || k.name != "name" && k.name != "match"
		switch k.name {
		case "name":
			r.Name, r.Place = c.name(k, n, c.ruleNames), filePlace(n.entry.value)
		case "match":
			r.Match, groups = c.match(n)
		case "request":
			request = c.changes(n, requestSide, groups)
			r.Request, ended = request.Changes, n
		case "response":
			response = c.changes(n, responseSide, groups)
			r.Response = response.Changes
		case "rewrite":
			r.Rewrite, ended = c.rewrite(n, groups), n
		case "origin":
			r.Origin, ended = c.token(k, n), n
			request.mustNot(c, "section-origin", "origin sets it in the same rule")
		case "split":
			r.Split, ended = c.split(n), n
			if r.Split.Name != "" {
				request.mustNot(c, "X-Split-"+r.Split.Name, "split sets it in the same rule")
			}
		case "limit":
			r.Limit = c.limit(n)
		case "redirect":
			r.Redirect, redirect = c.redirect(n, groups), n
		case "respond":
			r.Respond, said = c.respond(n, groups)
			respond = n
		default:
			panic("BUG: nothing reads rule." + k.name)
		}
	})
	if !acts {
		c.wrongTable(n, "does nothing: want at least one of request, response, rewrite, origin, split, limit, redirect, respond")
	}
	c.contradictions(redirect, respond, ended)
	if r.Respond != nil {
		c.statusAsks(said.status, r.Respond, r.Response)
	}
	for name, n := range said.fields {
		response.leave(c, name, n)
	}
	if r.Redirect != nil {
		response.leave(c, "Location", redirect)
	}
	return r
}

// contradictions keeps a problem for actions of one rule that exclude each other. A node without a path is not there.
func (c *checker) contradictions(redirect, respond, ended node) {
	if redirect.path != "" && respond.path != "" {
		at := redirect
		if before(redirect.entry.key, respond.entry.key) {
			at = respond
		}
		c.wrongTable(at, "contradicts the rule's other answer: redirect and respond both end it; keep one of them")
	}
	if ends := redirect; ended.path != "" && (redirect.path != "" || respond.path != "") {
		if ends.path == "" {
			ends = respond
		}
		c.wrongTable(ended, fmt.Sprintf("is never done: %s answers, and next-hop is not asked; remove one of them, or make it another rule", ends.label()))
	}
}

func before(a, b position) bool { return a.line < b.line || a.line == b.line && a.column < b.column }

// name reads the name of a rule or a test, of which each has another.
func (c *checker) name(k *key, n node, taken map[string]position) string {
	s, ok := c.text(k, n)
	if !ok {
		return ""
	}
	for i, r := range s {
		if !unicode.IsPrint(r) {
			c.wrongInside(n, i, fmt.Sprintf("%q cannot stand in a name: want 1 to %d printable characters", r, maxName))
			return ""
		}
	}
	if s == "" {
		c.wrong(n, "empty: want "+k.syntax())
		return ""
	}
	if characters := utf8.RuneCountInString(s); characters > maxName {
		c.wrong(n, fmt.Sprintf("a name of %d characters: want 1 to %d printable characters", characters, maxName))
		return ""
	}
	c.unique(n, s, taken)
	return s
}

// unique keeps a problem for a name that is taken, and takes it otherwise.
func (c *checker) unique(n node, name string, taken map[string]position) {
	if first, twice := taken[name]; twice {
		c.wrong(n, fmt.Sprintf("the name is taken in line %d: give it another", first.line))
		return
	}
	taken[name] = n.entry.value
}
