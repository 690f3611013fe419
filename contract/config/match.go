package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"section.internal/contract/pattern"
	"section.internal/contract/place"
	"section.internal/contract/printable"
	"section.internal/contract/token"
)

// filePlace returns a position of the file as a Place.
func filePlace(p position) Place {
	return Place{File: place.ConfigFileName, Line: int(p.line), Column: int(p.column)}
}

// match reads a condition, and the names of the groups of its regular expression. Those inside of a not are no placeholders: there
// is nothing that they stand for.
func (c *checker) match(n node) (Match, []string) {
	var m Match
	var groups []string
	below := n.path + "."
	one := func(kind ConditionKind, n node, condition Condition) {
		condition.Kind, condition.Place = kind, filePlace(n.entry.key)
		condition.Written = asWritten(strings.TrimPrefix(n.path, below), n.value)
		m.Conditions = append(m.Conditions, condition)
	}
	c.fields(nestedTable("match"), n, func(k *key, n node) {
		switch k.name {
		case "path":
			one(OfPath, n, Condition{Paths: parsed(c, k, n, pattern.ParsePath)})
		case "path_regex":
			if s, ok := c.text(k, n); ok {
				condition := Condition{}
				condition.Regex, groups = c.regex(n, s)
				one(OfPathRegex, n, condition)
			}
		case "host":
			one(OfHost, n, Condition{Hosts: parsed(c, k, n, pattern.ParseHost)})
		case "method":
			one(OfMethod, n, Condition{Values: parsed(c, k, n, parseMethod)})
		case "header":
			c.fieldKeys(k, n, func(name string, n node) {
				one(OfHeader, n, Condition{Name: name, Values: parsed(c, k, n, anyValue)})
			})
		case "cookie":
			c.named(k, n, func(name string, n node) {
				if !token.Is(name) {
					c.wrongKey(n, name, "the name of a cookie")
				}
				one(OfCookie, n, Condition{Name: name, Values: parsed(c, k, n, anyValue)})
			})
		case "query":
			c.named(k, n, func(name string, n node) {
				one(OfQuery, n, Condition{Name: name, Values: parsed(c, k, n, anyValue)})
			})
		case "client":
			one(OfClient, n, Condition{Clients: c.clients(k, n)})
		case "client_list":
			one(OfClient, n, Condition{Clients: c.clientLists(k, n)})
		case "country":
			one(OfGeo, n, Condition{Name: geoField("country_code"), Values: parsed(c, k, n, parseCountry)})
		case "geo":
			c.fields(nestedTable("geo"), n, func(k *key, n node) {
				one(OfGeo, n, Condition{Name: geoField(k.name), Values: parsed(c, k, n, anyCase)})
			})
		case "user_agent":
			one(OfUserAgent, n, Condition{Values: parsed(c, k, n, anyCase)})
		case "referer":
			one(OfReferer, n, Condition{Values: parsed(c, k, n, anyCase)})
		case "protocol":
			one(OfProtocol, n, Condition{Values: c.choices(k, n)})
		case "not":
			inside, _ := c.match(n)
			one(OfNot, n, Condition{Not: &inside})
		default:
			panic("BUG: nothing reads match." + k.name)
		}
	})
	slices.SortStableFunc(m.Conditions, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column))
	})
	return m, groups
}

// geoField returns what stands behind section-io-geo- of a key.
func geoField(name string) string { return strings.ReplaceAll(name, "_", "-") }

func anyValue(s string) (pattern.Value, error) { return pattern.ParseValue(s, false) }

func anyCase(s string) (pattern.Value, error) { return pattern.ParseValue(s, true) }

// parsed reads a list of patterns.
func parsed[T any](c *checker, k *key, n node, parse func(string) (T, error)) []T {
	var patterns []T
	c.texts(k, n, func(s string, n node) {
		p, err := parse(s)
		if err != nil {
			c.refused(n, err)
			return
		}
		patterns = append(patterns, p)
	})
	return patterns
}

// refused keeps what a parser says of a string.
func (c *checker) refused(n node, err error) {
	if e, ok := errors.AsType[*pattern.Error](err); ok {
		c.wrongInside(n, e.Offset, e.Message)
		return
	}
	c.wrong(n, err.Error())
}

// wrongKey keeps that the key of n is none of a table's names.
func (c *checker) wrongKey(n node, name, what string) {
	c.add(n.entry.key, func() string {
		_, message := notToken(name, what)
		return fmt.Sprintf("%s: %s", n.label(), message)
	})
}

// usualMethods are those that are often written in lower case, which is another method.
var usualMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// notMethod says what is wrong with a method; nil when nothing is.
func notMethod(s string) error {
	upper := strings.ToUpper(s)
	switch {
	case strings.Contains(s, "*"): // which may stand in a method
		return &pattern.Error{Offset: strings.Index(s, "*"), Message: `"*" is not taken: want a method such as "GET", or leave method out for all`}
	case !token.Is(s):
		offset, message := notToken(s, `a method such as "GET"`)
		return &pattern.Error{Offset: offset, Message: message}
	case upper != s && slices.Contains(usualMethods, upper):
		return &pattern.Error{Message: fmt.Sprintf("methods are told apart by case; did you mean %q?", upper)}
	}
	return nil
}

func parseMethod(s string) (pattern.Value, error) {
	if err := notMethod(s); err != nil {
		return pattern.Value{}, err
	}
	return anyValue(s)
}

func parseCountry(s string) (pattern.Value, error) {
	upper := strings.ToUpper(s)
	switch {
	case upper == "UK":
		return pattern.Value{}, &pattern.Error{Message: `is the code of no country; did you mean "GB"?`}
	case s != "*" && (len(s) != 2 || strings.Trim(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != ""):
		return pattern.Value{}, &pattern.Error{Message: `want the two letters of a country such as "AU", or "*" for any that is known`}
	}
	return anyCase(s)
}

// choices reads a list of some of a few strings.
func (c *checker) choices(k *key, n node) []pattern.Value {
	var values []pattern.Value
	c.texts(k, n, func(s string, n node) {
		s, wrong := k.readChoice(s)
		c.complain(n, wrong)
		if wrong == nil {
			if value, err := anyValue(s); err == nil {
				values = append(values, value)
			}
		}
	})
	return values
}

// maxWritten is how many characters of a condition are kept for explanations.
const maxWritten = 100

// asWritten returns a condition as the file has it, on one line.
func asWritten(name string, value any) string {
	var b strings.Builder
	b.WriteString(name + " = ")
	writeValue(&b, value)
	return plain(b.String(), maxWritten)
}

// writeValue writes a value of a condition as it could stand in a file, or the beginning of one that is long.
func writeValue(b *strings.Builder, value any) {
	more := func(i int) bool {
		if i > 0 {
			b.WriteString(", ")
		}
		return b.Len() <= maxWritten
	}
	switch value := value.(type) {
	case string:
		b.WriteString(strconv.Quote(printable.Cut(value, maxWritten)))
	case []any:
		b.WriteString("[")
		for i, element := range value {
			if !more(i) {
				break
			}
			writeValue(b, element)
		}
		b.WriteString("]")
	case map[string]any:
		b.WriteString("{ ")
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			if !more(i) {
				break
			}
			b.WriteString(join("", name) + " = ")
			writeValue(b, value[name])
		}
		b.WriteString(" }")
	default:
		fmt.Fprint(b, value)
	}
}
