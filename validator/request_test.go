package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"section.internal/contract/hook"
)

func TestRequestOf_IsWhatAClientWouldSend(t *testing.T) {
	f := func(url, method string, headers []string, client, want string) {
		t.Helper()
		r, err := requestOf(url, method, headers, client)
		if err != nil {
			t.Error(err)
			return
		}
		got := fmt.Sprintf("%s %s|%s|%t|%s", r.Method, r.Target, r.Host, r.HTTPS, r.Client)
		for _, f := range r.Fields {
			got += "|" + f.Name + ": " + f.Value
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", url, got, want)
		}
	}
	f("http://www.example.com", "", nil, "", "GET /|www.example.com|false|192.0.2.1")
	f("HTTP://www.example.com:8080/a%2Fb/../c?d=%20&e#f", "POST", nil, "203.0.113.7", "POST /a%2Fb/../c?d=%20&e|www.example.com:8080|false|203.0.113.7")
	f("http://www.example.com?a=/b", "", nil, "", "GET /?a=/b|www.example.com|false|192.0.2.1")
	f("https://www.example.com/", "", []string{"Cookie: a=b, c", "X-Empty:", "cookie:\td"}, "2001:db8::1",
		"GET /|www.example.com|true|2001:db8::1|Cookie: a=b, c|X-Empty: |cookie: d")
}

func TestRequestOf_SaysWhatIsWrong(t *testing.T) {
	f := func(want, url, method, header, client string) {
		t.Helper()
		var headers []string
		if header != "" {
			headers = []string{header}
		}
		_, err := requestOf(url, method, headers, client)
		if _, misuse := errors.AsType[*hook.MisuseError](err); !misuse || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a misuse with %q", err, want)
		}
	}
	const url = "http://www.example.com/"
	for _, bad := range []string{"", "/a", "www.example.com/a", "ftp://www.example.com/"} {
		f("want a URL such as https://www.example.com/a?b=c", bad, "", "", "")
	}
	f("the host is missing", "http:///a", "", "", "")
	f("no client sends a user", "http://a:b@www.example.com/", "", "", "")
	f("write them percent-encoded", "http://www.example.com/a b", "", "", "")
	f("write them percent-encoded", "http://www.example.com/\x1b", "", "", "")
	f("write them percent-encoded", "http://bücher.example/", "", "", "")
	f(`--method "GET /": want a method such as GET`, url, "GET /", "", "")
	for _, bad := range []string{"Cookie", ": a", "a b: c", "a: b\nc"} {
		f("want a field such as 'Accept-Language: de'", url, "", bad, "")
	}
	f("the host is that of the URL", url, "", "host: other", "")
	f("the scheme of the URL says it", url, "", "X-Forwarded-Proto: https", "")
	f(`--client "me": want an address such as 192.0.2.1 or 2001:db8::1`, url, "", "", "me")
}

func TestVisible_FollowsTheEngine(t *testing.T) {
	for c := range 256 {
		if got, want := visible(string([]byte{byte(c)})), c > ' ' && c < 0x7f; got != want {
			t.Errorf("visible(%#x) is %v", c, got)
		}
	}
}
