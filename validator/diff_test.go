package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	aRule      = "[[rule]]\nname = \"a\"\nmatch = { path = \"/a/**\" }\nresponse = { set = { \"Cache-Control\" = \"no-store\" } }\n"
	aRuleLater = "# another place, another spelling\n[[rule]]\nname = \"renamed\"\nmatch.path = [\"/a/**\"]\nresponse.set.cache-control = \"no-store\"\n"
)

func TestDiff_PrintsNothingWhenNothingChanges(t *testing.T) {
	log := logged("GET /a/b HTTP/1.1", "a", "198.51.100.0", "") + logged("GET /b HTTP/1.1", "a", "198.51.100.0", "")
	f := func(before, after string) {
		t.Helper()
		if code, stdout, stderr := call(t, log, "--config-dir", with(t, after), "--diff", with(t, before), "--requests", "-"); code != 0 || stdout+stderr != "" {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
	}
	f("", "")
	f(aRule, aRule)
	f(aRule, aRule+"[[rule]]\nname = \"c\"\nmatch = { path = \"/c/**\" }\nrespond = { status = 403 }\n")
	f("", "[client]\nidle_timeout = \"5s\"\n")
	f("enabled = false\n"+aRule, "")
}

func TestDiff_TellsEachDifferenceOnceWithItsCountAndFirstRequest(t *testing.T) {
	log := logged("GET /a/b?c=d HTTP/1.1", "www.example.com", "198.51.100.0", "https") +
		logged("GET /c HTTP/1.1", "www.example.com", "198.51.100.0", "https") +
		logged("POST /a/2 HTTP/1.1", "www.example.com", "198.51.100.0", "") +
		logged("GET /admin HTTP/1.1", "www.example.com", "203.0.113.0", "")
	before := with(t, aRule+"[[rule]]\nname = \"office\"\nmatch = { path = \"/admin\", client = \"203.0.113.0/24\" }\nrespond = { status = 403 }\n")
	after := with(t, aRule+"[[rule]]\nname = \"b\"\nmatch = { path = \"/a/**\" }\nrewrite = { path = \"/v2{path}\" }\n")
	code, stdout, stderr := call(t, log, "--config-dir", after, "--diff", before, "--requests", "-")
	want := "3 of 4 requests change\n" +
		"2: path: untouched -> \"/v2{path}\"; such as GET https://www.example.com/a/b?c=d in line 1\n" +
		"1: answer: 403 of rule \"office\" -> next-hop's; such as GET http://www.example.com/admin in line 4\n"
	if code != 0 || stderr != "" || stdout != want {
		t.Errorf("exit code %d, stdout\n%s, stderr %q, want\n%s", code, stdout, stderr, want)
	}
	// The other spelling has the same effect, and says so.
	code, stdout, stderr = call(t, log, "--config-dir", with(t, aRuleLater), "--diff", with(t, aRule), "--requests", "-")
	if code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestDiff_ReportsLinesThatItCannotRead(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access.log")
	must(t, os.WriteFile(log, []byte(logged("GET /a/b HTTP/1.1", "a", "", "")+"nonsense\n"+logged("", "", "", "")+"{}\n"), 0o644))
	code, stdout, stderr := call(t, "", "--config-dir", with(t, ""), "--diff", with(t, aRule), "--requests", log)
	if want := "validator: 2 of 4 lines of " + log + " are none of an access log and left out; the first is line 2\n"; code != 0 || stderr != want || !strings.HasPrefix(stdout, "1 of 1 requests change\n") {
		t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, want)
	}
	code, stdout, stderr = call(t, "a\nb\n", "--config-dir", with(t, ""), "--diff", with(t, aRule), "--requests", "-")
	if code != 1 || stdout != "" || stderr != "validator: no line of --requests stdin is one of an access log: want lines as proxyd writes them, JSON with the keys request and hostname\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if code, stdout, stderr = call(t, "", "--config-dir", with(t, ""), "--diff", with(t, aRule), "--requests", "-"); code != 0 || stdout+stderr != "" {
		t.Errorf("an empty log: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestDiff_SaysWhichDirectoryIsWrong(t *testing.T) {
	good, bad := with(t, ""), with(t, "[clinet]\n")
	missing := filepath.Join(good, "missing")
	f := func(old, fresh, requests, want string) {
		t.Helper()
		code, stdout, stderr := call(t, "", "--config-dir", fresh, "--diff", old, "--requests", requests)
		if code != 1 || stdout != "" || stderr != want {
			t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, want)
		}
	}
	f(bad, good, "-", bad+"/proxy.toml:1:2: unknown table \"clinet\"; did you mean \"client\"?\n")
	f(good, bad, "-", "proxy.toml:1:2: unknown table \"clinet\"; did you mean \"client\"?\n")
	f(missing, good, "-", "validator: cannot read --diff "+missing+": no such file or directory\n")
	f(good+"/proxy.toml", good, "-", good+"/proxy.toml: a regular file: want a directory that holds proxy.toml\n")
	f(good, good, missing, "validator: cannot read --requests "+missing+": no such file or directory\n")
}

// However many differences there are, so many are told apart.
func TestDiff_IsBounded(t *testing.T) {
	var rules, log strings.Builder
	for i := range maxDifferences + 10 {
		fmt.Fprintf(&rules, "[[rule]]\nname = \"rule %d\"\nmatch = { path = \"/%d\" }\norigin = \"o%d\"\n", i, i, i)
		log.WriteString(logged(fmt.Sprintf("GET /%d HTTP/1.1", i), "a", "", ""))
	}
	code, stdout, stderr := call(t, log.String(), "--config-dir", with(t, rules.String()), "--diff", with(t, ""), "--requests", "-")
	if code != 0 || stderr != "" || strings.Count(stdout, "\n") != 1+maxDifferences+1 ||
		!strings.HasSuffix(stdout, "\n10: differences beyond the first 1000; such as GET http://a/1000 in line 1001\n") {
		t.Errorf("exit code %d, stderr %q, %d lines of stdout, the last %q", code, stderr, strings.Count(stdout, "\n"), stdout[max(0, len(stdout)-200):])
	}
}
