package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/place"
)

// origins returns rules in the order of their names, each with an origin: "a=sydney b=perth".
func origins(text string) (rules []config.Rule) {
	for i, rule := range strings.Fields(text) {
		name, origin, _ := strings.Cut(rule, "=")
		rules = append(rules, config.Rule{Name: name, Place: config.Place{File: "proxy.toml", Line: i + 1, Column: 8}, Origin: origin})
	}
	return rules
}

// running returns rules as a running proxyd tells them.
func running(rules []config.Rule) []control.Rule {
	list := []control.Rule{}
	for i := range rules {
		r := &rules[i]
		list = append(list, control.Rule{Name: r.Name, Source: r.Place.String(), Does: r.Does(), Says: r.Says()})
	}
	return list
}

func TestCompareRules_TellsWhatIsAddedRemovedChangedAndMoved(t *testing.T) {
	f := func(inForce, directory string, want ...string) {
		t.Helper()
		d := configDifference{Rules: compareRules(running(origins(inForce)), origins(directory))}
		var out strings.Builder
		if err := d.print(&out); err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 {
			want = []string{"no difference in values and rules; the files differ in tests, comments or layout alone"}
		}
		if got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"); !slices.Equal(got, want) {
			t.Errorf("%q beside %q:\ngot  %q\nwant %q", inForce, directory, got, want)
		}
	}
	f("", "")
	f("a=x b=y", "a=x b=y")
	f("", "a=x", `rule "a" added: proxy.toml:1:8`, `  + origin = "x"`)
	f("a=x", "", `rule "a" removed: proxy.toml:1:8`, `  - origin = "x"`)
	f("a=x b=y", "b=y", `rule "a" removed: proxy.toml:1:8`, `  - origin = "x"`)
	f("a=x b=y", "n=n a=z b=y", `rule "a" changed: proxy.toml:1:8, in the directory proxy.toml:2:8`, `  - origin = "x"`, `  + origin = "z"`,
		`rule "n" added: proxy.toml:1:8`, `  + origin = "n"`)
	// The fewest rules that explain the order.
	f("a=a b=b c=c d=d", "d=d a=a b=b c=c", `rule "d" moved: proxy.toml:4:8, in the directory proxy.toml:1:8`)
	f("a=a b=b c=c", "b=b c=c a=x", `rule "a" changed and moved: proxy.toml:1:8, in the directory proxy.toml:3:8`, `  - origin = "a"`, `  + origin = "x"`)
	f("a=\x1b", "", `rule "a" removed: proxy.toml:1:8`, `  - origin = "\x1b"`)
}

func TestLongestRising_IsRisingAndNoneIsLonger(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		sequence := r.Perm(r.IntN(9))
		longest := 0
		for choice := range 1 << len(sequence) { // all parts there are
			last, n := -1, 0
			for i, v := range sequence {
				if choice>>i&1 == 1 {
					if v < last {
						n = -1
						break
					}
					last, n = v, n+1
				}
			}
			longest = max(longest, n)
		}
		members := longestRising(sequence)
		last := -1
		for _, v := range sequence {
			if members[v] {
				if v < last {
					t.Fatalf("%v: %v does not rise", sequence, members)
				}
				last = v
			}
		}
		if len(members) != longest {
			t.Fatalf("%v: %v has %d members, want %d", sequence, members, len(members), longest)
		}
	}
}

func TestConfigDiff_HoldsWhatRunsAgainstTheDirectory(t *testing.T) {
	dir, configDir := runDir(t), t.TempDir()
	write(t, place.ConfigFile(configDir), "[log]\nlevel = \"warn\"\n")
	loaded, err := config.Load(configDir)
	if err != nil {
		t.Fatal(err)
	}
	inForce := control.Config{Generation: control.Generation{Number: 3, Hash: loaded.Hash, Applied: now}, Rules: []control.Rule{}}
	for _, v := range loaded.Values {
		inForce.Values = append(inForce.Values, control.Value(v))
	}
	inForce.Values = append(inForce.Values, control.Value{Key: "of.another.version", Value: "1", Source: "default"})
	serve(t, dir, control.Status{}, inForce)
	diff := func(args ...string) (code int, stdout, stderr string) {
		t.Helper()
		return call(t, fixed(), append([]string{"--run-dir", dir, "--config-dir", configDir, "config"}, args...)...)
	}
	f := func(text string, wantCode int, wantStdout, wantStderr string) {
		t.Helper()
		write(t, place.ConfigFile(configDir), text)
		if code, stdout, stderr := diff("diff"); code != wantCode || stdout != wantStdout || stderr != wantStderr {
			t.Errorf("%q: exit %d, stdout %q, stderr %q\nwant %d, %q, %q", text, code, stdout, stderr, wantCode, wantStdout, wantStderr)
		}
	}
	f("[log]\nlevel = \"warn\"\n", 0, "no difference\n", "")
	f("# why\n[log]\nlevel = \"warn\"\n", 0, "no difference in values and rules; the files differ in tests, comments or layout alone\n", "")
	f("[log]\nto = \"both\"\n", 0, "log.to\n  - \"files\" (default)\n  + \"both\" (proxy.toml:2:6)\n"+
		"log.level\n  - \"warn\" (proxy.toml:2:9)\n  + \"info\" (default)\n", "")
	for _, args := range [][]string{{"diff", "--json"}, {"--json", "diff"}} {
		var d configDifference
		code, stdout, stderr := diff(args...)
		decode(t, stdout, &d)
		if code != 0 || stderr != "" || d.Generation.Number != 3 || d.Directory.InForce || len(d.Values) != 2 || d.Values[0].Directory.Value != `"both"` ||
			!strings.Contains(stdout, `"rules": []`) {
			t.Errorf("%q: exit %d, stderr %q, %s", args, code, stderr, stdout)
		}
	}
	f("[log]\nlevel = 7\n", 1, "", "proxy.toml:2:9: log.level = 7 is a whole number: want one of \"debug\", \"info\", \"warn\", \"error\"\n")
	var d configDifference
	code, stdout, stderr := diff("diff", "--json")
	if decode(t, stdout, &d); code != 1 || len(d.Directory.Problems) != 1 || !strings.HasPrefix(stderr, "proxy.toml:2:9: ") {
		t.Errorf("exit %d, stderr %q, %s", code, stderr, stdout)
	}
}

func TestConfigDiff_AMisuseIsToldApart(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, fixed(), append([]string{"config"}, args...)...)
		if code != 2 || stdout != "" || stderr != "sectionctl: "+want+"\nsectionctl: try 'sectionctl --help'\n" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	f(`unknown subcommand "config dif": want config, or config diff`, "dif")
	f(`unexpected argument "old": only flags are taken here`, "diff", "old")
	f(`flag provided but not defined: -nonsense`, "diff", "--nonsense")
	f(`--timeout (PROXY_CONTROL_TIMEOUT) = "soon": want a length of time above 0, such as 5s`, "--timeout", "soon", "diff")
}

func TestConfigDiff_WithoutProxydSaysSo(t *testing.T) {
	dir := runDir(t)
	code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "config", "diff")
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "sectionctl: proxyd is not running: ") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
