package config

// tested are the tables below [[test]], in the order of the manual.
var tested = []table{
	{name: "test", doc: "a request, and what must come of it; the validator runs the tests without a network", keys: []key{
		{name: "name", kind: kindName, required: true, eg: `"old blog moves"`,
			doc: "what messages call the test; no two tests have the same"},
		{name: "request", kind: kindTable, of: "test.request", required: true,
			doc: "the request"},
		{name: "response", kind: kindTable, of: "test.response", without: "200 without fields",
			doc: "what next-hop is imagined to answer, if it is asked"},
		{name: "expect", kind: kindTable, of: "test.expect", required: true,
			doc: "what must come of it; what is not named here is not looked at"},
	}},

	{name: "test.request", doc: "an imagined request", eg: `{ url = "http://www.example.com/a?b=c" }`, keys: []key{
		{name: "url", kind: kindURL, required: true, eg: `"http://www.example.com/a?b=c"`,
			doc: "protocol, host, path and query of the request"},
		{name: "method", kind: kindMethod, eg: `"GET"`, without: `"GET"`,
			doc: "its method"},
		{name: "headers", kind: kindFieldValue, many: true, names: "names of fields", eg: `{ Cookie = "a=b" }`,
			doc: "its other fields; a list stands for several lines of a field"},
		{name: "client", kind: kindAddress, eg: `"203.0.113.7"`, without: `"192.0.2.1"`,
			doc: "the address of the connection that it comes from"},
	}},

	{name: "test.response", doc: "an imagined response of next-hop", eg: `{ status = 404 }`, keys: []key{
		{name: "status", kind: kindCount, min: firstCode, max: lastCode, eg: "404", without: "200",
			doc: "its status"},
		{name: "headers", kind: kindFieldValue, many: true, names: "names of fields", eg: `{ Set-Cookie = "a=b" }`,
			doc: "its fields; a list stands for several lines of a field"},
	}},

	{name: "test.expect", doc: "what must come of a test", eg: `{ status = 301, rule = "old blog" }`, keys: []key{
		{name: "status", kind: kindCount, min: firstCode, max: lastCode, eg: "301",
			doc: "the status that the client gets"},
		{name: "headers", kind: kindFieldValue, names: "names of fields", eg: `{ Location = "https://www.example.com/" }`,
			doc: "fields that the client gets, and their values"},
		{name: "absent", kind: kindField, many: true, eg: `"Set-Cookie"`,
			doc: "fields that the client does not get"},
		{name: "body", kind: kindText, eg: `"forbidden"`,
			doc: "the body of a rule's answer"},
		{name: "rule", kind: kindText, eg: `"old blog"`,
			doc: "the rule that ends it with redirect or respond; \"\" where next-hop is asked"},
		{name: "upstream", kind: kindTable, of: "test.upstream",
			doc: "what next-hop is asked"},
	}, atLeastOne: "expects nothing: want at least one of status, headers, absent, body, rule, upstream"},

	{name: "test.upstream", doc: "what next-hop must be asked", eg: `{ path = "/v2/api/a" }`, keys: []key{
		{name: "path", kind: kindText, eg: `"/v2/api/a?b=c"`,
			doc: "path and query"},
		{name: "headers", kind: kindFieldValue, names: "names of fields", eg: `{ section-origin = "sydney" }`,
			doc: "fields that next-hop gets, and their values"},
		{name: "absent", kind: kindField, many: true, eg: `"X-Debug"`,
			doc: "fields that next-hop does not get"},
	}, atLeastOne: "expects nothing: want at least one of path, headers, absent"},
}
