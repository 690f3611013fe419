package config

// table describes a table below [[rule]] or [[test]]: what may stand in it. The descriptions feed the checks, the messages, the
// manual and the JSON schema alike. They are constants in all but syntax: nobody assigns to them.
type table struct {
	name string // by which keys refer to it, and its heading in the manual
	doc  string // one sentence without a full stop
	eg   string // an example as it is written in the file
	keys []key

	// atLeastOne says what is missing where a table has none of its keys: "does nothing: want …". "" where it may be empty.
	atLeastOne string
}

const (
	maxName   = 100       // characters of the name of a rule or a test
	maxWeigh  = 1_000_000 // of a variant
	maxLimit  = 1_000_000 // requests
	shortPer  = int64(1e9)
	firstCode = 200
	lastCode  = 599
)

// nested are the tables below [[rule]], in the order of the manual.
var nested = []table{
	{name: "rule", doc: "what is done with the requests that match; rules are read from the top, and each that matches applies", keys: []key{
		{name: "name", kind: kindName, required: true, eg: `"old blog"`,
			doc: "what logs, tests and messages call the rule; no two rules have the same"},
		{name: "match", kind: kindTable, of: "match", without: "every request",
			doc: "which requests the rule is for"},
		{name: "request", kind: kindTable, of: "changes",
			doc: "changes of the header section that next-hop gets"},
		{name: "response", kind: kindTable, of: "changes",
			doc: "changes of the header section that the client gets"},
		{name: "rewrite", kind: kindTable, of: "rewrite",
			doc: "asks next-hop for another path"},
		{name: "origin", kind: kindToken, eg: `"sydney"`,
			doc: "the name of another origin, which next-hop gets as section-origin"},
		{name: "split", kind: kindTable, of: "split",
			doc: "parts clients into groups, and tells next-hop which"},
		{name: "limit", kind: kindTable, of: "limit",
			doc: "bounds how many requests may match; those beyond it get 429 with Retry-After"},
		{name: "redirect", kind: kindTable, of: "redirect",
			doc: "answers with another place to ask, and ends the rules"},
		{name: "respond", kind: kindTable, of: "respond",
			doc: "answers in place of next-hop, and ends the rules"},
	}},

	{name: "match", doc: "a condition; all of its keys must hold, and of the entries of a list one", eg: `{ path = "/static/**" }`, keys: []key{
		{name: "path", kind: kindPath, many: true, eg: `"/static/**"`,
			doc: "the path, decoded: `*` stands for any characters but `/`, `**` for any characters"},
		{name: "path_regex", kind: kindRegex, eg: `'^/blog/(?P<slug>[^/]+)$'`,
			doc: "the same path against a regular expression (RE2); its named groups are placeholders in the rule's actions"},
		{name: "host", kind: kindHost, many: true, eg: `"www.example.com"`,
			doc: "the host without port, in any case; `*.example.com` is every name below example.com, but not itself"},
		{name: "method", kind: kindMethod, many: true, eg: `"GET"`,
			doc: "the method"},
		{name: "header", kind: kindPattern, many: true, names: "names of fields", eg: `{ X-Debug = "*" }`,
			doc: "fields of the request and what their values must be, `*` standing for any characters; all names must fit"},
		{name: "cookie", kind: kindPattern, many: true, names: "names of cookies", eg: `{ PHPSESSID = "*" }`,
			doc: "cookies and what their values must be, as in header"},
		{name: "query", kind: kindPattern, many: true, names: "names of parameters", eg: `{ page = "*" }`,
			doc: "parameters of the query, decoded, and what their values must be, as in header"},
		{name: "client", kind: kindNetwork, many: true, eg: `"203.0.113.0/24"`,
			doc: "the client's address: addresses, or networks in CIDR notation"},
		{name: "client_list", kind: kindFile, many: true, eg: `"lists/office.txt"`,
			doc: "files of addresses and networks, one a line, at most 100,000 and 1 MiB each; `#` starts a comment"},
		{name: "country", kind: kindCountry, many: true, eg: `"AU"`,
			doc: "the client's country, two letters in any case: section-io-geo-country-code"},
		{name: "geo", kind: kindTable, of: "geo",
			doc: "what else the platform says of the client's place"},
		{name: "user_agent", kind: kindPattern, many: true, eg: `"*bot*"`,
			doc: "the User-Agent, in any case; `*` stands for any characters"},
		{name: "referer", kind: kindPattern, many: true, eg: `"https://*.example.com/*"`,
			doc: "the Referer, in any case; `*` stands for any characters"},
		{name: "protocol", kind: kindChoice, choices: []string{"http", "https"}, many: true, eg: `"http"`,
			doc: "what the client spoke with the edge, by X-Forwarded-Proto"},
		{name: "not", kind: kindTable, of: "match",
			doc: "a match that must not hold as a whole"},
	}, atLeastOne: "is empty: want at least one condition, or leave it out to match every request"},

	{name: "geo", doc: "what the platform says of the client's place; all keys must fit, in any case", eg: `{ city = "Sydney" }`, keys: []key{
		geo("country_code", `"AU"`), geo("country_name", `"Australia"`), geo("region_code", `"NSW"`), geo("region_name", `"New South Wales"`),
		geo("city", `"Sydney"`), geo("latlon", `"-33.8*"`), geo("postal_code", `"2000"`), geo("dma_code", `"501"`), geo("asn", `"64496"`),
	}, atLeastOne: "is empty: want at least one of its keys"},

	{name: "changes", doc: "changes of a header section, made in this order: remove, set, add", eg: `{ set = { X-Env = "shop" } }`, keys: []key{
		{name: "remove", kind: kindField, many: true, eg: `"Set-Cookie"`,
			doc: "fields to take away"},
		{name: "set", kind: kindFieldTemplate, names: "names of fields", eg: `{ Cache-Control = "no-store" }`,
			doc: "fields to write in place of all of their name; placeholders are replaced"},
		{name: "add", kind: kindFieldTemplate, names: "names of fields", eg: `{ Link = "</a.css>; rel=preload" }`,
			doc: "fields to write behind those of their name; placeholders are replaced"},
	}, atLeastOne: "changes nothing: want at least one of remove, set, add"},

	{name: "rewrite", doc: "another path to ask next-hop for", eg: `{ path = "/v2{path}" }`, keys: []key{
		{name: "path", kind: kindPathTemplate, required: true, eg: `"/v2{path}"`,
			doc: "the path in place of the request's; placeholders are replaced, and the query stays"},
	}},

	{name: "split", doc: "groups of clients; next-hop gets X-Split-NAME with the variant", eg: `{ name = "hero", variants = { a = 90, b = 10 } }`, keys: []key{
		{name: "name", kind: kindToken, required: true, eg: `"hero"`,
			doc: "what stands behind X-Split-; no two splits have the same"},
		{name: "by", kind: kindBy, eg: `"client"`, without: `"client"`,
			doc: "what always gets the same variant; of a client's address in IPv6 the first 64 bits"},
		{name: "variants", kind: kindCount, max: maxWeigh, names: "names of variants", required: true, eg: `{ a = 90, b = 10 }`,
			doc: "the weights of the variants; at least one is not 0"},
	}},

	{name: "limit", doc: "how many requests may match", eg: `{ requests = 100, per = "1m" }`, keys: []key{
		{name: "requests", kind: kindCount, min: 1, max: maxLimit, unit: "requests", required: true, eg: "100",
			doc: "how many requests may match in the long run"},
		{name: "per", kind: kindDuration, min: shortPer, max: longest, required: true, eg: `"1m"`,
			doc: "in how long"},
		{name: "by", kind: kindBy, eg: `"client"`, without: `"client"`,
			doc: "what has a count of its own; of a client's address in IPv6 the first 64 bits"},
		{name: "burst", kind: kindCount, min: 1, max: maxLimit, unit: "requests", eg: "50", without: "as requests",
			doc: "how many may come at once"},
	}},

	{name: "redirect", doc: "another place for the client to ask", eg: `{ to = "https://{host}{uri}", status = 301 }`, keys: []key{
		{name: "to", kind: kindLocation, required: true, eg: `"https://{host}{uri}"`,
			doc: "the place: `http://…`, `https://…` or a path; placeholders are replaced"},
		{name: "status", kind: kindCount, only: []int64{301, 302, 303, 307, 308}, min: 301, max: 308, eg: "301", without: "302",
			doc: "the status"},
	}},

	{name: "respond", doc: "an answer in place of next-hop's", eg: `{ status = 403, body = "forbidden" }`, keys: []key{
		{name: "status", kind: kindCount, min: firstCode, max: lastCode, required: true, eg: "403",
			doc: "the status; 206, 401, 405 and 407 need the field that RFC 9110 asks of them, and 426 is not for rules"},
		{name: "body", kind: kindText, eg: `"forbidden"`, without: "none",
			doc: "the body, as it stands here; placeholders are not replaced"},
		{name: "file", kind: kindFile, eg: `"pages/maintenance.html"`,
			doc: "a file in the directory that holds the body, in place of body; at most 1 MiB"},
		{name: "content_type", kind: kindFieldValue, eg: `"text/html; charset=utf-8"`, without: "by the file's extension; otherwise `text/plain; charset=utf-8`",
			doc: "the Content-Type of the body"},
		{name: "headers", kind: kindFieldTemplate, names: "names of fields", eg: `{ Retry-After = "600" }`,
			doc: "further fields of the answer; placeholders are replaced"},
	}},
}

func geo(name, eg string) key {
	return key{name: name, kind: kindPattern, many: true, eg: eg, doc: "section-io-geo-" + geoField(name) + "; `*` stands for any characters"}
}

// nestedTable returns the description of a table.
func nestedTable(name string) *table {
	for _, tables := range [...][]table{nested, tested} {
		for i := range tables {
			if tables[i].name == name {
				return &tables[i]
			}
		}
	}
	panic("BUG: there is no table " + name)
}

// find returns the row of a key of the table, or nil when there is no such key.
func (t *table) find(name string) *key {
	for i := range t.keys {
		if t.keys[i].name == name {
			return &t.keys[i]
		}
	}
	return nil
}

// names returns the names of all keys of the table.
func (t *table) names() []string {
	names := make([]string, len(t.keys))
	for i := range t.keys {
		names[i] = t.keys[i].name
	}
	return names
}
