package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"section.internal/contract/template"
)

var update = flag.Bool("update", false, "rewrite the golden files, and the examples of the manual")

const manual = "../docs/configuration.md"

// fence is a fenced block of the manual.
type fence struct{ info, text string }

// fences returns the fenced blocks of a text.
func fences(text string) (list []fence) {
	for _, m := range regexp.MustCompile("(?ms)^```(\\S[^\n]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		list = append(list, fence{m[1], m[2]})
	}
	return list
}

func readManual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(manual)
	must(t, err)
	return string(text)
}

// call runs the tool inside of this process.
func call(t testing.TB, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), append([]string{"validator"}, args...), strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// TestRecipes_AreRightAndTheirTestsHold takes every recipe of the manual as somebody would who copies it.
func TestRecipes_AreRightAndTheirTestsHold(t *testing.T) {
	_, text, _ := strings.Cut(readManual(t), "\n## Recipes\n")
	text, _, _ = strings.Cut(text, "\n## ")
	recipes := strings.Split(text, "\n### ")[1:]
	if len(recipes) < 10 {
		t.Errorf("%d recipes, want at least ten", len(recipes))
	}
	for _, recipe := range recipes {
		title, _, _ := strings.Cut(recipe, "\n")
		t.Run(title, func(t *testing.T) {
			dir := t.TempDir()
			tests := 0
			for _, f := range fences(recipe) {
				name := "proxy.toml"
				if f.info != "toml" {
					_, name, _ = strings.Cut(f.info, " ") // such as html pages/maintenance.html
				}
				tests += strings.Count(f.text, "[[test]]")
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644))
			}
			if tests < 2 {
				t.Errorf("%d tests: want at least one that shows a rule at work, and one that shows what it leaves alone", tests)
			}
			for _, args := range [][]string{{}, {"--warnings"}} {
				if code, stdout, stderr := call(t, "", append(args, "--config-dir", dir)...); code != 0 || stdout != "" || stderr != "" {
					t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
				}
			}
			// A test that still holds without the rules shows nothing of them.
			content, err := os.ReadFile(filepath.Join(dir, "proxy.toml"))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "proxy.toml"), append([]byte("enabled = false\n"), content...), 0o644))
			if code, _, stderr := call(t, "", "--config-dir", dir); code != 1 || !strings.Contains(stderr, "proxy.toml:") {
				t.Errorf("without the rules: exit code %d, %s", code, stderr)
			}
		})
	}
}

func TestReadme_ItsRuleIsRightAndItsTestHolds(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	must(t, err)
	for _, f := range fences(string(text)) {
		if f.info == "toml" {
			if code, stdout, stderr := call(t, "", "--config-dir", with(t, f.text)); code != 0 || stdout+stderr != "" {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			return
		}
	}
	t.Error("the page has no rule")
}

func TestManual_HasEveryPlaceholder(t *testing.T) {
	_, text, _ := strings.Cut(readManual(t), "\n### Placeholders\n")
	text, _, _ = strings.Cut(text, "\n### ")
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`\\{([^}`]+)\\}`").FindAllStringSubmatch(text, -1) {
		named[m[1]] = true
	}
	for _, name := range template.Names() {
		if !named[name] {
			t.Errorf("the manual lacks {%s}", name)
		}
		delete(named, name)
	}
	delete(named, "name") // of any
	delete(named, "NAME") // a group
	if len(named) > 0 {
		t.Errorf("the manual has placeholders that do not exist: %v", named)
	}
}

// TestManual_ShowsRealOutput holds the examples of the manual against what the tool says.
func TestManual_ShowsRealOutput(t *testing.T) {
	text := readManual(t)
	all := fences(text)
	at := slices.IndexFunc(all, func(f fence) bool { return f.info == "toml rules" })
	if at < 0 {
		t.Fatal("the manual has no first rules")
	}
	rules := all[at].text
	dir := with(t, rules)
	if code, stdout, stderr := call(t, "", "--config-dir", dir); code != 0 || stdout+stderr != "" {
		t.Fatalf("the manual's rules: exit code %d\n%s%s", code, stdout, stderr)
	}
	change := func(from, to string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, from) {
				t.Fatalf("the manual's rules have no %q", from)
			}
			return strings.Replace(text, from, to, 1)
		}
	}
	put := func(info, want string) {
		was := slices.IndexFunc(all, func(f fence) bool { return f.info == info })
		if was < 0 {
			t.Fatalf("the manual has no block %q", info)
		}
		text = change("```"+info+"\n"+all[was].text+"```", "```"+info+"\n"+want+"```")(text)
	}

	failing := with(t, change("www.example.com{path}", "www.example.com/news{path}")(rules))
	code, stdout, stderr := call(t, "", "--config-dir", failing)
	if code != 1 || stdout != "" {
		t.Errorf("a failing test: exit code %d, stdout %q", code, stdout)
	}
	put("text failing", stderr)

	code, stdout, stderr = call(t, "", "--config-dir", dir, "--explain", "https://www.example.com/api/orders?page=2", "-H", "Accept: text/html")
	if code != 0 || stderr != "" {
		t.Errorf("--explain: exit code %d, stderr %q", code, stderr)
	}
	put("text explain", "$ validator --explain 'https://www.example.com/api/orders?page=2' -H 'Accept: text/html'\n"+stdout)

	fresh := change("max-age=3600", "max-age=86400")(rules)
	fresh = change("limit   = { requests = 100, per = \"1m\", burst = 50 }\n", "")(fresh)
	fresh = change("redirect = { to = \"https://www.example.com{path}\", status = 301 }", "origin   = \"blog\"")(fresh)
	log := strings.Repeat(logged("GET /a.css?v=3 HTTP/1.1", "www.example.com", "198.51.100.0", "https"), 812) +
		strings.Repeat(logged("GET /api/orders?page=2 HTTP/1.1", "www.example.com", "198.51.100.0", "https"), 97) +
		strings.Repeat(logged("GET /blog/2019/hello HTTP/1.1", "blog.example.com", "198.51.100.0", ""), 15) +
		strings.Repeat(logged("GET / HTTP/1.1", "www.example.com", "198.51.100.0", "https"), 3076)
	code, stdout, stderr = call(t, log, "--config-dir", with(t, fresh), "--diff", dir, "--requests", "-")
	if code != 0 || stderr != "" {
		t.Errorf("--diff: exit code %d, stderr %q", code, stderr)
	}
	put("text diff", "$ validator --config-dir new --diff old --requests access.log\n"+stdout)

	if *update {
		must(t, os.WriteFile(manual, []byte(text), 0o644))
	}
	if text != readManual(t) {
		t.Errorf("the examples are not what validator prints: run this test with -update; want\n%s", text)
	}
}
