package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is what a key's value looks like in the file.
type kind int

const (
	kindDuration kind = iota // a string in Go's syntax: "1m30s"
	kindSize                 // a string such as "64KiB", or a whole number of bytes
	kindCount                // a whole number
	kindChoice               // one of a few strings
)

// key is a row of the table of keys: all there is to know about one key.
type key struct {
	name string // table.key
	kind kind
	min  int64  // of durations in nanoseconds, of sizes in bytes
	max  int64  // as min
	unit string // what a count counts
	zero string // what 0 means, where it is a word of its own
	doc  string // one sentence without a full stop

	choices []string

	// The field of the key: number of every kind but kindChoice, which has text.
	number func(*Config) *int64
	text   func(*Config) *string
}

const (
	shortest = int64(10 * time.Millisecond)
	longest  = int64(time.Hour)

	maxConnections = 1_000_000
)

// keys is the table of keys, in the order of the manual. A key that is not here does not exist. It is a constant in all but
// syntax: nobody assigns to it.
var keys = []key{
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

// table returns the table of the key.
func (k key) table() string {
	table, _, _ := strings.Cut(k.name, ".")
	return table
}

// value returns the key's value in c as it would be written in the file.
func (k key) value(c *Config) string {
	if k.kind == kindChoice {
		return strconv.Quote(*k.text(c))
	}
	return k.format(*k.number(c))
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
	case k.kind == kindSize && *k.number(&d) == 0:
		return `"64KiB"`
	case k.kind == kindCount && *k.number(&d) == 0:
		return "100"
	}
	return k.value(&d)
}

// syntax says what a value of the key has to look like.
func (k key) syntax() string {
	switch k.kind {
	case kindDuration:
		return "a duration such as " + k.example()
	case kindSize:
		return "a size such as " + k.example()
	case kindCount:
		return "a whole number such as " + k.example()
	default:
		return "one of " + k.accepted()
	}
}

// accepted says which values of the right syntax are taken.
func (k key) accepted() string {
	if k.kind == kindChoice {
		quoted := make([]string, len(k.choices))
		for i, choice := range k.choices {
			quoted[i] = strconv.Quote(choice)
		}
		return strings.Join(quoted, ", ")
	}
	if k.zero != "" {
		to := fmt.Sprintf("%s (%s) to %s", k.format(0), k.zero, k.format(k.max))
		if k.unit != "" {
			to += " " + k.unit
		}
		return to
	}
	if k.kind == kindCount {
		return fmt.Sprintf("%d to %d %s", k.min, k.max, k.unit)
	}
	return k.format(k.min) + " to " + k.format(k.max)
}

// tables returns the names of all tables, in the order of the manual.
func tables() []string {
	var names []string
	for _, k := range keys {
		if len(names) == 0 || names[len(names)-1] != k.table() {
			names = append(names, k.table())
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
