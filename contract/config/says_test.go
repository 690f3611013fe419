package config

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestSays_IsAllThatTellsRulesApart(t *testing.T) {
	networks := func(n int) (list []netip.Prefix) {
		for i := range n {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24))
		}
		return list
	}
	f := func(r Rule, does string, want ...string) {
		t.Helper()
		if got := r.Says(); !slices.Equal(got, want) {
			t.Errorf("%+v says\n%q, want\n%q", r, got, want)
		}
		if got := r.Does(); got != does {
			t.Errorf("%+v does %q, want %q", r, got, does)
		}
	}
	f(Rule{Origin: "sydney"}, "origin sydney", `origin = "sydney"`)
	f(Rule{Split: &Split{Name: "hero", By: Key{Of: ByCookie, Name: "id"}, Variants: []Variant{{"a", 90}, {"b", 10}}}}, "split hero",
		`split.name = "hero"`, `split.by = "cookie.id"`, `split.variants.a = 90`, `split.variants.b = 10`)
	f(Rule{Limit: &Limit{Requests: 100, Per: time.Minute, Burst: 50, By: Key{Of: ByHeader, Name: "X-Key"}}}, "limit 100 per 1m",
		`limit.requests = 100`, `limit.per = "1m"`, `limit.by = "header.X-Key"`, `limit.burst = 50`)
	f(Rule{Request: Changes{Remove: []string{"X-A"}}, Response: Changes{Remove: []string{"X-B", "X-C"}}}, "request, response",
		`request.remove = "X-A"`, `response.remove = "X-B"`, `response.remove = "X-C"`)
	f(Rule{Respond: &Respond{Status: 503, Body: []byte("closed\n")}}, "respond 503", `respond.status = 503`, `respond.body = "closed\n"`)
	f(Rule{Respond: &Respond{Status: 200, Body: bytes.Repeat([]byte("x"), 61)}}, "respond 200",
		`respond.status = 200`, `respond.body = 61 bytes, sha256 c508e75f24e2`)
	f(Rule{Match: Match{[]Condition{
		{Kind: OfNot, Not: &Match{[]Condition{{Kind: OfClient, Clients: networks(2)}, {Kind: OfNot, Not: &Match{}}}}},
		{Kind: OfClient, Clients: networks(1)},
	}}}, "", `match.client = "10.0.0.0/24"`, `match.not.client = ["10.0.0.0/24", "10.0.1.0/24"]`, `match.not.not = {}`)
	f(Rule{Match: Match{[]Condition{{Kind: OfClient, Clients: networks(9)}}}}, "", `match.client = 9 networks, sha256 f6569e77c286`)
}

func TestLimit_SaysWhatItIs(t *testing.T) {
	l := Limit{Requests: 100, Per: 90 * time.Second, Burst: 50, By: Key{Of: ByHost}}
	if got, want := l.String(), "100 per 1m30s by host, 50 at once"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever the spelling, what is said is the same; whatever is different is said.
func TestSays_IsOneSpellingOfWhatIsInTheFile(t *testing.T) {
	says := func(text string) []string {
		t.Helper()
		loaded, err := Load(dirWith(t, []byte("[[rule]]\nname = 'a'\n"+text)))
		must(t, err)
		return loaded.Config.Rules[0].Says()
	}
	f := func(text, other string, want ...string) {
		t.Helper()
		for _, text := range []string{text, other} {
			if got := says(text); !slices.Equal(got, want) {
				t.Errorf("%s says\n%q, want\n%q", text, got, want)
			}
		}
	}
	f(`match = { path = "/a/**", host = ["*.Example.com", "b"], not = { cookie = { "a.b" = "*" } } }`+"\norigin = 'x'",
		"match.not.cookie.'a.b' = ['*']\nmatch.host = ['*.example.com', \"b\"]\nmatch.path = ['/a/**']\norigin = \"x\"",
		`match.host = ["*.example.com", "b"]`, `match.not.cookie."a.b" = "*"`, `match.path = "/a/**"`, `origin = "x"`)
	f(`match = { country = "AU", geo = { city = "Sydney" }, client = "203.0.113.7/24", method = "GET", path_regex = '^/(?P<x>.)$' }`+"\n"+
		`request = { set = { X-A = "{x}{{" }, add = { X-B = "b" }, remove = "X-C" }`+"\n"+`rewrite = { path = "/{x}" }`,
		"rewrite.path = '/{x}'\nrequest.remove = ['X-C']\nrequest.set.X-A = '{x}{{'\nrequest.add.X-B = 'b'\n[rule.match]\npath_regex = '^/(?P<x>.)$'\n"+
			"method = ['GET']\nclient = ['203.0.113.0/24']\ngeo.city = 'Sydney'\ncountry = ['AU']\n",
		`match.client = "203.0.113.0/24"`, `match.geo.city = "sydney"`, `match.geo.country_code = "au"`, `match.method = "GET"`, `match.path_regex = "^/(?P<x>.)$"`,
		`request.remove = "X-C"`, `request.set.X-A = "{x}{{"`, `request.add.X-B = "b"`, `rewrite.path = "/{x}"`)
	f(`limit = { requests = 100, per = "1m" }`, `limit = { per = "60s", by = "client", burst = 100, requests = 100 }`,
		`limit.requests = 100`, `limit.per = "1m"`, `limit.by = "client"`, `limit.burst = 100`)
	f(`redirect = { to = "/b" }`, `redirect = { status = 302, to = '/b' }`, `redirect.to = "/b"`, `redirect.status = 302`)
	f(`respond = { status = 403, body = "no", headers = { Retry-After = "5" } }`,
		`respond = { headers.Retry-After = "5", status = 403, content_type = "text/plain; charset=utf-8", body = "no" }`,
		`respond.status = 403`, `respond.body = "no"`, `respond.headers.Content-Type = "text/plain; charset=utf-8"`, `respond.headers.Retry-After = "5"`)
}
