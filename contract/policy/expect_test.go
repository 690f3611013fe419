package policy

import (
	"net/netip"
	"strings"
	"testing"

	"section.internal/contract/config"
)

// expected is an expectation that stands in a line.
func expected[T any](want T, line int) *config.Expected[T] {
	return &config.Expected[T]{Want: want, Place: config.Place{File: "proxy.toml", Line: line, Column: 12}}
}

func textField(line int, text string) config.Expected[config.TextField] {
	name, value, _ := strings.Cut(text, ": ")
	return *expected(config.TextField{Name: name, Value: value}, line)
}

// shop is a configuration with a rule of each kind.
func shop(tests ...config.Test) *config.Config {
	c := file(
		config.Rule{Name: "static", Match: where(path("/static/**", "**.css")), Response: set(nil, "Cache-Control: public", "-Set-Cookie")},
		config.Rule{Name: "blog", Match: where(regex(`^/blog/(?P<slug>[^/]+)$`)), Redirect: redirect("https://{host}/articles/{slug}", 301, "slug")},
		config.Rule{Name: "office", Match: where(path("/admin/**"), not(client("203.0.113.0/24"))), Respond: respond(403, "forbidden", "Content-Type: text/plain")},
		config.Rule{Name: "api", Match: where(path("/api/**")), Request: set(nil, "X-Secret: s", "-X-Debug"), Rewrite: rewrite("/v2{path}"), Limit: limit(config.Key{})},
	)
	for i := range tests {
		tests[i].Name = "t"
		if tests[i].Request.Method == "" {
			tests[i].Request.Method = "GET"
		}
		if tests[i].Response.Status == 0 {
			tests[i].Response.Status = 200
		}
		tests[i].Request.Host = "www.example.com"
		if !tests[i].Request.Client.IsValid() {
			tests[i].Request.Client = netip.MustParseAddr("192.0.2.1")
		}
	}
	c.Tests = tests
	return c
}

func TestTest_SaysNothingWhenAllHolds(t *testing.T) {
	c := shop(
		config.Test{
			Request:  config.TestRequest{Target: "/a.css?v=3"},
			Response: config.TestResponse{Status: 404, Fields: []config.TextField{{Name: "cache-control", Value: "x"}, {Name: "set-cookie", Value: "a=b"}, {Name: "Vary", Value: "a"}, {Name: "Vary", Value: "b"}}},
			Expect: config.Expect{
				Status: expected(404, 1), Fields: []config.Expected[config.TextField]{textField(2, "Cache-Control: public"), textField(2, "vary: b"), textField(2, "vary: a, b")},
				Absent: []config.Expected[string]{*expected("Set-Cookie", 3)}, Rule: expected("", 4),
				Upstream: &config.ExpectUpstream{Path: expected("/a.css?v=3", 5), Fields: []config.Expected[config.TextField]{textField(6, "Host: www.example.com")}},
			},
		},
		config.Test{
			Request: config.TestRequest{Target: "/blog/x", HTTPS: true},
			Expect:  config.Expect{Status: expected(301, 1), Rule: expected("blog", 2), Body: expected("", 3), Fields: []config.Expected[config.TextField]{textField(4, "location: https://www.example.com/articles/x")}},
		},
		config.Test{Request: config.TestRequest{Target: "/admin/"}, Expect: config.Expect{Status: expected(403, 1), Body: expected("forbidden", 3)}},
		config.Test{Request: config.TestRequest{Target: "/admin/", Method: "HEAD"}, Expect: config.Expect{Status: expected(403, 1), Body: expected("", 3)}},
		config.Test{Request: config.TestRequest{Target: "/admin/", Client: netip.MustParseAddr("203.0.113.7")}, Expect: config.Expect{Rule: expected("", 3)}},
		config.Test{
			Request: config.TestRequest{Target: "/api/x?y", HTTPS: true, Fields: []config.TextField{{Name: "x-debug", Value: "1"}}},
			Expect: config.Expect{Upstream: &config.ExpectUpstream{
				Path: expected("/v2/api/x?y", 1), Absent: []config.Expected[string]{*expected("X-Debug", 3)},
				Fields: []config.Expected[config.TextField]{textField(2, "X-Secret: s"), textField(2, "X-Forwarded-Proto: https")},
			}},
		},
	)
	if problems := Test(c); problems != nil {
		t.Errorf("%v", problems)
	}
}

func TestTest_SaysWhatCameAndWhichRuleMadeItSo(t *testing.T) {
	f := func(test config.Test, want ...string) {
		t.Helper()
		if got := Test(shop(test)).Lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", test.Request.Target, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(config.Test{Request: config.TestRequest{Target: "/blog/a/b"}, Expect: config.Expect{
		Status: expected(301, 1), Rule: expected("blog", 2), Fields: []config.Expected[config.TextField]{textField(3, "Location: /x")}, Body: expected("x", 4),
	}},
		`proxy.toml:1:12: test "t": expect.status = 301: got 200 from next-hop's imagined answer; no rule matched`,
		`proxy.toml:2:12: test "t": expect.rule = "blog": got the answer of next-hop; no rule matched`,
		`proxy.toml:3:12: test "t": expect.headers.Location = "/x": got none; no rule matched`,
		`proxy.toml:4:12: test "t": expect.body = "x": got next-hop's answer, whose body passes through; want a rule with respond, or no expect.body`)
	f(config.Test{Request: config.TestRequest{Target: "/blog/a"}, Expect: config.Expect{
		Status: expected(200, 1), Rule: expected("", 2), Fields: []config.Expected[config.TextField]{textField(3, "Location: /x")},
		Upstream: &config.ExpectUpstream{Place: config.Place{File: "proxy.toml", Line: 4, Column: 1}},
	}},
		`proxy.toml:1:12: test "t": expect.status = 200: got 301 from rule "blog" (line 20)`,
		`proxy.toml:2:12: test "t": expect.rule = "": the answer is of rule "blog" (line 20)`,
		`proxy.toml:3:12: test "t": expect.headers.Location = "/x": got "https://www.example.com/articles/a", from rule "blog" (line 20)`,
		`proxy.toml:4:1: test "t": expect.upstream: next-hop is not asked, since rule "blog" (line 20) answers`)
	f(config.Test{
		Request: config.TestRequest{Target: "/static/x"}, Response: config.TestResponse{Fields: []config.TextField{{Name: "Set-Cookie", Value: "a"}, {Name: "Server", Value: "s"}}},
		Expect: config.Expect{
			Fields: []config.Expected[config.TextField]{textField(1, "cache-control: private"), textField(2, "set-cookie: a"), textField(3, "server: t")},
			Absent: []config.Expected[string]{*expected("Cache-Control", 4), *expected("Server", 5)}, Rule: expected("static", 6),
		},
	},
		`proxy.toml:1:12: test "t": expect.headers.cache-control = "private": got "public", set by rule "static" (line 10)`,
		`proxy.toml:2:12: test "t": expect.headers.set-cookie = "a": got none, removed by rule "static" (line 10)`,
		`proxy.toml:3:12: test "t": expect.headers.server = "t": got "s", from next-hop's imagined answer`,
		`proxy.toml:4:12: test "t": expect.absent has "Cache-Control": got "public", set by rule "static" (line 10)`,
		`proxy.toml:5:12: test "t": expect.absent has "Server": got "s", from next-hop's imagined answer; only rule "static" (line 10) matched`,
		`proxy.toml:6:12: test "t": expect.rule = "static": got the answer of next-hop; only rule "static" (line 10) matched`)
	f(config.Test{
		Request: config.TestRequest{Target: "/api/x.css", Fields: []config.TextField{{Name: "X-Debug", Value: "1"}, {Name: "X-Other", Value: "2"}}},
		Expect: config.Expect{Status: expected(204, 9), Upstream: &config.ExpectUpstream{
			Path: expected("/api/x.css", 1), Fields: []config.Expected[config.TextField]{textField(2, "X-Debug: 1"), textField(3, "X-Secret: t"), textField(4, "X-Other: 3")},
			Absent: []config.Expected[string]{*expected("X-Secret", 5), *expected("X-Other", 6)},
		}},
	},
		`proxy.toml:1:12: test "t": expect.upstream.path = "/api/x.css": got "/v2/api/x.css", rewritten by rule "api" (line 40)`,
		`proxy.toml:2:12: test "t": expect.upstream.headers.X-Debug = "1": got none, removed by rule "api" (line 40)`,
		`proxy.toml:3:12: test "t": expect.upstream.headers.X-Secret = "t": got "s", set by rule "api" (line 40)`,
		`proxy.toml:4:12: test "t": expect.upstream.headers.X-Other = "3": got "2", from the client`,
		`proxy.toml:5:12: test "t": expect.upstream.absent has "X-Secret": got "s", set by rule "api" (line 40)`,
		`proxy.toml:6:12: test "t": expect.upstream.absent has "X-Other": got "2", from the client; matched: rule "static" (line 10), rule "api" (line 40)`,
		`proxy.toml:9:12: test "t": expect.status = 204: got 200 from next-hop's imagined answer; matched: rule "static" (line 10), rule "api" (line 40)`)
	f(config.Test{Request: config.TestRequest{Target: "/x"}, Expect: config.Expect{Upstream: &config.ExpectUpstream{Path: expected("/y", 1)}}},
		`proxy.toml:1:12: test "t": expect.upstream.path = "/y": got "/x", as it came; no rule rewrites it`)
	f(config.Test{Request: config.TestRequest{Target: "/admin/x"}, Expect: config.Expect{Body: expected("forbidden!", 1)}},
		`proxy.toml:1:12: test "t": expect.body = "forbidden!": got "forbidden" from rule "office" (line 30)`)
}

func TestExplain_SaysWhatFailedFirstAndAgainstWhat(t *testing.T) {
	c := file(
		config.Rule{Match: where(path("/a"), method("GET"))},
		config.Rule{Match: where(method("GET"), host("b.com"))},
		config.Rule{Match: where(cookie("a", "1"))},
		config.Rule{Match: where(header("X-A", "1"))},
		config.Rule{Match: where(header("X-B", "1"))},
		config.Rule{Match: where(not(path("/x**"), protocol("https")))},
		config.Rule{Match: where(not())},
		config.Rule{Match: where(client("10.0.0.0/8"))},
		config.Rule{},
		config.Rule{Match: where(path("/x y")), Respond: respond(403, "")},
		config.Rule{},
	)
	var d Decision
	steps := Compile(c).Explain(get("a.com/x%20y", "Cookie: a=2; a=3", "X-A: \x1b[0m", "X-Forwarded-Proto: https"), &d)
	want := []string{`"/x y"`, `"a.com"`, `"2" and "3"`, `"\x1b[0m"`, "none", `"/x y", "https"`, "any request", "192.0.2.99"}
	for i, s := range steps {
		switch {
		case i < len(want):
			if s.Got != want[i] || s.Matched || s.After || s.Failed == nil {
				t.Errorf("%d: %+v, want %s", i, s, want[i])
			}
		case s.Matched != (i < 10) || s.After != (i == 10) || s.Failed != nil || s.Got != "":
			t.Errorf("%d: %+v", i, s)
		}
	}
	if len(steps) != 11 || steps[1].Failed != &c.Rules[1].Match.Conditions[1] || d.End != &c.Rules[9] {
		t.Errorf("%d steps; %s", len(steps), shown(&d))
	}
}
