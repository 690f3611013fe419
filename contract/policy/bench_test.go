package policy

import (
	"fmt"
	"runtime"
	"testing"

	"section.internal/contract/config"
)

// browser is what a browser sends, through the edge.
func browser(url string, more ...string) *Request {
	return get(url, append([]string{
		"Host: www.example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br",
		"Referer: https://www.example.com/", "Cookie: PHPSESSID=0123456789abcdef; _ga=GA1.2.3.4", "Cache-Control: max-age=0",
		"X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7", "True-Client-IP: 203.0.113.7", "section-io-id: 0123456789abcdef",
		"section-io-geo-country-code: AU", "section-io-geo-city: Sydney", "Connection: keep-alive",
	}, more...)...)
}

// manyRules returns n rules that differ by host, by the beginning of the path, or by both, of which the same number shares a host.
func manyRules(n int, by string) *config.Config {
	rules := make([]config.Rule, n)
	for i := range rules {
		host, path := host(fmt.Sprintf("host%d.example.com", i)), path(fmt.Sprintf("/section%d/**", i))
		switch by {
		case "host":
			rules[i].Match = where(host)
		case "below":
			rules[i].Match = where(hostBelow(i))
		case "prefix":
			rules[i].Match = where(path)
		case "regex":
			rules[i].Match = where(regex(fmt.Sprintf(`^/section%d/(\d+)$`, i)))
		}
		rules[i].Response = set(nil, "Cache-Control: no-store")
	}
	return file(rules...)
}

func hostBelow(i int) config.Condition { return host(fmt.Sprintf("*.host%d.example.com", i)) }

// matching returns a request that matches the rule in the middle.
func matching(n int, by string) *Request {
	switch by {
	case "host":
		return browser(fmt.Sprintf("host%d.example.com/a/b/c.html", n/2))
	case "below":
		return browser(fmt.Sprintf("www.host%d.example.com/a/b/c.html", n/2))
	}
	return browser(fmt.Sprintf("www.example.com/section%d/12345", n/2))
}

func BenchmarkDecide(b *testing.B) {
	for _, by := range []string{"host", "below", "prefix", "regex"} {
		for _, n := range []int{10, 10_000} {
			p := Compile(manyRules(n, by))
			run := func(name string, r *Request) {
				b.Run(fmt.Sprintf("%s/%d/%s", by, n, name), func(b *testing.B) {
					var d Decision
					b.ReportAllocs()
					for b.Loop() {
						p.Decide(r, &d)
					}
				})
			}
			run("none", browser("www.example.com/a/b/c.html?q=1"))
			run("one", matching(n, by))
		}
	}
	// Ten rules that change headers, of which five look at one.
	var rules []config.Rule
	for i := range 10 {
		r := config.Rule{Request: set(nil, fmt.Sprintf("X-Request-%d: a", i)), Response: set(nil, fmt.Sprintf("X-Response-%d: b", i), "-Server")}
		if i%2 == 0 {
			r.Match = where(header("Accept-Language", "en*"))
		}
		rules = append(rules, r)
	}
	p, r := Compile(file(rules...)), browser("www.example.com/a/b/c.html?q=1")
	b.Run("ten rules for headers", func(b *testing.B) {
		var d Decision
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(r, &d)
		}
	})
	p = Compile(file())
	b.Run("no rules", func(b *testing.B) {
		var d Decision
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(r, &d)
		}
	})
}

// How much memory a compiled rule takes beside what the configuration takes itself.
func BenchmarkCompile(b *testing.B) {
	for _, by := range []string{"host", "prefix"} {
		b.Run(by, func(b *testing.B) {
			c := manyRules(10_000, by)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p := Compile(c)
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(p)
			for b.Loop() {
				Compile(c)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "B/rule")
		})
	}
}
