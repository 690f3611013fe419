package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"section.internal/contract/config"
)

func TestWarnings_OnlyWhereItIsCertain(t *testing.T) {
	f := func(earlier, later []config.Condition, want bool) {
		t.Helper()
		c := file(
			config.Rule{Name: "a", Match: where(earlier...), Respond: respond(403, "")},
			config.Rule{Name: "b", Match: where(later...), Response: set(nil, "X: y")},
		)
		got := Warnings(c).Lines()
		text := `proxy.toml:20:1: rule "b" can never match: rule "a" (line 10) ends every request that it could; want it above that one`
		if len(got) > 1 || (len(got) == 1) != want || want && got[0] != text {
			t.Errorf("%q, want %v", got, want)
		}
	}
	all := func(c ...config.Condition) []config.Condition { return c }
	f(nil, nil, true)
	f(nil, all(path("/a")), true)
	f(all(path("/a")), nil, false)
	f(all(path("/a/**")), all(path("/a/b", "/a/*.css"), method("GET")), true)
	f(all(path("/a/**")), all(path("/a/b", "/b")), false)
	f(all(path("/a/**"), method("GET")), all(path("/a/b")), false)
	f(all(path("/a/**"), method("GET", "HEAD")), all(method("HEAD"), path("/a/b")), true)
	f(all(path("/blog/**")), all(regex(`^/blog/(\d+)$`)), true)
	f(all(path("/blog/**")), all(regex(`/blog/(\d+)$`)), false)
	f(all(path("/blog/*")), all(regex(`^/blog/(\d+)$`)), false)
	f(all(regex(`^/b`)), all(regex(`^/b`)), true)
	f(all(regex(`^/b`)), all(regex(`^/bb`)), false) // true, but not seen
	f(all(regex(`^/b+$`)), all(path("/b", "/bbb")), true)
	f(all(regex(`^/b+$`)), all(path("/b", "/bbb*")), false)
	f(all(host("*.a.com", "a.com")), all(host("a.com", "x.a.com", "*.x.a.com")), true)
	f(all(host("*.a.com")), all(host("a.com")), false)
	f(all(header("X-A", "1*")), all(header("x-a", "12", "1")), true)
	f(all(header("X-A", "1*")), all(header("X-B", "12")), false)
	f(all(cookie("a", "*")), all(cookie("a", "x")), true)
	f(all(cookie("a", "*")), all(cookie("A", "x")), false)
	f(all(query("a", "*")), all(query("a", "x")), true)
	f(all(geo("country_code", "AU", "NZ")), all(geo("country-code", "nz")), true)
	f(all(agent("*bot*")), all(agent("Google*BOT/2")), true)
	f(all(protocol("http")), all(protocol("https")), false)
	f(all(client("10.0.0.0/8", "2001:db8::/32")), all(client("10.1.0.0/16", "2001:db8:1::/48")), true)
	f(all(client("10.0.0.0/8")), all(client("10.1.0.0/16", "11.0.0.0/8")), false)
	f(all(client("0.0.0.0/0")), all(client("2001:db8::/32")), false)
	f(all(not(path("/a"))), all(not(path("/a/**", "/a"))), true)
	f(all(not(path("/a/**", "/a"))), all(not(path("/a"))), false)
	f(all(not(path("/a"), host("h"))), all(not(path("/a"))), true)
	f(all(not(client("10.0.0.0/8"))), all(not(client("10.0.0.0/8")), method("GET")), true)
	// A rule that does not end anything hides nothing.
	if w := Warnings(file(config.Rule{Limit: limit(config.Key{})}, config.Rule{})); w != nil {
		t.Errorf("%v", w)
	}
}

// No request matches a rule that a warning speaks of.
func FuzzWarnings_AreNeverWrong(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := maker{rand.New(rand.NewPCG(seed, 4))}
		c := m.rules()
		for i := range c.Rules {
			if m.IntN(2) == 0 {
				c.Rules[i] = config.Rule{Name: c.Rules[i].Name, Place: c.Rules[i].Place, Match: c.Rules[i].Match, Respond: respond(403, "")}
			}
		}
		warned := map[int]bool{}
		for _, w := range Warnings(c) {
			warned[w.Line] = true
		}
		p := Compile(c)
		var d Decision
		for range 20 {
			r := m.request()
			p.Decide(r, &d)
			for _, rule := range d.Matched {
				if warned[rule.Place.Line] {
					t.Fatalf("%s matches %s %s%s %q", rule.Name, r.Method, r.Host, r.Target, r.Fields)
				}
			}
		}
	})
}

// However many rules and however long their lists are, what is tried is bounded.
func TestWarnings_StopWhereTheyWouldCostTooMuch(t *testing.T) {
	var long []string
	for i := range 20 {
		long = append(long, fmt.Sprintf("/%s%d", strings.Repeat("*a", 50), i))
	}
	c := file(
		config.Rule{Match: where(path(long...)), Respond: respond(403, "")},
		config.Rule{Match: where(path(long...)), Respond: respond(403, "")},
	)
	w := &implications{left: 1_000_000}
	if got := w.warnings(c); got != nil || w.left > 0 || w.left < -1000*1000 {
		t.Errorf("%v; %d left", got, w.left)
	}
	if len(Warnings(c)) != 1 {
		t.Error("what is within the bound is not said")
	}
}
