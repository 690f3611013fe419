package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"section.internal/contract/nearest"
)

// checker holds a decoded file against the table of keys.
type checker struct {
	places   index
	config   Config
	sources  map[string]position // by key: where its value is written
	findings []finding
	found    int // how many findings there were; those behind the first maxProblems of the file are not all kept
}

// finding is a problem whose message is not made yet: a file can have more of them than anybody is told.
type finding struct {
	at  position
	say func() string
}

// check returns the configuration that a file stands for, and the places of the values it sets. All that is wrong with it comes
// back at once; the configuration is then not to be used.
func check(tree map[string]any, places index) (Config, map[string]position, Problems) {
	c := &checker{places: places, config: Default(), sources: map[string]position{}}
	for name, value := range tree {
		c.table(name, value)
	}
	return c.config, c.sources, c.problems()
}

// maxProblems bounds what is said about a file that is wrong from end to end, since somebody has to read it in a terminal.
const maxProblems = 1000

func (c *checker) add(at position, say func() string) {
	c.found++
	c.findings = append(c.findings, finding{at, say})
	if len(c.findings) == 4*maxProblems {
		c.sort()
		c.findings = c.findings[:maxProblems+1]
	}
}

// sort puts the findings into the order of the file.
func (c *checker) sort() {
	slices.SortFunc(c.findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
}

// table checks what the file has under a name at its top level.
func (c *checker) table(name string, value any) {
	path := join("", name)
	e := c.places[path]
	keys := keysOf(name)
	table, isTable := value.(map[string]any)
	if len(keys) == 0 {
		c.add(e.key, func() string { return unknownAtTop(name, value) })
		return
	}
	if !isTable {
		c.add(e.value, func() string {
			return fmt.Sprintf("%s: want a table: write [%s] once, and its keys below", describe(name, value, e), name)
		})
		return
	}
	for short, value := range table {
		path := join(path, short)
		if k, ok := lookUp(path); ok {
			c.key(k, value, c.places[path])
			continue
		}
		c.add(c.places[path].key, func() string {
			full := func(near string) string { return name + "." + near }
			return fmt.Sprintf("unknown key %s; %s", quoteName(path), hint(short, "the keys of ["+name+"] are", keys, full))
		})
	}
}

// key checks the value of a known key and keeps it.
func (c *checker) key(k key, value any, e entry) {
	c.sources[k.name] = e.value
	if wrong := k.set(&c.config, value); wrong != nil {
		c.add(e.value, func() string { return wrong(e) })
	}
}

// set writes a value of the file into c. What it returns says what is wrong with the value; nil when nothing is.
func (k key) set(c *Config, value any) func(entry) string {
	s, isString := value.(string)
	n, isInteger := value.(int64)
	fits := isString
	switch k.kind {
	case kindSize:
		fits = isString || isInteger
	case kindCount:
		fits = isInteger
	}
	if !fits {
		return func(e entry) string {
			return fmt.Sprintf("%s: want %s%s", describe(k.name, value, e), k.syntax(), k.meantByType(value))
		}
	}

	says := func(want, meant string) func(entry) string {
		return func(e entry) string {
			message := fmt.Sprintf("%s = %s: want %s", k.name, literal(value, e), want)
			if meant != "" {
				message += fmt.Sprintf("; did you mean %q?", meant)
			}
			return message
		}
	}
	if k.kind == kindChoice {
		for _, choice := range k.choices {
			if s == choice {
				*k.text(c) = choice
				return nil
			}
		}
		return says(k.syntax(), nearest.Of(s, k.choices))
	}
	if isString {
		var err error
		if n, err = k.parse(s); err == errTooLarge {
			return says(k.accepted(), "")
		} else if err != nil {
			return says(k.syntax(), k.meant(s))
		}
	}
	if n < k.min || n > k.max {
		return says(k.accepted(), "")
	}
	*k.number(c) = n
	return nil
}

// parse reads the string of a duration or of a size.
func (k key) parse(s string) (int64, error) {
	if k.kind == kindSize {
		return parseSize(s)
	}
	return parseDuration(s)
}

// meant returns the value that somebody meant who wrote s, if that can be told and would be taken.
func (k key) meant(s string) string {
	meant := meantDuration(s)
	if k.kind == kindSize {
		meant = meantSize(s)
	}
	if n, err := k.parse(meant); err != nil || n < k.min || n > k.max {
		return ""
	}
	return meant
}

// meantByType proposes the value that somebody meant who wrote it as a value of another type.
func (k key) meantByType(value any) string {
	switch value := value.(type) {
	case int64:
		if meant := k.meant(strconv.FormatInt(value, 10)); k.kind == kindDuration && meant != "" {
			return fmt.Sprintf("; did you mean %q?", meant)
		}
	case string:
		if n, err := strconv.ParseInt(value, 10, 64); k.kind == kindCount && err == nil && k.min <= n && n <= k.max {
			return fmt.Sprintf("; did you mean %d, without quotes?", n)
		}
	}
	return ""
}

// problems returns the findings as problems, in the order of the file.
func (c *checker) problems() Problems {
	c.sort()
	var ps Problems
	for i, f := range c.findings {
		if i == maxProblems {
			more := fmt.Sprintf("%d more problems from here on: mend those above first", c.found-maxProblems)
			return append(ps, *at(f.at, more))
		}
		ps = append(ps, *at(f.at, f.say()))
	}
	return ps
}

// unknownAtTop says what to do about a name at the top level that is none of a table.
func unknownAtTop(name string, value any) string {
	what := "key"
	switch value.(type) {
	case map[string]any, []map[string]any:
		what = "table"
	}
	// A known key without its table is most often a forgotten header.
	var full []string
	for _, table := range tables() {
		if _, ok := lookUp(table + "." + name); ok {
			full = append(full, fmt.Sprintf("%q", table+"."+name))
		}
	}
	if len(full) > 0 {
		return fmt.Sprintf("unknown %s %s; did you mean %s?", what, quote(name), strings.Join(full, " or "))
	}
	if _, ok := lookUp(name); ok {
		return fmt.Sprintf("unknown key %s; did you mean %s, without quotes?", join("", name), name)
	}
	self := func(near string) string { return near }
	return fmt.Sprintf("unknown %s %s; %s", what, quoteName(join("", name)), hint(name, "the tables are", tables(), self))
}

// quoteName quotes the path of a key. What TOML had to quote inside of it is not quoted again.
func quoteName(path string) string {
	if strings.Contains(path, `"`) {
		return shorten(path, maxQuoted)
	}
	return quote(path)
}

// describe says what a value of the wrong type is.
func describe(name string, value any, e entry) string {
	is := ""
	switch value.(type) {
	case map[string]any:
		return name + " is a table"
	case []map[string]any:
		return name + " is an array of tables"
	case []any:
		return name + " is an array"
	case string:
		is = "a string"
	case int64:
		is = "a whole number"
	case float64:
		is = "a floating-point number"
	case bool:
		is = "a boolean"
	case time.Time:
		is = "a date or time"
	default:
		panic(fmt.Sprintf("BUG: TOML has no %T", value))
	}
	return fmt.Sprintf("%s = %s is %s", name, literal(value, e), is)
}

// literal returns a value, other than an array or a table, much as it is written in the file.
func literal(value any, e entry) string {
	if s, ok := value.(string); ok {
		return quote(s)
	}
	return plain(e.raw, maxQuoted)
}
