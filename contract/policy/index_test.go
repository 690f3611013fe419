package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"section.internal/contract/config"
)

// asked returns how many rules are asked about a request.
func asked(p *Policy, r *Request) (n int) {
	var d Decision
	if !p.begin(r, &d) {
		return 0
	}
	for lists := p.index.candidates(d.view, nil); next(lists) >= 0; {
		n++
	}
	return n
}

func TestIndex_AsksOnlyTheRulesOfTheHostOrThePath(t *testing.T) {
	for _, by := range []string{"host", "below", "prefix", "regex"} {
		p := Compile(manyRules(10_000, by))
		if n := asked(p, browser("www.example.com/a/b/c.html")); n != 0 {
			t.Errorf("%s: %d rules are asked about a request that none can match", by, n)
		}
		if n := asked(p, matching(10_000, by)); n != 1 {
			t.Errorf("%s: %d rules are asked about a request that one matches", by, n)
		}
	}
}

// Ten thousand rules of one host differ by path, and those of one path by host.
func TestIndex_TakesWhatFewerRulesShare(t *testing.T) {
	var oneHost, onePath, both []config.Rule
	for i := range 1000 {
		h, p := host(fmt.Sprintf("h%d.example", i)), path(fmt.Sprintf("/p%d/**", i), fmt.Sprintf("/q%d", i))
		oneHost = append(oneHost, config.Rule{Match: where(host("h1.example"), p)})
		onePath = append(onePath, config.Rule{Match: where(h, path("/p1/**"))})
		both = append(both, config.Rule{Match: where(not(h), method("GET"), p)})
	}
	f := func(name string, rules []config.Rule, url string, want int) {
		t.Helper()
		if n := asked(Compile(file(rules...)), get(url)); n != want {
			t.Errorf("%s: %d rules are asked: want %d", name, n, want)
		}
	}
	f("one host", oneHost, "h1.example/p7/x", 1)
	f("one host, the other path", oneHost, "h1.example/q7", 1)
	f("one host, no path", oneHost, "h1.example/q7/", 0)
	f("one path", onePath, "h7.example/p1/x", 1)
	f("not", both, "h1.example/p7/x", 1)
	f("no host says", []config.Rule{{}, {Match: where(path("**.css", "/a"))}, {Match: where(not(host("h1.example")))}}, "h1.example/", 3)
}

func TestRegexPrefix_IsWhatEveryFitBeginsWith(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := regexPrefix(regex(text).Regex); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	f(`^/blog/(?P<year>\d{4})/x$`, "/blog/")
	f(`^/blog$`, "/blog")
	f(`\A/a\.b[c]`, "/a.bc")
	f(`^/ab*`, "/a")
	f(`^/ab?/c`, "/a")
	f(`^/a|/b`, "")
	f(`^(?:/a|/b)`, "/") // what they share, by the parser
	f(`/blog`, "")
	f(`(?i)^/blog`, "/") // case is folded from there on
	f(`(?m)^/blog`, "")
	f(`^`, "")
	f(`^\x{FFFD}`, "") // fits broken bytes too
	f(`^/é/x.`, "/é/x")
}

// maker makes rules and requests out of random bytes, from few enough parts that they meet.
type maker struct{ *rand.Rand }

func (m maker) of(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m maker) some(most int, texts ...string) (list []string) {
	for range 1 + m.IntN(most) {
		list = append(list, m.of(texts...))
	}
	return list
}

func (m maker) condition(depth int) config.Condition {
	most := 3
	if m.IntN(8) == 0 {
		most = 20
	}
	switch m.IntN(14 - 2*min(depth, 1)) {
	case 0, 1, 2:
		return path(m.some(most, "/", "/a", "/a/**", "/a/*", "/a/b*", "/a/b/**", "/ab**", "/*/b", "**", "**.css", "/a/**/c", "/b", "/b/**", "**b**")...)
	case 3, 4:
		return host(m.some(most, "a.com", "b.com", "*.a.com", "*.b.a.com", "*.com", "x.a.com")...)
	case 5:
		return regex(m.of(`^/a/`, `^/a(?P<g>.*)$`, `b`, `^/(?:a|b)$`, `(?i)^/A`, `^/b`, `^/a/b`))
	case 6:
		return method(m.some(2, "GET", "POST", "*")...)
	case 7:
		return header(m.of("X-A", "x-a", "X-B"), m.some(most, "1", "2*", "*")...)
	case 8:
		return cookie(m.of("a", "b"), m.some(most, "1", "*2", "*")...)
	case 9:
		return query(m.of("a", "b"), m.some(most, "1", "*2", "*")...)
	case 10:
		return client(m.some(most, "1.2.3.0/24", "1.2.3.4/32", "2001:db8::/32", "0.0.0.0/0", "::/0")...)
	case 11:
		return protocol(m.of("http", "https"))
	}
	return not(m.conditions(depth + 1)...)
}

func (m maker) conditions(depth int) (list []config.Condition) {
	for range m.IntN(4) {
		list = append(list, m.condition(depth))
	}
	return list
}

func (m maker) rules() *config.Config {
	var rules []config.Rule
	for range m.IntN(30) {
		r := config.Rule{Match: where(m.conditions(0)...)}
		line := func() string { return m.of("", "", "+", "-") + m.of("X-A", "x-a", "X-B", "X-C") }
		var lines []string
		for range m.IntN(3) {
			if l := line(); l[0] == '-' {
				lines = append(lines, l)
			} else {
				lines = append(lines, l+": "+m.of("v", "w", "{path} {query.a}", "{cookie.a}{header.X-B}{client}"))
			}
		}
		switch m.IntN(6) {
		case 0:
			r.Rewrite = rewrite(m.of("/x{path}", "{path}/y", "/z"))
		case 1:
			r.Origin = m.of("one", "two")
		case 2:
			r.Limit = limit(config.Key{Of: config.KeyKind(m.IntN(5)), Name: "a"})
		case 3:
			r.Split = &config.Split{Name: m.of("s", "t"), By: config.Key{Of: config.KeyKind(m.IntN(5)), Name: "b"}, Variants: []config.Variant{{Name: "one", Weight: 1}, {Name: "two", Weight: 3}}}
		case 4:
			if m.IntN(3) == 0 {
				r.Redirect = redirect("https://{host}/{query.b}", 302)
			} else if m.IntN(2) == 0 {
				r.Respond = respond(403, "no", "X-A: {uri}")
			}
		}
		if r.Redirect == nil && r.Respond == nil {
			r.Request = set(nil, lines...)
		}
		r.Response = set(nil, lines...)
		rules = append(rules, r)
	}
	return file(rules...)
}

func (m maker) request() *Request {
	var fields []string
	for range m.IntN(5) {
		fields = append(fields, m.of("X-A: 1", "x-a: 22", "X-B: x", "Cookie: a=1; b=12", "Cookie: a=2", "True-Client-IP: 1.2.3.4", "True-Client-IP: 2001:db8::1", "X-Forwarded-Proto: https"))
	}
	target := m.of("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/x/b", "/a/x.css", "/a/x/c", "//a", "/a%2fb/c", "/x/../a", "/A") + m.of("", "", "?a=1", "?a=%202&b=12", "?")
	r := get(m.of("a.com", "b.com", "x.a.com", "x.b.a.com", "c.org", "A.COM:80", "x.y.com.", "")+target, fields...)
	r.Method = []byte(m.of("GET", "POST"))
	return r
}

// Whatever the rules and the request are, asking the rules that the index names comes to the same as asking each.
func FuzzDecide_IsWhatEveryRuleAskedInTurnSays(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := maker{rand.New(rand.NewPCG(seed, 1))}
		c := m.rules()
		p := Compile(c)
		var d, e Decision
		for range 10 {
			r := m.request()
			p.Decide(r, &d)
			steps := p.Explain(r, &e)
			if a, b := shown(&d), shown(&e); a != b {
				t.Fatalf("%s %s%s %q\nDecide:\n%s\nExplain:\n%s", r.Method, r.Host, r.Target, r.Fields, a, b)
			}
			checkChanges(t, d.Request)
			checkChanges(t, d.Response)
			matched := 0
			for i, s := range steps {
				if s.Rule != &c.Rules[i] || (s.Failed != nil) == (s.Matched || s.After) || (s.Failed == nil) != (s.Got == "") {
					t.Fatalf("step %+v", s)
				}
				if s.Matched {
					if d.Matched[matched] != s.Rule {
						t.Fatalf("rule %s is %d in %s", s.Rule.Name, matched, shown(&d))
					}
					matched++
				}
			}
			if len(steps) != len(c.Rules) || matched != len(d.Matched) {
				t.Fatalf("%d steps, %d matched: %s", len(steps), matched, shown(&d))
			}
		}
	})
}

// checkChanges checks what is promised of the changes of a decision.
func checkChanges(t *testing.T, changes []Change) {
	t.Helper()
	of, added := map[string]bool{}, map[string]bool{}
	for _, c := range changes {
		name := strings.ToLower(c.Name)
		switch {
		case c.Kind == Add:
			added[name] = true
		case of[name] || added[name] || c.Kind != Remove && c.Kind != Set:
			t.Fatalf("%v", changes)
		default:
			of[name] = true
		}
	}
}

// Whatever a path is made of, all its spellings come to the same.
func FuzzDecide_EverySpellingOfAPathIsDecidedAlike(f *testing.F) {
	f.Add("/a/b/c.css", uint64(1))
	f.Add("/a/", uint64(2))
	f.Add("/\xff/é%/..x/", uint64(3))
	f.Fuzz(func(t *testing.T, path string, seed uint64) {
		m := maker{rand.New(rand.NewPCG(seed, 2))}
		plain := removeSegments([]byte("/" + path))
		// As it is, in its simplest spelling.
		simple := appendEscaped(nil, plain)
		if got := appendPath(nil, simple); string(got) != string(plain) {
			t.Fatalf("%q is %q, which is %q", plain, simple, got)
		}
		if plainPath(simple) && string(simple) != string(plain) {
			t.Fatalf("%q is taken for decoded", simple)
		}
		spelled := m.spell(plain)
		if got := appendPath(nil, spelled); string(got) != string(plain) {
			t.Fatalf("%q, spelled %q, is %q", plain, spelled, got)
		}
		if string(removeSegments(plain)) != string(plain) {
			t.Fatalf("%q has segments to remove", plain)
		}
		c := m.rules()
		for i := range c.Rules { // what is passed on stays as it came; only the decision must be the same
			c.Rules[i].Request, c.Rules[i].Response, c.Rules[i].Rewrite, c.Rules[i].Respond, c.Rules[i].Redirect = config.Changes{}, config.Changes{}, nil, nil, nil
		}
		one, other := get("a.com/"), get("a.com/")
		one.Target, other.Target = simple, spelled
		if a, b := shown(decide(t, c, one)), shown(decide(t, c, other)); a != b {
			t.Fatalf("%q:\n%s\n%q:\n%s", simple, a, spelled, b)
		}
	})
}

// spell writes a decoded path in some other way.
func (m maker) spell(path []byte) (out []byte) {
	for i, c := range path {
		if c == '/' {
			for range m.IntN(3) {
				out = append(out, m.of("/", "/.", "/%2e", "/x/..", "/x%2F.%2e", "//y/%2E%2E", "%2f", "%2F.")...)
			}
		}
		switch {
		case c <= ' ' || c >= 0x7f || c == '%' || c == '?' || c == '#' || i > 0 && m.IntN(3) == 0:
			out = fmt.Appendf(out, m.of("%%%02x", "%%%02X"), c)
		default:
			out = append(out, c)
		}
	}
	return out
}

func TestDecide_AllocatesNothing(t *testing.T) {
	f := func(name string, c *config.Config, r *Request, matched int) {
		t.Helper()
		p := Compile(c)
		var d Decision
		if n := testing.AllocsPerRun(100, func() { p.Decide(r, &d) }); n != 0 || len(d.Matched) != matched {
			t.Errorf("%s: %v allocations, %d matched", name, n, len(d.Matched))
		}
	}
	spelled := browser("WWW.Example.com:80/%61//b/../x.css?a=%20&b=+1&%61=2", "X-Forwarded-Proto: HTTPS")
	none := file(
		config.Rule{Match: where(path("/static/**", "**.js"))}, config.Rule{Match: where(host("*.example.org"))}, config.Rule{Match: where(cookie("a", "*"), query("a", "b"))},
		config.Rule{Match: where(query("a", "b*"), agent("*bot*"))}, config.Rule{Match: where(client("10.0.0.0/8"))}, config.Rule{Match: where(regex(`^/a/b(\d+)$`))},
		config.Rule{Match: where(not(header("User-Agent", "*")))},
	)
	f("none matches", none, spelled, 0)
	f("none matches, IPv6", none, browser("www.example.com/", "True-Client-IP: 2001:db8::1"), 0)
	f("many, none matches", manyRules(1000, "host"), spelled, 0)
	f("literal changes", file(
		config.Rule{Response: set(nil, "A: b", "-C", "+D: e"), Request: set(nil, "A: b", "-C"), Origin: "x"},
		config.Rule{Response: set(nil, "A: b", "-D", "+D: e")},
	), spelled, 2)
	f("limit, split and placeholders", file(config.Rule{
		Limit: limit(config.Key{}), Request: set(nil, "A: {host} {uri} {query.a} {client}"), Rewrite: rewrite("/v2{path}"),
		Split: &config.Split{Name: "s", Variants: []config.Variant{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}},
	}), spelled, 1)
	f("not enabled", &config.Config{}, spelled, 0)
}

func TestPolicy_IsUsedFromAnywhere(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(1, 3))}
	c := m.rules()
	p := Compile(c)
	var requests []*Request
	var want []string
	for range 50 {
		r := m.request()
		requests, want = append(requests, r), append(want, shown(decide(t, c, r)))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var d Decision
			for range 5 {
				for i, r := range requests {
					if p.Decide(r, &d); shown(&d) != want[i] {
						t.Errorf("request %d:\n%s\nwant\n%s", i, shown(&d), want[i])
					}
				}
			}
		})
	}
	all.Wait()
}
