package config

import (
	"net/netip"
	"regexp"
	"time"

	"section.internal/contract/pattern"
	"section.internal/contract/template"
)

// Rule is one [[rule]]: what is done with the requests that match it. Rules are read from the top, each that matches applies, and
// the first with a Redirect or a Respond ends it.
type Rule struct {
	Name  string // unique in its file
	Place Place  // of its name
	Match Match

	Request  Changes            // of the header section that next-hop gets
	Response Changes            // of the header section that the client gets
	Rewrite  *template.Template // the path that next-hop is asked for; the query stays. nil: as it came
	Origin   string             // the value of section-origin towards next-hop; "": as it came
	Split    *Split             // nil: none
	Limit    *Limit             // nil: none
	Redirect *Redirect          // nil: none; a rule has at most one of Redirect and Respond
	Respond  *Respond           // nil: none
}

// Match is a condition: all of its parts must hold. One without parts holds for every request.
type Match struct{ Conditions []Condition }

// Condition is one part of a match. It holds when one of its patterns fits.
type Condition struct {
	Kind    ConditionKind
	Place   Place  // of its key
	Written string // as the file has it, on one line and shortened where it is long: path = ["/static/**", "**.css"]

	Name    string          // OfHeader: of the field; OfCookie; OfQuery: of the parameter; OfGeo: what stands behind section-io-geo-
	Paths   []pattern.Path  // OfPath
	Regex   *regexp.Regexp  // OfPathRegex
	Hosts   []pattern.Host  // OfHost
	Values  []pattern.Value // OfMethod, OfHeader, OfCookie, OfQuery, OfGeo, OfUserAgent, OfReferer, OfProtocol
	Clients []netip.Prefix  // OfClient: what is written and what is in the list, masked
	Not     *Match          // OfNot
}

// ConditionKind is what a condition looks at.
type ConditionKind int

// The kinds of conditions. A field that is there several times fits when one of its lines does; one that is missing does not.
const (
	OfPath      ConditionKind = iota // of the target, decoded and without dot segments; see policy
	OfPathRegex                      // the same, against a regular expression
	OfHost                           // in lower case, without port and trailing dot
	OfMethod
	OfHeader
	OfCookie
	OfQuery // of the target's query, decoded
	OfClient
	OfGeo // of a section-io-geo-* field
	OfUserAgent
	OfReferer
	OfProtocol // "http" or "https", going by X-Forwarded-Proto
	OfNot
)

// Changes are changes of a header section, in this order: Remove, Set, Add.
type Changes struct {
	Remove []string // names
	Set    []Field  // in place of all fields of the name
	Add    []Field  // behind those of the name
}

// Field is a field that a rule writes.
type Field struct {
	Name  string
	Value *template.Template
}

// Redirect answers with another place to ask.
type Redirect struct {
	To     *template.Template // a URI reference
	Status int                // 301, 302, 303, 307, 308
}

// Respond answers in place of next-hop.
type Respond struct {
	Status int     // 200 to 599
	Body   []byte  // of body or file; nil: none
	Fields []Field // Content-Type among them wherever there is a Body
}

// Limit bounds how often the requests of one client, or of whatever By names, may match.
type Limit struct {
	Requests int64 // in Per, in the long run
	Per      time.Duration
	Burst    int64 // that may come at once
	By       Key
}

// Split gives each client, or whatever By names, one of several variants, always the same, and tells next-hop in X-Split-NAME.
type Split struct {
	Name     string
	By       Key
	Variants []Variant // in the order of their names
}

// Variant is one side of a split.
type Variant struct {
	Name   string
	Weight int64 // of the sum of all; 0: nobody
}

// Key is what requests are told apart by.
type Key struct {
	Of   KeyKind
	Name string // of the header field or the cookie
}

// KeyKind is what a Key looks at.
type KeyKind int

// The kinds of keys.
const (
	ByClient KeyKind = iota // "client": the address; of IPv6 its first 64 bits
	ByAll                   // "all": no difference is made
	ByHost                  // "host"
	ByHeader                // "header.NAME"
	ByCookie                // "cookie.NAME"
)

// Test is one [[test]]: a request, what next-hop is imagined to answer, and what must come of them.
type Test struct {
	Name     string
	Place    Place // of its name
	Request  TestRequest
	Response TestResponse // status 200 without fields where the file says nothing
	Expect   Expect
}

// TestRequest is an imagined request.
type TestRequest struct {
	Method string // "GET" where the file says nothing
	HTTPS  bool   // of the URL; X-Forwarded-Proto says so
	Host   string // of the URL, with port
	Target string // of the URL: path and query
	Fields []TextField
	Client netip.Addr // the address that the connection has
}

// TestResponse is an imagined response.
type TestResponse struct {
	Status int
	Fields []TextField
}

// TextField is a field of an imagined message.
type TextField struct{ Name, Value string }

// Expect is what must come of a test; what the file does not name is not looked at.
type Expect struct {
	Status   *Expected[int]
	Fields   []Expected[TextField]
	Absent   []Expected[string]
	Body     *Expected[string]
	Rule     *Expected[string] // whose redirect or respond made the answer; "": none, next-hop's answer is passed on
	Upstream *ExpectUpstream
}

// ExpectUpstream is what next-hop must be asked.
type ExpectUpstream struct {
	Place  Place
	Path   *Expected[string] // with the query
	Fields []Expected[TextField]
	Absent []Expected[string]
}

// Expected is one expectation and where it is written.
type Expected[T any] struct {
	Want  T
	Place Place
}
