package template

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// request is a source of values; what stands in escaped is fit for a URI.
type request struct{ plain, escaped map[string]string }

func (r request) AppendValue(dst []byte, name string) ([]byte, bool) {
	if v, ok := r.escaped[name]; ok {
		return append(dst, v...), true
	}
	return append(dst, r.plain[name]...), false
}

func TestTemplate_EscapesForWhereTheValueGoes(t *testing.T) {
	from := request{
		plain: map[string]string{
			"host": "www.example.com", "scheme": "https", "slug": "a b/ü&?", "header.X": "x\r\ny\tz\x7f", "query.next": "//evil.example/", "one": "b",
			"header.Evil": `evil.example/?#@\`, "method": "GET",
		},
		escaped: map[string]string{"path": "/a%20b/c|d%zz", "query": "x=1&y=%2F[]", "uri": "/a%20b?x=1"},
	}
	f := func(use Use, text, want string) {
		t.Helper()
		tpl, err := Parse(text, use, []string{"slug", "one"})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if got := string(tpl.Append([]byte("before "), from)); got != "before "+want {
			t.Errorf("%q: %q, want %q", text, got, "before "+want)
		}
	}
	f(FieldValue, "a {slug} {{{method}}}", "a a b/ü&? {GET}")
	f(FieldValue, "{header.X}", "xyz")
	f(FieldValue, "", "")
	f(Location, "https://{host}/articles/{slug}?y={slug}#{slug}", "https://www.example.com/articles/a%20b/%C3%BC%26%3F?y=a%20b%2F%C3%BC%26%3F#a%20b%2F%C3%BC%26%3F")
	f(Location, "{scheme}://{host}{path}", "https://www.example.com/a%20b/c%7Cd%25zz")
	f(Location, "https://{host}:8443{uri}", "https://www.example.com:8443/a%20b?x=1")
	f(Location, "https://{one}.example.com/", "https://b.example.com/")
	f(Location, "https://{header.Evil}.example.com/", "https://evil.example.example.com/")
	f(Location, "{path}?{query}", "/a%20b/c%7Cd%25zz?x=1&y=%2F[]")
	f(Location, "/{query.next}", "/evil.example/")
	f(Location, "/to?next={query.next}", "/to?next=%2F%2Fevil.example%2F")
	f(Location, "https://{header.None}.example.com{header.None}.b/", "https://.example.com.b/")
	f(Path, "/v2{path}", "/v2/a%20b/c|d%zz")
	f(Path, "/v2/{slug}/{query}", "/v2/a%20b/%C3%BC%26%3F/x=1&y=%2F[]")
	f(Path, "{path}.html", "/a%20b/c|d%zz.html")
	from.plain["host"], from.escaped["path"] = "", "x"
	f(Location, "https://{host}{path}", "https://invalid/x") // "https:///x" is the host x for a browser
	from.plain["host"] = "[2001:db8::1]"
	f(Location, "https://{host}:80/", "https://[2001:db8::1]:80/")
	f(Location, "https://{host}", "https://[2001:db8::1]")
	f(Location, "https://{host}?x", "https://[2001:db8::1]?x")
	// It is no part of a longer host.
	f(Location, "https://www.{host}/", "https://www.invalid/")
	f(Location, "https://{host}.example.com/", "https://invalid.example.com/")
	f(Location, "https://{one}.{host}:80/", "https://b.invalid:80/")
	f(Location, "/at/{host}/", "/at/%5B2001%3Adb8%3A%3A1%5D/")
}

func TestTemplate_LiteralHasNoPlaceholder(t *testing.T) {
	f := func(text, want string, ok bool) {
		t.Helper()
		tpl, err := Parse(text, FieldValue, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, is := tpl.Literal(); got != want || is != ok {
			t.Errorf("%q: %q, %v", text, got, is)
		}
	}
	f("", "", true)
	f("a{{b}}", "a{b}", true)
	f("{host}", "", false)
	f("a {host}", "", false)
}

func TestParse_SaysWhatIsWanted(t *testing.T) {
	f := func(use Use, text string, offset int, message string) {
		t.Helper()
		_, err := Parse(text, use, []string{"year"})
		var e *Error
		if !errors.As(err, &e) || e.Offset != offset || e.Message != message {
			t.Errorf("%q: %#v\nwant %d: %s", text, err, offset, message)
		}
	}
	f(FieldValue, "a {hots}", 2, "unknown placeholder {hots}; did you mean {host}?")
	f(FieldValue, "{yaer}", 0, "unknown placeholder {yaer}; did you mean {year}?")
	f(FieldValue, "{zzzzzzzzz}", 0, "unknown placeholder {zzzzzzzzz}: want one of host, path, query, uri, method, scheme, client, country, id, header.NAME, cookie.NAME, query.NAME, or a group of path_regex: year")
	f(FieldValue, "{}", 0, `"{}": want a name in it; "{{" and "}}" for the characters themselves`)
	f(FieldValue, "{host", 0, `"{" without "}": want "{{" for the character itself`)
	f(FieldValue, "{ho{st}}", 0, `"{" without "}": want "{{" for the character itself`)
	f(FieldValue, "a}b", 1, `"}" without "{": want "}}" for the character itself`)
	f(FieldValue, "a\nb", 1, `'\n': want printable characters`)
	f(FieldValue, "{header.X Y}", 8, "{header.X Y}: want a name of letters, digits and !#$%&'*+-.^_`|~ behind \"header.\"")
	f(FieldValue, "{cookie.}", 8, "{cookie.}: want a name of letters, digits and !#$%&'*+-.^_`|~ behind \"cookie.\"")
	f(FieldValue, "{query.}", 7, `{query.}: want the name of a parameter behind "query."`)
	f(FieldValue, strings.Repeat("a", 8193), 8192, "longer than 8192 bytes: want a shorter text")
	f(Location, "", 0, `empty: want "/", "https://", "http://", "{scheme}://", "{uri}" or "{path}" at the beginning`)
	f(Location, "www.example.com", 0, `want "/", "https://", "http://", "{scheme}://", "{uri}" or "{path}" at the beginning`)
	f(Location, "{query.next}", 0, `want "/", "https://", "http://", "{scheme}://", "{uri}" or "{path}" at the beginning`)
	f(Location, "//example.com/", 0, `begins with "//": want one "/", or a host behind "https://"`)
	f(Location, "https:///x", 8, `no host: want one behind "//", such as {host}`)
	f(Location, "https://", 8, `no host: want one behind "//", such as {host}`)
	f(Location, "https://a@example.com/", 9, `"@": want a host with an optional port, and no user name`)
	f(Location, "https://example.com{query.x}", 19, `{query.x} at the end of a host would let the request choose it: want {host}, {path}, "/" before it, or "." and a name behind it`)
	f(Location, "https://example.com:8o/", 8, `"example.com:8o" is no host: want one such as www.example.com or {host}, with an optional port`)
	f(Location, "/a b", 2, `" " may not stand in a URI: want it percent-encoded, %20`)
	f(Location, "/ü", 1, `"ü" may not stand in a URI: want it percent-encoded, %C3%BC`)
	f(Location, `/\evil.example`, 1, `"\\" may not stand in a URI: want it percent-encoded, %5C`)
	f(Location, "/100%", 4, `"%" without two hexadecimal digits: want "%25" for the character itself`)
	f(Path, "{uri}", 0, `{uri} holds the query: want {path}; the query stays as it came`)
	f(Path, "/a?b", 2, `"?": want a path alone; the query stays as it came`)
	f(Path, "a{path}", 0, `want "/" or "{path}" at the beginning`)
	f(Path, "", 0, `want "/" or "{path}" at the beginning`)
}

func TestReserved_IsWhatAGroupCannotBeNamed(t *testing.T) {
	if !Reserved("host") || Reserved("slug") || Reserved("header") || Reserved("header.NAME") {
		t.Error("want the parts of the request without a further name")
	}
}

func TestAppend_AllocatesNothing(t *testing.T) {
	tpl, err := Parse("https://{host}/a/{path}?{query}", Location, nil)
	if err != nil {
		t.Fatal(err)
	}
	var from Source = sample{}
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = tpl.Append(dst[:0], from) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What any request makes of any template stays what the template was for.
func FuzzAppend_IsFitForItsUse(f *testing.F) {
	for _, text := range []string{
		"https://{host}/a/{g}?x={query.x}", "{scheme}://{host}{uri}", "/{g}{path}", "{path}?{query}", "/{query.x}", "{uri}#{g}", "https://{g}.a.b/{g}", "a {header.X} {{}}",
		"http://{host}:80{path}", "http://{host}0", "https://www.{host}{uri}", "https://{host}{host}",
	} {
		f.Add(text, "value/../%2f", "www.example.com", "/a%20b", "x=1", true)
		f.Add(text, "//evil\\\r\n", "[::1]", "//evil", "?#\\", true)
	}
	f.Fuzz(func(t *testing.T, text, value, host, path, query string, https bool) {
		from := request{
			plain:   map[string]string{"host": host, "g": value, "query.x": value, "header.X": value, "scheme": map[bool]string{true: "https", false: "http"}[https]},
			escaped: map[string]string{"path": path, "query": query, "uri": path + "?" + query},
		}
		if tpl, err := Parse(text, FieldValue, []string{"g"}); err == nil {
			for _, c := range tpl.Append(nil, from) {
				if c < ' ' || c == 0x7f {
					t.Fatalf("%q: byte %x in the value of a field", text, c)
				}
			}
		} else if e := err.(*Error); e.Offset > len(text) || e.Message == "" {
			t.Fatalf("%q: %#v", text, e)
		}
		if tpl, err := Parse(text, Path, []string{"g"}); err == nil {
			from.escaped["path"] = "/" + path
			for i, c := range tpl.Append(nil, from) {
				if c <= ' ' || c >= 0x7f || c == '?' || c == '#' || i == 0 && c != '/' {
					t.Fatalf("%q: byte %x in a path", text, c)
				}
			}
			from.escaped["path"] = path
		}
		tpl, err := Parse(text, Location, []string{"g"})
		if err != nil {
			return
		}
		location := string(tpl.Append(nil, from))
		u, err := url.Parse(location)
		if err != nil {
			t.Fatalf("%q: %q: %v", text, location, err)
		}
		if strings.ContainsAny(location, "\\ \t\"<>^`{|}") {
			t.Fatalf("%q: %q", text, location)
		}
		if text[0] == '/' || strings.HasPrefix(text, "{path}") || strings.HasPrefix(text, "{uri}") {
			if u.Host != "" || u.Scheme != "" || location[0] != '/' || strings.HasPrefix(location, "//") {
				t.Fatalf("%q: %q leads to another host", text, location)
			}
			return
		}
		// The host is the template's own with the parts in their places, whatever the path and the query are.
		other := request{plain: map[string]string{"host": host, "g": value, "query.x": value, "header.X": value, "scheme": from.plain["scheme"]}, escaped: map[string]string{"path": "/", "query": "", "uri": "/"}}
		v, err := url.Parse(string(tpl.Append(nil, other)))
		if err != nil || u.Host != v.Host || u.Host == "" || u.User != nil || u.Scheme != v.Scheme {
			t.Fatalf("%q: %q, with another path %q, %v", text, location, v, err)
		}
		// And no value makes its end another: behind the last placeholder that is not {host} stands what the template has.
		authority := text[strings.Index(text, "://")+3:]
		if i := strings.IndexAny(authority, "/?#"); i >= 0 {
			authority = authority[:i]
		}
		authority = strings.TrimSuffix(strings.TrimSuffix(authority, "{path}"), "{uri}")
		if i := strings.LastIndexByte(authority, '}'); !strings.Contains(authority, "{path}") && !strings.Contains(authority, "{uri}") && !strings.HasSuffix(u.Host, authority[i+1:]) {
			t.Fatalf("%q: host %q does not end in %q", text, u.Host, authority[i+1:])
		}
	})
}
