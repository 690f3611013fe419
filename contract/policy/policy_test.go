package policy

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
)

// wantDecision checks a decision but for the client's address.
func wantDecision(t *testing.T, c *config.Config, r *Request, want ...string) {
	t.Helper()
	got := shown(decide(t, c, r))
	got = strings.TrimSuffix(got[:strings.LastIndex(got, "client ")], "\n")
	if got != strings.Join(want, "\n") {
		t.Errorf("%s %s%s:\n%s\nwant\n%s", r.Method, r.Host, r.Target, got, strings.Join(want, "\n"))
	}
}

func TestDecide_EveryKindOfConditionHoldsForWhatItSays(t *testing.T) {
	f := func(condition config.Condition, want bool, url string, fields ...string) {
		t.Helper()
		d := decide(t, file(config.Rule{Match: where(condition)}), get(url, fields...))
		if got := len(d.Matched) == 1; got != want {
			t.Errorf("%s %q: %v", url, fields, got)
		}
		d = decide(t, file(config.Rule{Match: where(not(condition))}), get(url, fields...))
		if got := len(d.Matched) == 1; got == want {
			t.Errorf("not, %s %q: %v", url, fields, got)
		}
	}
	f(path("/a/**", "**.css"), true, "h/a/b")
	f(path("/a/**", "**.css"), true, "h/x.css?v=3")
	f(path("/a/**", "**.css"), false, "h/b?x=/a/b.css")
	f(regex(`^/blog/(\d+)$`), true, "h/blog/2019?x")
	f(regex(`^/blog/(\d+)$`), false, "h/blog/x")
	f(host("www.example.com", "*.example.org"), true, "WWW.Example.com:8080/")
	f(host("www.example.com", "*.example.org"), true, "a.b.example.org./")
	f(host("www.example.com", "*.example.org"), false, "example.org/")
	f(host("[2001:db8::1]"), true, "[2001:DB8::1]:80/")
	f(host("[2001:db8::1]"), true, "[2001:db8::1]/")
	f(host("localhost"), false, "/")
	f(method("GET", "HEAD"), true, "h/")
	f(method("POST"), false, "h/")
	f(header("X-A", "1*"), true, "h/", "x-a: 0", "X-a: 12")
	f(header("X-A", "1*"), false, "h/", "X-B: 1")
	f(header("X-A", "*"), true, "h/", "X-A: ")
	f(header("X-A", "*"), false, "h/")
	f(cookie("PHPSESSID", "*"), true, "h/", "Cookie: a=b; PHPSESSID=", "cookie: c")
	f(cookie("c", "*"), true, "h/", "Cookie: a=b", "cookie: c")
	f(cookie("a", "x=y"), true, "h/", "Cookie: ;; a=1;a = x=y ;")
	f(cookie("A", "*"), false, "h/", "Cookie: a=b")
	f(query("q", "a b"), true, "h/?x&q=a+b")
	f(query("q", "a b"), true, "h/?x&q=1&%71=a%20b")
	f(query("q", "a=b&c"), true, "h/?&&q=a=b%26c")
	f(query("q", "*"), true, "h/?q")
	f(query("q", "*"), false, "h/q")
	f(query("q", "%zz"), true, "h/?q=%zz")
	f(geo("country-code", "AU", "NZ"), true, "h/", "section-io-geo-country-code: nz")
	f(geo("country_code", "AU", "NZ"), false, "h/", "section-io-geo-country-code: DE")
	f(geo("city", "*"), false, "h/")
	f(agent("*bot*"), true, "h/", "User-Agent: GoogleBot/2")
	f(agent("*bot*"), false, "h/", "User-Agent: curl")
	f(valuesOf(config.OfReferer, "", true, []string{"https://spam.example/*"}), true, "h/", "Referer: https://SPAM.example/x")
	f(protocol("https"), true, "h/", "X-Forwarded-Proto: HTTPS")
	f(protocol("https"), true, "h/", "X-Forwarded-Proto: http", "X-Forwarded-Proto: http, https")
	f(protocol("https"), false, "h/", "X-Forwarded-Proto: https, http")
	f(protocol("http"), true, "h/")
	f(protocol("http"), true, "h/", "X-Forwarded-Proto: gopher")
	f(client("192.0.2.0/24"), true, "h/")
	f(client("192.0.2.0/24"), false, "h/", "True-Client-IP: 198.51.100.1")
	f(client("198.51.100.0/24", "192.0.2.0/24", "198.51.0.0/16"), true, "h/", "True-Client-IP: 198.51.100.1")
	f(client("198.51.100.0/24", "198.51.0.0/16"), true, "h/", "True-Client-IP: 198.51.200.1")
	f(client("2001:db8::/32"), true, "h/", "True-Client-IP: 2001:db8:1::1")
	f(client("::/0"), false, "h/", "True-Client-IP: 198.51.100.1")
	f(client("0.0.0.0/0"), false, "h/", "True-Client-IP: 2001:db8::1")
	f(client("0.0.0.0/0"), true, "h/", "True-Client-IP: ::ffff:198.51.100.1")
	f(client("::ffff:198.51.100.0/120"), true, "h/", "True-Client-IP: 198.51.100.1")
	f(not(path("/a"), method("POST")), true, "h/a") // all of it as a whole
	f(not(not(path("/a"))), true, "h/a")
	f(not(), false, "h/")
}

func TestDecide_LongListsHoldAsShortOnesDo(t *testing.T) {
	number := func(form string) (list []string) {
		for i := range 30 {
			list = append(list, strings.ReplaceAll(form, "#", string(rune('a'+i%26))+string(rune('0'+i/26))))
		}
		return list
	}
	f := func(condition config.Condition, want bool, url string, fields ...string) {
		t.Helper()
		d := decide(t, file(config.Rule{Match: where(condition)}), get(url, fields...))
		if got := len(d.Matched) == 1; got != want {
			t.Errorf("%s %q: %v", url, fields, got)
		}
	}
	paths := path(append(number("/p/#"), append(number("/q#/*/x"), "**.css")...)...)
	f(paths, true, "h/p/c1")
	f(paths, false, "h/p/c1/")
	f(paths, true, "h/qc1/y/x")
	f(paths, false, "h/qc1/x")
	f(paths, true, "h/p/zz.css")
	hosts := host(append(number("h#.example"), number("*.g#.example")...)...)
	f(hosts, true, "hb1.example/")
	f(hosts, true, "x.gb1.example/")
	f(hosts, false, "gb1.example/")
	agents := agent(append(number("Agent #"), "*BOT*")...)
	f(agents, true, "h/", "User-Agent: AGENT B1")
	f(agents, true, "h/", "User-Agent: x bot y")
	f(agents, false, "h/", "User-Agent: agent")
	f(header("X", number("V#")...), true, "h/", "x: Vb1")
	f(header("X", number("V#")...), false, "h/", "x: vb1")
}

func TestDecide_NoSpellingOfAPathGetsRoundARule(t *testing.T) {
	f := func(target, want string) {
		t.Helper()
		raw, _, _ := cutTarget([]byte(target))
		got := string(appendPath(nil, raw))
		if plain := want == string(raw) && !strings.Contains(want, "%"); got != want || plainPath(raw) != plain {
			t.Errorf("%q: %q, want %q; plain: %v", target, got, want, plainPath(raw))
		}
	}
	f("/", "/")
	f("", "/")
	f("/a/b", "/a/b")
	f("/a/b/", "/a/b/")
	f("/%61/%62", "/a/b")
	f("//a///b//", "/a/b/")
	f("/./a/.//b/.", "/a/b/")
	f("/x/../a", "/a")
	f("/x/..", "/")
	f("/..", "/")
	f("/../../a", "/a")
	f("/x%2f%2e%2E%2fa", "/a")
	f("/%252e%252e/a", "/%2e%2e/a") // decoded once
	f("/a%2", "/a%2")
	f("/a%zz", "/a%zz")
	f("/.well-known/..x/...", "/.well-known/..x/...")
	f("/a%00b%3f", "/a\x00b?")
	f("/a?b=/../", "/a")
	f("x", "/x")
}

func TestDecide_RulesApplyFromTheTopAndTheLastOneCounts(t *testing.T) {
	c := file(
		config.Rule{Name: "a", Request: set(nil, "X-A: 1", "-X-B", "+X-C: 1"), Response: set(nil, "-Set-Cookie", "Cache-Control: a"), Rewrite: rewrite("/1{path}"), Origin: "one"},
		config.Rule{Name: "b", Request: set(nil, "x-a: 2", "X-B: 2", "+x-c: 2"), Response: set(nil, "+Set-Cookie: x"), Match: where(path("/x"))},
		config.Rule{Name: "c", Request: set(nil, "-X-C"), Rewrite: rewrite("/2{path}"), Origin: "two", Match: where(path("/x"))},
		config.Rule{Name: "d", Request: set(nil, "+X-C: 4"), Match: where(path("/x"))},
	)
	wantDecision(t, c, get("h/y?q"),
		"matched a", "request -X-B (a)", "request X-A: 1 (a)", "request +X-C: 1 (a)", "request section-origin: one (a)",
		"response -Set-Cookie (a)", "response Cache-Control: a (a)", "target /1/y?q (a)")
	wantDecision(t, c, get("h/x"),
		"matched a", "matched b", "matched c", "matched d", "request X-B: 2 (b)", "request x-a: 2 (b)", "request section-origin: two (c)",
		"request -X-C (c)", "request +X-C: 4 (d)",
		"response -Set-Cookie (a)", "response Cache-Control: a (a)", "response +Set-Cookie: x (b)", "target /2/x (c)")
}

func TestDecide_RedirectAndRespondEndIt(t *testing.T) {
	c := file(
		config.Rule{Name: "all", Response: set(nil, "X-All: {path}", "-Retry-After", "Content-Type: text/css"), Limit: limit(config.Key{Of: config.ByAll})},
		config.Rule{Name: "blog", Match: where(regex(`^/blog/(?P<year>\d{4})/(?P<slug>[^/]+)$`)), Redirect: redirect("https://{host}/articles/{slug}?y={year}", 301, "year", "slug")},
		config.Rule{Name: "down", Match: where(host("shop.example.com")), Respond: respond(503, "later", "Retry-After: 600", "Content-Type: text/plain", "X-Host: {host}")},
		config.Rule{Name: "never", Match: where(path("/blog/**")), Request: set(nil, "X: y")},
	)
	wantDecision(t, c, get("www.Example.com:80/blog/2019/h%20llo"),
		"matched all", "matched blog", `charge all ""`,
		"response -Retry-After (all)", "response X-All: /blog/2019/h%20llo (all)", "response Content-Type: text/css (all)",
		`answer 301 "" (blog)`, "field Location: https://www.example.com/articles/h%20llo?y=2019", "field X-All: /blog/2019/h%20llo", "field Content-Type: text/css")
	wantDecision(t, c, get("shop.example.com/"),
		"matched all", "matched down", `charge all ""`,
		"response -Retry-After (all)", "response X-All: / (all)", "response Content-Type: text/css (all)",
		`answer 503 "later" (down)`, "field X-Host: shop.example.com", "field X-All: /", "field Content-Type: text/css")
}

func TestDecide_PlaceholdersStandForThePartsOfTheRequest(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		c := file(config.Rule{Match: where(regex("^/(?P<first>[^/]*)(?P<none>x)?")), Response: set([]string{"first", "none"}, "X: "+text)})
		r := get("WWW.example.com:81/a%20b/c?d=e%20f&d=g&h", "Cookie: k=v; k=w", "X-Two: 1", "x-two: 2", "X-Forwarded-Proto: https",
			"section-io-geo-country-code: AU", "section-io-id: 17", "True-Client-IP: 2001:DB8::1")
		if d := decide(t, c, r); len(d.Response) != 1 || string(d.Response[0].Value) != want {
			t.Errorf("%s: %s, want %s", text, shown(d), want)
		}
	}
	f("{host}", "www.example.com")
	f("{path}", "/a%20b/c")
	f("{query}", "d=e%20f&d=g&h")
	f("{uri}", "/a%20b/c?d=e%20f&d=g&h")
	f("{method}", "GET")
	f("{scheme}", "https")
	f("{client}", "2001:db8::1")
	f("{country}", "AU")
	f("{id}", "17")
	f("{header.x-TWO}", "1, 2")
	f("{header.None}|", "|")
	f("{cookie.k}", "v")
	f("{query.d}", "e f")
	f("{query.h}|", "|")
	f("{first}", "a b")
	f("{none}|", "|")
	f("{query.d} {cookie.k} {query.d}", "e f v e f")
}

// A path with dot segments could undo what a rule puts before it.
func TestDecide_APathWithDotSegmentsIsPassedOnByARewriteWithout(t *testing.T) {
	c := file(config.Rule{Rewrite: rewrite("/v2{path}"), Response: set(nil, "X: {uri}")})
	wantDecision(t, c, get("h/%2e%2e/admin%20x?q"), "matched r0", "response X: /admin%20x?q (r0)", "target /v2/admin%20x?q (r0)")
	wantDecision(t, c, get("h//a%2fb"), "matched r0", "response X: //a%2fb (r0)", "target /v2//a%2fb (r0)")
	r := get("h/")
	r.Target = []byte("*")
	wantDecision(t, c, r, "matched r0", "response X: / (r0)") // there is no path to rewrite
}

func TestDecide_StarHasNoPath(t *testing.T) {
	c := file(config.Rule{Match: where(path("**"))}, config.Rule{Match: where(regex(""))}, config.Rule{}, config.Rule{Match: where(not(path("**")))})
	r := get("h/")
	r.Target = []byte("*")
	wantDecision(t, c, r, "matched r2", "matched r3")
}

func TestDecide_KeysTellApart(t *testing.T) {
	client := "::ffff:1.2.3.4"
	f := func(key config.Key, want string) {
		t.Helper()
		d := decide(t, file(config.Rule{Limit: limit(key)}), get("WWW.h:80/", "X-A: 1", "x-a: 2", "Cookie: c=3", "True-Client-IP: "+client))
		if len(d.Charges) != 1 || string(d.Charges[0].Key) != want {
			t.Errorf("%s: %s; want %s", key, shown(d), want)
		}
	}
	f(config.Key{Of: config.ByClient}, "1.2.3.4")
	f(config.Key{Of: config.ByAll}, "")
	f(config.Key{Of: config.ByHost}, "www.h")
	f(config.Key{Of: config.ByHeader, Name: "x-A"}, "1, 2")
	f(config.Key{Of: config.ByHeader, Name: "x-B"}, "")
	f(config.Key{Of: config.ByCookie, Name: "c"}, "3")
	f(config.Key{Of: config.ByCookie, Name: "d"}, "")
	client = "2001:db8:1:2:3:4:5:6" // whoever has it has all of its network
	f(config.Key{Of: config.ByClient}, "2001:db8:1:2::")
}

func TestDecide_NoRuleTouchesTheHealthCheck(t *testing.T) {
	c := file(config.Rule{Respond: respond(403, "no"), Limit: limit(config.Key{})})
	wantDecision(t, c, get("h/.well-known/section-io/aee-hc/healthz?ts=1"))
	wantDecision(t, c, get("h/.well-known/section-io/aee-hc/healthz"))
	wantDecision(t, c, get("h/.well-known/section-io/aee-hc/healthz/"), "matched r0", `charge r0 "192.0.2.99"`, `answer 403 "no" (r0)`)
	r := get("h/.well-known/section-io/aee-hc/healthz")
	r.Method = []byte("POST")
	wantDecision(t, c, r, "matched r0", `charge r0 "192.0.2.99"`, `answer 403 "no" (r0)`)
	if steps := Compile(c).Explain(get("h/.well-known/section-io/aee-hc/healthz"), &Decision{}); steps != nil {
		t.Errorf("%v", steps)
	}
}

func TestDecide_NothingIsAppliedWhileNotEnabled(t *testing.T) {
	c := file(config.Rule{Respond: respond(403, "no")})
	c.Enabled = false
	d := decide(t, c, get("h/", "True-Client-IP: 1.2.3.4"))
	if got := shown(d); got != "client 1.2.3.4" {
		t.Errorf("%s", got)
	}
}

func TestDecide_ADecisionIsUsedAgainByAnotherPolicy(t *testing.T) {
	small := Compile(file(config.Rule{Match: where(header("X-B", "*")), Response: set(nil, "X: small")}))
	large := Compile(file(
		config.Rule{Match: where(header("X-A", "*"), cookie("a", "*"), query("a", "*")), Response: set(nil, "X-1: a", "X-2: b", "+X: {query.a}")},
		config.Rule{Match: where(header("X-A", "*")), Response: set(nil, "-X")},
	))
	var d Decision
	for range 3 {
		small.Decide(get("h/", "X-B: 1"), &d)
		if got := shown(&d); got != "matched r0\nresponse X: small (r0)\nclient 192.0.2.99" {
			t.Fatalf("%s", got)
		}
		large.Decide(get("h/?a=1%20", "X-A: 1", "Cookie: a=b"), &d)
		if got := shown(&d); got != "matched r0\nmatched r1\nresponse X-1: a (r0)\nresponse X-2: b (r0)\nresponse -X (r1)\nclient 192.0.2.99" {
			t.Fatalf("%s", got)
		}
		large.Decide(get("h/"), &d)
		if got := shown(&d); got != "client 192.0.2.99" {
			t.Fatalf("%s", got)
		}
	}
}

// What was found by a request of long ago must not be taken for this one's when the stamps begin again.
func TestDecide_StampsBeginAgain(t *testing.T) {
	p := Compile(file(config.Rule{Match: where(header("X-A", "*")), Response: set(nil, "X: 1")}))
	var d Decision
	p.Decide(get("h/", "X-A: 1"), &d)
	for _, r := range []*Request{get("h/"), get("h/", "X-A: 1")} {
		d.view.stamp = 1<<32 - 1
		p.Decide(r, &d)
		if want := r.Fields.Len(); d.view.stamp != 1 || len(d.Matched) != want || len(d.Response) != want {
			t.Errorf("stamp %d: %s", d.view.stamp, shown(&d))
		}
	}
}

// A connection that waits for its next request must not keep the rules of an earlier generation in memory.
func TestForget_LetsGoOfThePolicyAndKeepsTheRoom(t *testing.T) {
	var d Decision
	r := get("h/%61?a=%20", "X-A: 1")
	gone := make(chan struct{})
	func() {
		p := Compile(file(config.Rule{Match: where(header("X-A", "*"), query("a", "*"), regex("^/(?P<g>.*)$")), Response: set([]string{"g"}, "X: {g}", "+Y: z"), Limit: limit(config.Key{})}))
		runtime.AddCleanup(p, func(gone chan struct{}) { close(gone) }, gone)
		p.Decide(r, &d)
		if len(d.Response) != 2 {
			t.Fatalf("%s", shown(&d))
		}
		d.Forget()
	}()
	for end := time.Now().Add(10 * time.Second); ; runtime.GC() {
		select {
		case <-gone:
		default:
			if time.Now().After(end) {
				t.Fatal("the policy is still held")
			}
			continue
		}
		break
	}
	p := Compile(file(config.Rule{Match: where(header("X-A", "*")), Response: set(nil, "X: 1")}))
	p.Decide(r, &d)
	d.Forget()
	if n := testing.AllocsPerRun(100, func() { p.Decide(r, &d); d.Forget() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := shown(&d); got != "client invalid IP" {
		t.Errorf("%s", got)
	}
	runtime.KeepAlive(&d)
}
