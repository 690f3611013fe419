package hooks

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// writeFile writes a file below the config directory.
func writeFile(t *testing.T, dirs proxydtest.Dirs, name, text string) {
	t.Helper()
	file := filepath.Join(dirs.Config, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answer returns status and body of a request.
func answer(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	client := proxydtest.Client(t)
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestValidator_TakesTheExampleInSilence(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	dirs.AddExample(t)
	bench.Silent(t, "validator", dirs.Flags(place.ConfigDir)...)
	bench.Silent(t, "validator", append(dirs.Flags(place.ConfigDir), "--warnings")...)
}

func TestValidator_ATestThatFailsIsAProblem(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	dirs.AddExample(t)
	text, err := os.ReadFile(place.ConfigFile(dirs.Config))
	if err != nil {
		t.Fatal(err)
	}
	dirs.WriteConfig(t, strings.Replace(string(text), "/articles/{slug}", "/news/{slug}", 1))
	r := bench.Refused(t, "validator", dirs.Flags(place.ConfigDir)...)
	// What was expected, what came, and which rule made it so.
	for _, want := range []string{"proxy.toml:", `"https://www.example.com/articles/hello?y=2019"`, `"https://www.example.com/news/hello?y=2019"`, `"old blog"`} {
		if strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("stderr %q: want one line with %s", r.Stderr, want)
		}
	}
	bench.Refused(t, "deploy", dirs.Flags(place.ConfigDir, place.RunDir)...)
}

const closed = "[[rule]]\nname = \"closed\"\nmatch = { path = \"/shop/**\" }\nrespond = { status = 503, file = \"pages/closed.html\" }\n"

// closedShop starts a proxyd with a rule that answers with a page.
func closedShop(t *testing.T) *proxydtest.Proxyd {
	t.Helper()
	dirs := proxydtest.NewDirs(t)
	dirs.WriteConfig(t, closed)
	writeFile(t, dirs, "pages/closed.html", "closed")
	origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	return bench.Start(t, proxydtest.Options{NextHop: origin, Dirs: &dirs})
}

// keeps checks that deploy fails with each of the texts, and that the rule and its page stay in force.
func keeps(t *testing.T, proxyd *proxydtest.Proxyd, flags []string, wants ...string) {
	t.Helper()
	before := proxyd.Status().Generation
	r := bench.Refused(t, "deploy", flags...)
	for _, want := range wants {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("stderr %q: want %q in it", r.Stderr, want)
		}
	}
	if got := proxyd.Status().Generation; got != before {
		t.Errorf("generation %+v, want still %+v", got, before)
	}
	if status, body := answer(t, proxyd.Addr, "/shop/cart"); status != 503 || body != "closed" {
		t.Errorf("got %d %q, want the page of the old configuration", status, body)
	}
}

func TestDeploy_AFileThatVanishedKeepsTheOld(t *testing.T) {
	proxyd := closedShop(t)
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)
	if err := os.Remove(filepath.Join(proxyd.Config, "pages/closed.html")); err != nil {
		t.Fatal(err)
	}
	keeps(t, proxyd, flags, "proxy.toml:4:", "pages/closed.html")
	writeFile(t, proxyd.Dirs, "pages/closed.html", "closed for good")
	bench.Silent(t, "deploy", flags...)
	if _, body := answer(t, proxyd.Addr, "/shop/cart"); body != "closed for good" {
		t.Errorf("got %q: a page that changed alone was not applied", body)
	}
}

func TestDeploy_WrongRulesKeepTheOld(t *testing.T) {
	proxyd := closedShop(t)
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)
	f := func(text string, wants ...string) {
		t.Helper()
		proxyd.WriteConfig(t, text)
		keeps(t, proxyd, flags, wants...)
	}
	f(closed+closed, "proxy.toml:6:8: ", `"closed"`)
	f(strings.Replace(closed, "respond", "redirect = { to = \"/\" }\nrespond", 1), "proxy.toml:", "redirect")
	f(strings.Replace(closed, "path =", "path_regex = '(', host =", 1), "proxy.toml:3:")
	f(closed+"[[test]]\nname = \"open\"\nrequest = { url = \"http://a/shop/\" }\nexpect = { status = 200 }\n", "proxy.toml:8:", "503", `"closed"`)
}

// deploy has checked a directory that proxyd then finds otherwise, as when a file vanishes in between.
func TestDeploy_WhatFailsAfterTheCheckIsSaidAndKeepsTheOld(t *testing.T) {
	proxyd := closedShop(t)
	checked := proxydtest.NewDirs(t)
	checked.WriteConfig(t, closed)
	writeFile(t, checked, "pages/closed.html", "closed")
	if err := os.Remove(filepath.Join(proxyd.Config, "pages/closed.html")); err != nil {
		t.Fatal(err)
	}
	flags := append(checked.Flags(place.ConfigDir), proxyd.Flags(place.RunDir)...)
	keeps(t, proxyd, flags, "deploy: proxyd keeps the previous configuration: proxy.toml:4:", "pages/closed.html")
}

func TestSectionctl_ConfigDiffTellsWhatDeployWouldChange(t *testing.T) {
	proxyd := closedShop(t)
	flags := append(proxyd.Flags(place.ConfigDir, place.RunDir), "config")
	run := func(wantCode int, args ...string) proxydtest.Result {
		t.Helper()
		r := bench.Run(t, "sectionctl", append(append([]string(nil), flags...), args...)...)
		if r.Code != wantCode {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, r.Code, r.Stdout, r.Stderr)
		}
		return r
	}
	if r := run(0); !strings.Contains(r.Stdout, "closed  respond 503  proxy.toml:2:8") {
		t.Errorf("stdout %q: want the rule with its place", r.Stdout)
	}
	if r := run(0, "diff"); r.Stdout != "no difference\n" || r.Stderr != "" {
		t.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
	proxyd.WriteConfig(t, "client.address_from = []\n"+strings.Replace(closed, "503", "500", 1))
	writeFile(t, proxyd.Dirs, "pages/closed.html", "shut")
	want := "client.address_from\n  - [\"True-Client-IP\", \"X-Forwarded-For\"] (default)\n  + [] (proxy.toml:1:23)\n" +
		"rule \"closed\" changed: proxy.toml:2:8, in the directory proxy.toml:3:8\n" +
		"  - respond.status = 503\n  - respond.body = \"closed\"\n  + respond.status = 500\n  + respond.body = \"shut\"\n"
	if r := run(0, "diff"); r.Stdout != want || r.Stderr != "" {
		t.Errorf("got  %q, stderr %q\nwant %q", r.Stdout, r.Stderr, want)
	}
	bench.Silent(t, "deploy", proxyd.Flags(place.ConfigDir, place.RunDir)...)
	if r := run(0, "diff"); r.Stdout != "no difference\n" {
		t.Errorf("stdout %q after deploy", r.Stdout)
	}
	proxyd.WriteConfig(t, "[[rule]]\n")
	if r := run(1, "diff"); r.Stdout != "" || !strings.HasPrefix(r.Stderr, "proxy.toml:1:") {
		t.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
}

// What proxyd has written is what the validator reads.
func TestValidator_DiffReadsTheLogOfProxyd(t *testing.T) {
	proxyd := closedShop(t)
	for i, path := range []string{"/shop/a?b=c", "/", "/shop/\"quoted\"", "/%F0%9F"} {
		get(t, proxyd.Addr, path)
		proxyd.AwaitLogged(t, i+1) // or the next one's line may come first
	}
	fresh := proxydtest.NewDirs(t)
	flags := append(fresh.Flags(place.ConfigDir), "--diff", proxyd.Config, "--requests")
	want := "2 of 4 requests change\n" +
		`2: answer: 503 of rule "closed" -> next-hop's; such as GET http://` + proxyd.Addr + "/shop/a?b=c in line 1\n"
	check := func(log string) {
		t.Helper()
		if r := bench.Run(t, "validator", append(flags, log)...); r.Code != 0 || r.Stderr != "" || r.Stdout != want {
			t.Errorf("exit code %d, stdout %q, stderr %q, want %q", r.Code, r.Stdout, r.Stderr, want)
		}
	}
	check(place.AccessLog(proxyd.Log))
	bench.Silent(t, "logrotator", proxyd.Flags(place.LogDir, place.RunDir)...)
	rotated, err := filepath.Glob(place.AccessLog(proxyd.Log) + "-*.gz")
	if err != nil || len(rotated) != 1 {
		t.Fatalf("%q, %v", rotated, err)
	}
	check(rotated[0])
}
