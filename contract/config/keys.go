package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a key's value looks like in the file.
type kind int

const (
	kindDuration      kind = iota // a string in Go's syntax: "1m30s"
	kindSize                      // a string such as "64KiB", or a whole number of bytes
	kindCount                     // a whole number
	kindChoice                    // one of a few strings
	kindSwitch                    // true or false
	kindTable                     // a table whose keys are known; see table
	kindText                      // a string; the kinds below are strings of a syntax of their own
	kindName                      // of a rule or a test
	kindToken                     // RFC 9110 section 5.6.2
	kindPath                      // pattern.Path
	kindRegex                     // RE2
	kindHost                      // pattern.Host
	kindMethod                    // a token
	kindPattern                   // pattern.Value
	kindCountry                   // pattern.Value of a country's code
	kindNetwork                   // an address or a network
	kindAddress                   // an address
	kindFile                      // below the directory
	kindField                     // the name of a field
	kindFieldValue                // without placeholders
	kindFieldTemplate             // template.FieldValue
	kindPathTemplate              // template.Path
	kindLocation                  // template.Location
	kindBy                        // what requests are told apart by
	kindURL                       // of a test's request
)

// key is a row of the table of keys: all there is to know about one key.
type key struct {
	name string // table.key; in the tables below [[rule]] and [[test]] without the table
	kind kind
	min  int64  // of durations in nanoseconds, of sizes in bytes
	max  int64  // as min
	unit string // what a count counts
	zero string // what 0 means, where it is a word of its own
	doc  string // one sentence without a full stop

	choices []string // of kindChoice
	only    []int64  // of kindCount, where not all between min and max are taken

	many     bool   // a list of such values; one as it stands is the same as a list of one
	most     int    // how many there may be in the list; 0: any number
	emptyToo bool   // the list may have none
	names    string // the value is a table of such values, and this says what their names are: "names of fields"
	of       string // of kindTable: the name of the table
	required bool
	eg       string // an example as it is written in the file
	without  string // what holds without the key, for the manual, where that is not nothing

	// The field of a key that is not below [[rule]] or [[test]]: list where it is many, otherwise flag of kindSwitch, text of kindChoice
	// and number of the others.
	number func(*Config) *int64
	text   func(*Config) *string
	flag   func(*Config) *bool
	list   func(*Config) *[]string
}

const (
	shortest = int64(10 * time.Millisecond)
	longest  = int64(time.Hour)

	maxConnections = 1_000_000
)

// keys is the table of keys, in the order of the manual. A key that is not here does not exist. It is a constant in all but
// syntax: nobody assigns to it.
var keys = []key{
	{name: "enabled", kind: kindSwitch,
		flag: func(c *Config) *bool { return &c.Enabled },
		doc:  "whether the rules are applied; false makes a plain reverse proxy"},

	{name: "client.address_from", kind: kindField, many: true, most: 10, emptyToo: true, eg: `"True-Client-IP"`,
		list: func(c *Config) *[]string { return &c.Client.AddressFrom },
		doc:  "the request fields that name the client's address: the first that holds one counts, of a list the last element; otherwise, and of `[]`, the connection's"},
	duration("client.header_timeout", func(c *Config) *time.Duration { return &c.Client.HeaderTimeout },
		"how long a client may take from the first byte of a request to the end of its header section"),
	duration("client.body_timeout", func(c *Config) *time.Duration { return &c.Client.BodyTimeout },
		"how long a client may pause while it sends a request's body"),
	duration("client.write_timeout", func(c *Config) *time.Duration { return &c.Client.WriteTimeout },
		"how long a client may pause while it takes a response"),
	duration("client.idle_timeout", func(c *Config) *time.Duration { return &c.Client.IdleTimeout },
		"how long a client's connection stays open without a request"),
	{name: "client.max_request_line", kind: kindSize, min: 1 << 10, max: 16 << 20,
		number: func(c *Config) *int64 { return &c.Client.MaxRequestLine },
		doc:    "how long a request's first line may be, which is mostly its URL"},
	{name: "client.max_header_size", kind: kindSize, min: 1 << 10, max: 16 << 20,
		number: func(c *Config) *int64 { return &c.Client.MaxHeaderSize },
		doc:    "how large a request's line and header section may be together"},
	{name: "client.max_fields", kind: kindCount, min: 10, max: 10_000, unit: "field lines",
		number: func(c *Config) *int64 { return &c.Client.MaxFields },
		doc:    "how many field lines a request's header section may have"},
	{name: "client.max_body_size", kind: kindSize, min: 0, max: 1 << 40, zero: "no limit",
		number: func(c *Config) *int64 { return &c.Client.MaxBodySize },
		doc:    "how large a request's body may be"},
	{name: "client.max_chunk_extensions", kind: kindSize, min: 0, max: 1 << 20, zero: "none is taken",
		number: func(c *Config) *int64 { return &c.Client.MaxChunkExtensions },
		doc:    "how many bytes of chunk extensions the chunks of a request's body may have together, and up to 1 KiB of them each"},
	{name: "client.max_requests", kind: kindCount, min: 0, max: 1_000_000_000, unit: "requests", zero: "no limit",
		number: func(c *Config) *int64 { return &c.Client.MaxRequests },
		doc:    "how many requests are answered on a client's connection before it is closed in order"},
	{name: "client.max_connections", kind: kindCount, min: 1, max: maxConnections, unit: "connections",
		number: func(c *Config) *int64 { return &c.Client.MaxConnections },
		doc:    "how many connections of clients may be open at once"},
	{name: "client.max_connections_per_address", kind: kindCount, min: 0, max: maxConnections, unit: "connections", zero: "no limit",
		number: func(c *Config) *int64 { return &c.Client.MaxConnectionsPerAddress },
		doc:    "how many connections of clients may be open at once from one address, that of the connection and not of a field"},

	duration("next_hop.connect_timeout", func(c *Config) *time.Duration { return &c.NextHop.ConnectTimeout },
		"how long resolving next-hop, connecting to it and waiting for a free connection may take together"),
	duration("next_hop.header_timeout", func(c *Config) *time.Duration { return &c.NextHop.HeaderTimeout },
		"how long next-hop may take from the end of a request to the end of its response's header section"),
	duration("next_hop.body_timeout", func(c *Config) *time.Duration { return &c.NextHop.BodyTimeout },
		"how long next-hop may pause while it sends a response's body or takes a request's"),
	duration("next_hop.idle_timeout", func(c *Config) *time.Duration { return &c.NextHop.IdleTimeout },
		"how long a connection to next-hop is kept for the next request"),
	{name: "next_hop.max_connections", kind: kindCount, min: 1, max: maxConnections, unit: "connections",
		number: func(c *Config) *int64 { return &c.NextHop.MaxConnections },
		doc:    "how many connections to next-hop may be open at once"},
	{name: "next_hop.resolve_every", kind: kindDuration, min: int64(100 * time.Millisecond), max: longest,
		number: func(c *Config) *int64 { return (*int64)(&c.NextHop.ResolveEvery) },
		doc:    "how long an answer of the resolver is used before next-hop is resolved again"},

	{name: "log.to", kind: kindChoice, choices: []string{string(LogToFiles), string(LogToStdout), string(LogToBoth)},
		text: func(c *Config) *string { return (*string)(&c.Log.To) },
		doc:  "where logs go: into files, the access log to stdout with diagnostics on stderr, or both"},
	{name: "log.client_address", kind: kindChoice, choices: []string{string(AddressMasked), string(AddressFull), string(AddressNone)},
		text: func(c *Config) *string { return (*string)(&c.Log.ClientAddress) },
		doc:  "what the access log shows of a client's address; masked zeroes the last octet, of IPv6 the last 80 bits"},
	{name: "log.level", kind: kindChoice, choices: []string{"debug", "info", "warn", "error"},
		text: func(c *Config) *string { return &c.Log.Level },
		doc:  "the least important diagnostics that are written"},
}

// duration returns the row of a time-out.
func duration(name string, field func(*Config) *time.Duration, doc string) key {
	return key{
		name: name, kind: kindDuration, min: shortest, max: longest, doc: doc,
		number: func(c *Config) *int64 { return (*int64)(field(c)) },
	}
}

// table returns the table of the key; "" for a key at the top of the file.
func (k key) table() string {
	table, _, inTable := strings.Cut(k.name, ".")
	if !inTable {
		return ""
	}
	return table
}

// value returns the key's value in c as it would be written in the file.
func (k key) value(c *Config) string {
	switch {
	case k.many:
		return writtenList(*k.list(c))
	case k.kind == kindSwitch:
		return strconv.FormatBool(*k.flag(c))
	case k.kind == kindChoice:
		return strconv.Quote(*k.text(c))
	}
	return k.format(*k.number(c))
}

// writtenList returns a list of strings as it would be written in the file.
func writtenList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// format returns a value of a key that has a number as it would be written in the file.
func (k key) format(n int64) string {
	switch k.kind {
	case kindDuration:
		return strconv.Quote(formatDuration(time.Duration(n)))
	case kindSize:
		return strconv.Quote(formatSize(n))
	case kindCount:
		return strconv.FormatInt(n, 10)
	default:
		panic("BUG: " + k.name + " has no number")
	}
}

// example returns what a message may propose: the default, but for one of 0, which shows nothing.
func (k key) example() string {
	d := Default()
	switch {
	case k.eg != "":
		return k.eg
	case k.kind == kindSize && *k.number(&d) == 0:
		return `"64KiB"`
	case k.kind == kindCount && *k.number(&d) == 0:
		return "100"
	}
	return k.value(&d)
}

// kinds holds what a value of a kind is called, with its article, where a message asks for one such as the example.
var kinds = map[kind]string{
	kindDuration: "a duration", kindSize: "a size", kindCount: "a whole number", kindText: "a string", kindName: "a name",
	kindToken: "a word", kindPath: "a path pattern", kindRegex: "a regular expression", kindHost: "a host", kindMethod: "a method",
	kindPattern: "a pattern", kindCountry: "a country code", kindNetwork: "an address or network", kindAddress: "an address",
	kindFile: "a file in the directory", kindField: "a field name", kindFieldValue: "a field value",
	kindFieldTemplate: "a field value", kindPathTemplate: "a path", kindLocation: "a place to go", kindBy: "a key to tell requests apart by",
	kindURL: "a URL", kindTable: "a table",
}

// word is what a value of the key is called in the manual.
func (k key) word() string {
	switch k.kind {
	case kindChoice:
		return "choice"
	case kindSwitch:
		return "switch"
	case kindCount:
		return "count"
	}
	_, word, _ := strings.Cut(kinds[k.kind], " ")
	return strings.TrimSuffix(word, " in the directory")
}

// syntax says what a value of the key has to look like.
func (k key) syntax() string {
	switch k.kind {
	case kindChoice:
		return "one of " + k.accepted()
	case kindSwitch:
		return k.accepted()
	}
	switch { // the example of a table of values is none of one of them
	case k.names != "" && k.kind == kindCount:
		return kinds[k.kind] + ", " + k.accepted()
	case k.names != "":
		return kinds[k.kind] + " in quotes"
	}
	return kinds[k.kind] + " such as " + k.example()
}

// accepted says which values of the right syntax are taken.
func (k key) accepted() string {
	switch {
	case k.kind == kindSwitch:
		return "true or false"
	case k.kind == kindChoice:
		return strings.Trim(writtenList(k.choices), "[]")
	case k.kind == kindBy:
		return byForms
	case k.only != nil:
		texts := make([]string, len(k.only))
		for i, n := range k.only {
			texts[i] = k.format(n)
		}
		return strings.Join(texts, ", ")
	case k.zero != "":
		return strings.TrimSpace(fmt.Sprintf("%s (%s) to %s %s", k.format(0), k.zero, k.format(k.max), k.unit))
	case k.kind == kindCount:
		return strings.TrimSpace(fmt.Sprintf("%d to %d %s", k.min, k.max, k.unit))
	}
	return k.format(k.min) + " to " + k.format(k.max)
}

// tables returns the names of all tables at the top of the file, in the order of the manual; without those of which there are
// several.
func tables() []string {
	var names []string
	for _, k := range keys {
		if table := k.table(); table != "" && !slices.Contains(names, table) {
			names = append(names, table)
		}
	}
	return names
}

// keysOf returns the names of a table's keys, without that of the table.
func keysOf(table string) []string {
	var names []string
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k.name, table+"."); ok {
			names = append(names, name)
		}
	}
	return names
}

// lookUp returns the row of a key, or false when there is no such key.
func lookUp(name string) (key, bool) {
	for _, k := range keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}
