package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is a configuration that holds every action.
const example = "../contract/config/testdata/good/example"

func TestExplain_TellsWhatEachRuleDoes(t *testing.T) {
	f := func(name string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, "", append([]string{"--config-dir", example, "--explain"}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
		golden(t, "explain/"+name+".txt", stdout)
	}
	f("passed-on", "http://www.example.com/a.css?v=3")
	f("redirect", "http://www.example.com/blog/2019/hello")
	f("respond", "https://shop.example.com/cart", "--method", "POST")
	f("head", "https://shop.example.com/cart", "--method", "HEAD")
	f("limit-and-rewrite", "http://www.example.com/api/orders?page=2", "-H", "X-Debug: 1", "-H", "Accept: text/html, */*")
	f("client", "http://www.example.com/admin/", "--client", "203.0.113.9")
	f("not", "http://www.example.com/admin/", "--client", "198.51.100.9")
	f("address-from-a-field", "http://www.example.com/", "--client", "203.0.113.9", "-H", "True-Client-IP: 198.51.100.7", "-H", "section-io-geo-country-code: NZ")
	f("health-check", "http://www.example.com/.well-known/section-io/aee-hc/healthz?ts=1")
	f("hostile", "http://www.example.com/%1b%5b2J%0a/admin", "-H", "Cookie: PHPSESSID=\u202e")
}

func TestExplain_WithoutRules(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		code, stdout, stderr := call(t, "", "--config-dir", with(t, text), "--explain", "http://a/b")
		want = "GET http://a/b from 192.0.2.1\n\n" + want + "\n\nnext-hop is asked\n  GET /b\n  Host: a\n\nthe client gets next-hop's response as it is\n"
		if code != 0 || stderr != "" || stdout != want {
			t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, want)
		}
	}
	const rule = "[[rule]]\nname = \"a\"\nrespond = { status = 403 }\n"
	f("", "there are no rules")
	f("enabled = false", "there are no rules")
	f("enabled = false\n"+rule, "no rule is applied: enabled = false")
}

func TestExplain_ShowsSoMuchOfABody(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		dir := with(t, "[[rule]]\nname = \"a\"\nrespond = { status = 200, file = \"a.txt\" }\n")
		must(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(body), 0o644))
		code, stdout, stderr := call(t, "", "--config-dir", dir, "--explain", "http://a/")
		_, got, _ := strings.Cut(stdout, "Content-Type: text/plain; charset=utf-8\n")
		if code != 0 || stderr != "" || got != want {
			t.Errorf("exit code %d, %q, stderr %q, want %q", code, got, stderr, want)
		}
	}
	f("a\r\n\x1b[2J\n", "\n  a\n  \\x1b[2J\n")
	f(strings.Repeat("ü", 200), "\n  "+strings.Repeat("ü", 200)+"\n")
	f("x"+strings.Repeat("ü", 200), "\n  x"+strings.Repeat("ü", 199)+"\n  (401 bytes in all)\n")
	f("\xff\xfe", "\n  (2 bytes)\n")
}

// A test that fails is what somebody wants explained; a file that cannot be read cannot be explained.
func TestExplain_NeedsARightConfigButNoTests(t *testing.T) {
	const failing = "[[test]]\nname = \"a\"\nrequest = { url = \"http://a/\" }\nexpect = { status = 404 }\n"
	if code, stdout, stderr := call(t, "", "--config-dir", with(t, failing), "--explain", "http://a/"); code != 0 || stderr != "" || !strings.HasPrefix(stdout, "GET http://a/ ") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	code, stdout, stderr := call(t, "", "--config-dir", with(t, "[clinet]\n"), "--explain", "http://a/")
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, `proxy.toml:1:2: unknown table "clinet"; did you mean "client"?`) {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
