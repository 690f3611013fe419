package pattern

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"section.internal/contract/ascii"
)

func mustPath(t testing.TB, text string) Path {
	t.Helper()
	p, err := ParsePath(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

func mustHost(t testing.TB, text string) Host {
	t.Helper()
	h, err := ParseHost(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return h
}

func mustValue(t testing.TB, text string, fold bool) Value {
	t.Helper()
	v, err := ParseValue(text, fold)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func TestPath_StarsStandForWhatTheyAreSaidTo(t *testing.T) {
	f := func(text, path string, want bool) {
		t.Helper()
		if got := mustPath(t, text).Match([]byte(path)); got != want {
			t.Errorf("%q, path %q: %v", text, path, got)
		}
	}
	f("/", "/", true)
	f("/", "/a", false)
	f("/a", "/a", true)
	f("/a", "/a/", false) // another resource
	f("/a*", "/a", true)
	f("/a*", "/abc", true)
	f("/a*", "/a/b", false)
	f("/*/c", "/b/c", true)
	f("/*/c", "//c", true)
	f("/*/c", "/a/b/c", false)
	f("/static/**", "/static/", true)
	f("/static/**", "/static/a/b.css", true)
	f("/static/**", "/static", false)
	f("**", "/", true)
	f("**", "", true)
	f("**.css", "/a.css", true)
	f("**.css", "/a/b/c.css", true)
	f("**.css", "/a.css/x", false)
	f("**.css", "css", false)
	f("/a/**/z", "/a/z", false)
	f("/a/**/z", "/a/b/z", true)
	f("/a/**/z", "/a/b/c/z", true)
	f("/a/**z", "/a/z", true)
	f("/a/**/b/*/d/**", "/a/x/b/c/e/b/c/d/", true) // the first b does not lead on, the second does
	f("/a/**/b/*/d/**", "/a/x/b/c/e/b/c/d", false)
	f("**/img/*.png", "/x/img/a.png", true)
	f("**/img/*.png", "/x/img/y/a.png", false)
	f("**a*b**", "/aa/xab", true)
	f("**a*b**", "/a/b", false)
	f("**a**a", "/a", false) // both cannot be the same
	f("/a**a", "/aa", true)
	f("/x*ab", "/xaab", true)
	f("/ä*", "/ä!", true)
}

func TestPath_ThatIsNoneSaysWhatIsWanted(t *testing.T) {
	f := func(text string, offset int, message string) {
		t.Helper()
		_, err := ParsePath(text)
		wantError(t, text, err, offset, message)
	}
	f("", 0, `empty: want a pattern such as "/static/**"`)
	f("static/*", 0, `does not begin with "/": want "/" or "**" at the beginning`)
	f("*.css", 0, `begins with "*": want "/" or "**" at the beginning; "**.css" fits in every folder`)
	f("/a/***", 3, `3 "*" in a row: want "*" for any characters but "/", or "**" for any characters`)
	f("***", 0, `3 "*" in a row: want "*" for any characters but "/", or "**" for any characters`)
	f("/a?b=1", 2, `"?": a path has no query; want the key query beside path, or "*" for the character itself`)
	f("/a#b", 2, `"#": a request has no fragment; want "*" for the character itself`)
	f("/a%20b", 2, `"%20": paths are matched decoded; want the character that it stands for`)
	f("/a//b", 2, `"//": empty segments are removed before a path is matched, so nothing would fit; want "/"`)
	f("/a/../b", 3, `"..": such segments are removed before a path is matched, so nothing would fit; want the path without`)
	f("/a/.", 3, `".": such segments are removed before a path is matched, so nothing would fit; want the path without`)
	f("/a\nb", 2, `'\n': want printable characters`)
	f("/"+strings.Repeat("a", 1024), 1024, `longer than 1024 bytes: want a shorter pattern`)
	for _, text := range []string{"/", "/a/", "/a%", "/100%", "/a%zz", "/.../x", "/.well-known/**", "**", "/" + strings.Repeat("a", 1023)} {
		mustPath(t, text)
	}
}

func TestPath_PrefixIsWhatEveryFitBeginsWith(t *testing.T) {
	f := func(text, prefix string, whole bool) {
		t.Helper()
		if p, w := mustPath(t, text).Prefix(); p != prefix || w != whole {
			t.Errorf("%q: %q, %v", text, p, w)
		}
	}
	f("/a/b", "/a/b", true)
	f("/a/b*", "/a/b", false)
	f("**.css", "", false)
	f("/a/**/b/*", "/a/", false)
}

func TestHost_FitsTheNameOrAllBelow(t *testing.T) {
	f := func(text, host string, want bool) {
		t.Helper()
		if got := mustHost(t, text).Match([]byte(host)); got != want {
			t.Errorf("%q, host %q: %v", text, host, got)
		}
	}
	f("www.example.com", "www.example.com", true)
	f("WWW.Example.com", "www.example.com", true)
	f("example.com", "www.example.com", false)
	f("*.example.com", "www.example.com", true)
	f("*.example.com", "a.b.example.com", true)
	f("*.example.com", "example.com", false)
	f("*.example.com", ".example.com", false)
	f("*.example.com", "wwwexample.com", false)
	f("*.com", "example.com", true)
	f("192.0.2.1", "192.0.2.1", true)
	f("[2001:db8::1]", "[2001:db8::1]", true)
	f("localhost", "", false)
	if (Host{}).Match(nil) {
		t.Error("the zero value fits the unknown host")
	}
}

func TestHost_ThatIsNoneSaysWhatIsWanted(t *testing.T) {
	f := func(text string, offset int, message string) {
		t.Helper()
		_, err := ParseHost(text)
		wantError(t, text, err, offset, message)
	}
	f("", 0, `empty: want a pattern such as "www.example.com" or "*.example.com"`)
	f("*", 0, `"*": want a host such as "www.example.com", or no key host for every host`)
	f("*.", 2, `want a name behind "*.", as in "*.example.com"`)
	f("www.*.com", 4, `"*": want it at the beginning, followed by a dot, as in "*.example.com"`)
	f("*example.com", 0, `"*": want it at the beginning, followed by a dot, as in "*.example.com"`)
	f("example.com:80", 11, `":80": want a host without port`)
	f("[::1]:80", 5, `":80": want a host without port`)
	f("::1", 0, `want the address in brackets, as clients send it: "[::1]"`)
	f("[::1", 0, `want one IPv6 address in brackets, such as "[2001:db8::1]"`)
	f("[1.2.3.4]", 1, `"1.2.3.4" is no IPv6 address: want one such as "[2001:db8::1]"`)
	f("https://example.com", 0, `begins with a scheme: want a host such as "www.example.com", and the key protocol for http or https`)
	f("example.com/a", 11, `"/a": want a host without path, and the key path for that`)
	f("example..com", 8, `empty label: want a name such as "www.example.com"`)
	f(".example.com", 0, `empty label: want a name such as "www.example.com"`)
	f("example.com.", 11, `want the name without the dot at its end`)
	f("exämple.com", 2, `not ASCII: want the name as clients send it, with "xn--"`)
	f("exa mple.com", 3, `' ': want letters, digits, "-", "_" and dots`)
	f("*.192.0.2.1", 0, `there is nothing below the address 192.0.2.1: want "192.0.2.1"`)
	f(strings.Repeat("a", 254), 253, `longer than 253 bytes: want a shorter name`)
}

func TestValue_StarStandsForAnyBytes(t *testing.T) {
	f := func(text string, fold bool, value string, want bool) {
		t.Helper()
		if got := mustValue(t, text, fold).Match([]byte(value)); got != want {
			t.Errorf("%q (fold %v), value %q: %v", text, fold, value, got)
		}
	}
	f("*", false, "", true)
	f("GET", false, "GET", true)
	f("GET", false, "get", false)
	f("*bot*", true, "Mozilla (GoogleBOT/2)", true)
	f("*Bot*", true, "bo", false)
	f("a*a", false, "a", false)
	f("a*a", false, "aa", true)
	f("a*b*c", false, "a/b/b/c", true)
	f("a*b*c", false, "acb", false)
	f("AU", true, "au", true)
	f("É*", true, "É!", true)
	if (Value{}).Match(nil) {
		t.Error("the zero value fits")
	}
}

func TestValue_ThatIsNoneSaysWhatIsWanted(t *testing.T) {
	_, err := ParseValue("a**b", false)
	wantError(t, "a**b", err, 1, `"**": want "*", which stands for any characters here`)
	_, err = ParseValue("", true)
	wantError(t, "", err, 0, `empty: want a pattern such as "*" for any value`)
	_, err = ParseValue("a\x7f", true)
	wantError(t, "a\x7f", err, 1, `'\x7f': want printable characters`)
}

func wantError(t *testing.T, text string, err error, offset int, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Offset != offset || e.Message != message {
		t.Errorf("%q: %#v\nwant %d: %s", text, err, offset, message)
	}
}

func TestCovers_OnlyWhereEveryFitIsOne(t *testing.T) {
	path := func(p, q string, want bool) {
		t.Helper()
		if got := mustPath(t, p).Covers(mustPath(t, q)); got != want {
			t.Errorf("%q covers %q: %v", p, q, got)
		}
	}
	path("**", "/a/*", true)
	path("/a/**", "/a/b", true)
	path("/a/**", "/a/*/c", true)
	path("/a/**", "/a/**.css", true)
	path("/a/**", "/a", false)
	path("/a/*", "/a/**", false)
	path("/a/*", "/a/b*c", true)
	path("/a/*", "/a/*/c", false)
	path("**.css", "/x/**.css", true)
	path("**.css", "/x/**", false)
	path("/a*c", "/abc", true)
	path("/a/b", "/a/b", true)
	host := func(p, q string, want bool) {
		t.Helper()
		if got := mustHost(t, p).Covers(mustHost(t, q)); got != want {
			t.Errorf("%q covers %q: %v", p, q, got)
		}
	}
	host("*.a.com", "b.a.com", true)
	host("*.a.com", "*.b.a.com", true)
	host("*.a.com", "*.a.com", true)
	host("*.a.com", "a.com", false)
	host("a.com", "*.a.com", false)
	host("a.com", "a.com", true)
	host("*.b.a.com", "*.a.com", false)
	value := func(p string, fold bool, q string, qFold, want bool) {
		t.Helper()
		if got := mustValue(t, p, fold).Covers(mustValue(t, q, qFold)); got != want {
			t.Errorf("%q covers %q: %v", p, q, got)
		}
	}
	value("*", false, "x", true, true)
	value("a*", false, "ab*c", false, true)
	value("a*", false, "ab*c", true, false)
	value("A*", true, "aB", true, true)
}

func TestMatch_AllocatesNothing(t *testing.T) {
	path, host, value := mustPath(t, "/a/**/b*/c**"), mustHost(t, "*.example.com"), mustValue(t, "*bot*x", true)
	p, h, v := []byte("/a/x/y/bbb/cd"), []byte("www.example.com"), []byte("RoBotX")
	if n := testing.AllocsPerRun(100, func() {
		if !path.Match(p) || !host.Match(h) || !value.Match(v) {
			t.Fatal("does not fit")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Patterns and paths that make matchers which try everything twice go on for years.
func BenchmarkPath_Hostile(b *testing.B) {
	for _, text := range []string{strings.Repeat("**a", 340), "/" + strings.Repeat("*a", 500), "**" + strings.Repeat("/*a", 300) + "/**", "**aaaaaaaaaaaaaaaab**"} {
		p := mustPath(b, text)
		for name, path := range map[string][]byte{
			"one segment":   append([]byte("/"), bytesOf("a", 32<<10)...),
			"many segments": bytesOf("/a", 16<<10),
		} {
			b.Run(text[:8]+" "+name, func(b *testing.B) {
				for b.Loop() {
					p.Match(path)
				}
			})
		}
	}
}

func bytesOf(s string, n int) []byte { return []byte(strings.Repeat(s, n)) }

// inRegexp returns what a pattern means as a regular expression over bytes, each as the character of its number.
func inRegexp(text, star string) *regexp.Regexp {
	var s strings.Builder
	s.WriteString(`(?s)\A(?:`)
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "**"):
			s.WriteString(".*")
			i++
		case text[i] == '*':
			s.WriteString(star)
		default:
			s.WriteString(regexp.QuoteMeta(string(rune(text[i]))))
		}
	}
	s.WriteString(`)\z`)
	return regexp.MustCompile(s.String())
}

func wide(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func FuzzPath_MatchesAsTheRegexpDoes(f *testing.F) {
	for _, seed := range [][2]string{
		{"/a/**/b/*/d/**", "/a/x/b/c/e/b/c/d/"}, {"**a*b**a", "/aab/ba"}, {"/*/c", "/b/c"}, {"**/x/*y*/**z", "/x/yy/zz"}, {"**.css", "/a.css"},
		{"**a*b/**b*a/c**", "/aab/ba/a/c"}, {"/ab*ab", "/abab"},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, text string, path []byte) {
		p, err := ParsePath(text)
		if err != nil {
			if e := err.(*Error); e.Offset < 0 || e.Offset > len(text) || e.Message == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		got, want := p.Match(path), inRegexp(text, "[^/]*").MatchString(wide(path))
		if got != want {
			t.Fatalf("%q, path %q: %v, want %v", text, path, got, want)
		}
		prefix, whole := p.Prefix()
		if got && !strings.HasPrefix(string(path), prefix) || whole && got != (string(path) == prefix) {
			t.Errorf("%q fits %q; its prefix is %q, %v", text, path, prefix, whole)
		}
	})
}

func FuzzValue_MatchesAsTheRegexpDoes(f *testing.F) {
	f.Add("*bot*", true, []byte("GoogleBot/2"))
	f.Add("a*b*a", false, []byte("aabba"))
	f.Fuzz(func(t *testing.T, text string, fold bool, value []byte) {
		v, err := ParseValue(text, fold)
		if err != nil {
			return
		}
		other := value
		if fold {
			text, other = ascii.ToLower(text), []byte(ascii.ToLower(string(value)))
		}
		if got, want := v.Match(value), inRegexp(text, ".*").MatchString(wide(other)); got != want {
			t.Errorf("%q (fold %v), value %q: %v, want %v", text, fold, value, got, want)
		}
	})
}

func FuzzHost_FitsWhatItIs(f *testing.F) {
	for _, seed := range []string{"www.example.com", "*.example.com", "[2001:db8::1]", "192.0.2.1", "*."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHost(text)
		if err != nil {
			return
		}
		name, anyBelow := h.Name()
		if got := h.Match([]byte(name)); got == anyBelow {
			t.Errorf("%q: fits %q: %v", text, name, got)
		}
		if got := h.Match([]byte("x." + name)); got != anyBelow {
			t.Errorf("%q: fits %q: %v", text, "x."+name, got)
		}
		if again, err := ParseHost(h.String()); err != nil || again != h {
			t.Errorf("%q is %q, which is %q, %v", text, h, again, err)
		}
	})
}

func FuzzCovers_IsNeverWrong(f *testing.F) {
	f.Add("/a/**", "/a/*/c", []byte("/a/b/c"))
	f.Add("**a*", "/x**a*b", []byte("/xaab"))
	f.Fuzz(func(t *testing.T, first, second string, value []byte) {
		p, err1 := ParsePath(first)
		q, err2 := ParsePath(second)
		if err1 == nil && err2 == nil && p.Covers(q) && q.Match(value) && !p.Match(value) {
			t.Errorf("%q does not cover %q: %q", first, second, value)
		}
		v, err1 := ParseValue(first, false)
		w, err2 := ParseValue(second, false)
		if err1 == nil && err2 == nil && v.Covers(w) && w.Match(value) && !v.Match(value) {
			t.Errorf("%q does not cover %q: %q", first, second, value)
		}
	})
}
