package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"section.internal/contract/nearest"
	"section.internal/contract/printable"
)

// checker holds a decoded file against the table of keys.
type checker struct {
	places   index
	files    *files
	config   Config
	sources  map[string]position // by key: where its value is written
	findings []finding
	found    int // how many findings there were; those behind the first maxProblems of all files are not all kept
	hints    int // how many more names may be looked for that are near a wrong one, where there can be many to choose from

	ruleNames, testNames, splitNames map[string]position // where each is written
	regexes                          int                 // what all regular expressions cost together; see maxRegexes
}

// finding is a problem whose message is not made yet: a file can have more of them than anybody is told.
type finding struct {
	file int // 0: proxy.toml; otherwise the number of one that it names, see files
	at   position
	say  func() string
}

// check returns the configuration that a file stands for, and the places of the values it sets. All that is wrong with it comes
// back at once; the configuration is then not to be used.
func check(tree map[string]any, places index, files *files) (Config, map[string]position, Problems) {
	c := &checker{
		places: places, files: files, config: Default(), sources: map[string]position{}, hints: maxHints,
		ruleNames: map[string]position{}, testNames: map[string]position{}, splitNames: map[string]position{},
	}
	for name, value := range tree {
		switch name {
		case "rule", "test": // below, since the tests name the rules
		default:
			c.table(name, value)
		}
	}
	c.config.Rules = readAll(c, "rule", tree["rule"], c.rule)
	c.config.Tests = readAll(c, "test", tree["test"], c.test)
	return c.config, c.sources, c.problems()
}

// maxHints bounds the search for near names among those that a user chose.
const maxHints = 10

// maxProblems bounds what is said about a file that is wrong from end to end, since somebody has to read it in a terminal.
const maxProblems = 1000

func (c *checker) add(at position, say func() string) { c.addIn(0, at, say) }

// addIn keeps a problem of a file.
func (c *checker) addIn(file int, at position, say func() string) {
	c.found++
	c.findings = append(c.findings, finding{file, at, say})
	if len(c.findings) == 4*maxProblems {
		c.sort()
		c.findings = c.findings[:maxProblems+1]
	}
}

// sort puts the findings into the order of the files.
func (c *checker) sort() {
	slices.SortStableFunc(c.findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
}

// table checks what the file has under a name at its top level.
func (c *checker) table(name string, value any) {
	path := join("", name)
	e := c.places[path]
	if k, ok := lookUp(name); ok && k.table() == "" {
		c.key(k, value, e)
		return
	}
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
	n := node{k.name, value, e}
	switch {
	case k.many:
		*k.list(&c.config) = c.fieldNames(&k, n)
	case k.kind == kindSwitch:
		if on, ok := value.(bool); ok {
			*k.flag(&c.config) = on
		} else {
			c.complain(n, k.wrongType(value))
		}
	case k.kind == kindChoice:
		*k.text(&c.config) = c.choice(&k, n)
	default:
		*k.number(&c.config) = c.number(&k, n)
	}
}

// complaint makes the message of what is wrong with a value that has a name in messages. nil: nothing is.
type complaint func(name string, e entry) string

// wrongType says that a value has not the type of the key.
func (k key) wrongType(value any) complaint {
	return func(name string, e entry) string {
		return fmt.Sprintf("%s: want %s%s", describe(name, value, e), k.syntax(), k.meantByType(value))
	}
}

// wrongValue says that a value of the right type is not taken.
func (k key) wrongValue(value any, want, meant string) complaint {
	return func(name string, e entry) string {
		message := fmt.Sprintf("%s = %s: want %s", name, literal(value, e), want)
		if meant != "" {
			message += fmt.Sprintf("; did you mean %q?", meant)
		}
		return message
	}
}

// readNumber reads a value of a key that has a number.
func (k key) readNumber(value any) (int64, complaint) {
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
		return 0, k.wrongType(value)
	}
	if isString {
		var err error
		if n, err = k.parse(s); err == errTooLarge {
			return 0, k.wrongValue(value, k.accepted(), "")
		} else if err != nil {
			return 0, k.wrongValue(value, k.syntax(), k.meant(s))
		}
	}
	if n < k.min || n > k.max || k.only != nil && !slices.Contains(k.only, n) {
		return 0, k.wrongValue(value, k.accepted(), "")
	}
	return n, nil
}

// readChoice reads a value of a key that takes one of a few strings.
func (k key) readChoice(value any) (string, complaint) {
	s, isString := value.(string)
	if !isString {
		return "", k.wrongType(value)
	}
	if !slices.Contains(k.choices, s) {
		return "", k.wrongValue(value, k.syntax(), nearest.Of(s, k.choices))
	}
	return s, nil
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
		if k.kind == kindPattern || k.kind == kindFieldValue || k.kind == kindFieldTemplate || k.kind == kindText {
			return fmt.Sprintf("; did you mean \"%d\"?", value)
		}
	case string:
		if n, err := strconv.ParseInt(value, 10, 64); k.kind == kindCount && err == nil && k.min <= n && n <= k.max {
			return fmt.Sprintf("; did you mean %d, without quotes?", n)
		}
		if k.kind == kindSwitch && (value == "true" || value == "false") {
			return fmt.Sprintf("; did you mean %s, without quotes?", value)
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
			return append(ps, c.problem(f, more))
		}
		ps = append(ps, c.problem(f, f.say()))
	}
	return ps
}

// problem returns a finding as a problem of its file.
func (c *checker) problem(f finding, message string) Problem {
	p := *at(f.at, message)
	if f.file > 0 {
		p.File = c.files.name(f.file)
	}
	return p
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
		return fmt.Sprintf("unknown %s %s; did you mean %s?", what, printable.Quote(name), strings.Join(full, " or "))
	}
	if _, ok := lookUp(name); ok && strings.Contains(name, ".") {
		return fmt.Sprintf("unknown key %s; did you mean %s, without quotes?", join("", name), name)
	}
	for _, t := range []string{"rule", "test"} {
		if nestedTable(t).find(name) != nil && name != "name" && name != "request" && name != "response" {
			return fmt.Sprintf("unknown %s %s; did you mean %q? It belongs below a [[%s]]", what, printable.Quote(name), t+"."+name, t)
		}
	}
	self := func(near string) string { return near }
	return fmt.Sprintf("unknown %s %s; %s", what, quoteName(join("", name)), hint(name, "the keys and tables of the file are", namesAtTop(), self))
}

// namesAtTop returns all names that the file can have at its top.
func namesAtTop() []string {
	var names []string
	for _, k := range keys {
		if k.table() == "" {
			names = append(names, k.name)
		}
	}
	return append(append(names, tables()...), "rule", "test")
}

// quoteName quotes the path of a key. What TOML had to quote inside of it is not quoted again.
func quoteName(path string) string {
	if strings.Contains(path, `"`) {
		return printable.Cut(path, maxShown)
	}
	return printable.Quote(path)
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
		return printable.Quote(s)
	}
	return plain(e.raw, maxShown)
}
