package policy

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"section.internal/contract/config"
)

// look returns a request as the rules of a configuration see it that asks for some names.
func look(r *Request, conditions ...config.Condition) *view {
	var d Decision
	Compile(file(config.Rule{Match: where(conditions...)})).begin(r, &d)
	return d.view
}

func valuesIn(f *found, slot int32) (values []string) {
	for i := f.first(slot); i >= 0; i = f.values[i].next {
		values = append(values, string(f.values[i].value))
	}
	return values
}

// A well-formed query means here what it means to everybody.
func FuzzQuery_IsReadAsTheStandardLibraryDoes(f *testing.F) {
	for _, query := range []string{"a=1&b=2&a=3", "%61=%20+&a", "&&a=b=c&=x", "a=%", "a=1&b", ""} {
		f.Add([]byte(query), "a", "b")
	}
	f.Fuzz(func(t *testing.T, text []byte, first, second string) {
		r := get("h/")
		r.Target = append([]byte("/?"), text...)
		v := look(r, query(pick(first), "*"), query(pick(second), "*"))
		params := v.parameters()
		want, err := url.ParseQuery(string(text))
		if err != nil {
			return // what is not well formed is taken as it is
		}
		for name, slot := range v.policy.names.params.of {
			if got := valuesIn(params, slot); !slices.Equal(got, want[name]) {
				t.Errorf("%q: %q is %q, want %q", text, name, got, want[name])
			}
		}
	})
}

// pick makes a name that a rule may ask for.
func pick(name string) string {
	if name == "" {
		return "a"
	}
	return name
}

// What a client puts into its cookies is found, whatever stands around it.
func FuzzCookies_AreFound(f *testing.F) {
	f.Add("a", "1", "x; y=z;", ";;=")
	f.Add("a", "b=c\"", "", "a=2")
	f.Fuzz(func(t *testing.T, name, value, before, behind string) {
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if name == "" || strings.ContainsAny(name+value, ";") || strings.Contains(name, "=") {
			return
		}
		r := get("h/")
		r.Fields = parsedFields{
			{[]byte("Cookie"), []byte(before)}, {[]byte("cookie"), []byte(before + "; " + name + "=" + value + " ;" + behind)},
		}
		v := look(r, cookie(name, "*"))
		got := valuesIn(v.cookies(), v.policy.names.cookies.of[name])
		if !slices.Contains(got, value) {
			t.Errorf("%q: %q is %q, want %q among it", r.Fields, name, got, value)
		}
	})
}

// A host is the same with and without port, trailing dot and upper case, and no part of it gets lost.
func FuzzHostName_IsWithoutPortAndCase(f *testing.F) {
	for _, host := range []string{"www.example.com", "WWW.example.com.", "[2001:DB8::1]", "192.0.2.1", "", "a:b"} {
		f.Add([]byte(host))
	}
	f.Fuzz(func(t *testing.T, host []byte) {
		var v view
		got := slices.Clone(v.hostName(host))
		if again := v.hostName(got); bytes.IndexByte(host, ':') < 0 && !bytes.HasSuffix(got, []byte(".")) && !bytes.Equal(again, got) {
			t.Errorf("%q is %q, which is %q", host, got, again)
		}
		if len(host) > 0 && (bytes.IndexByte(host, ':') < 0 || host[0] == '[' && bytes.IndexByte(host, ']') == len(host)-1) {
			if with := v.hostName(append(slices.Clone(host), ":8080"...)); !bytes.Equal(with, got) {
				t.Errorf("%q is %q, with a port %q", host, got, with)
			}
		}
		for _, c := range got {
			if c >= 'A' && c <= 'Z' {
				t.Errorf("%q is %q", host, got)
			}
		}
	})
}
