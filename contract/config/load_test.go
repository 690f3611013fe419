package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what the golden files and the manual should hold")

// golden holds got against a file, or writes the file with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", file, got, want)
	}
}

// dirWith returns a new directory that holds proxy.toml with a content.
func dirWith(t testing.TB, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "proxy.toml"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// cases calls f with each case of a folder of testdata, of which there are at least a number: a directory that holds proxy.toml and
// what that names, or a file that is proxy.toml. What is wanted of it stands beside it in name.want.
func cases(t *testing.T, folder string, least int, f func(t *testing.T, name, dir string)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.toml"))
	must(t, err)
	dirs, err := filepath.Glob(filepath.Join("testdata", folder, "*", "proxy.toml"))
	must(t, err)
	if n := len(files) + len(dirs); n < least {
		t.Fatalf("%d cases in %s, want %d or more", n, folder, least)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".toml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(file)
			must(t, err)
			f(t, name, dirWith(t, content))
		})
	}
	for _, file := range dirs {
		name := filepath.Dir(file)
		t.Run(filepath.Base(name), func(t *testing.T) { f(t, name, name) })
	}
}

func TestLoad_NamesEveryMistakeWithItsPlaceAndWhatIsAccepted(t *testing.T) {
	cases(t, "bad", 150, func(t *testing.T, name, dir string) {
		loaded, err := Load(dir)
		if loaded != nil || err == nil {
			t.Fatalf("taken as %+v", loaded)
		}
		problems, ok := err.(Problems)
		if !ok {
			t.Fatalf("the error is a %T, not Problems", err)
		}
		wellFormed(t, problems)
		golden(t, name+".want", []byte(err.Error()+"\n"))
	})
}

func TestLoad_TakesWhatIsRight(t *testing.T) {
	cases(t, "good", 8, func(t *testing.T, name, dir string) {
		loaded, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".want", []byte(described(loaded)))
	})
}

// described returns all that a configuration says.
func described(l *Loaded) string {
	var b strings.Builder
	for _, v := range l.Values {
		fmt.Fprintf(&b, "%s = %s # %s\n", v.Key, v.Value, v.Source)
	}
	for i := range l.Config.Rules {
		r := &l.Config.Rules[i]
		fmt.Fprintf(&b, "\n[[rule]] # %s\nname = %q\n", r.Place, r.Name)
		for _, line := range r.Says() {
			b.WriteString(line + "\n")
		}
		for _, c := range r.Match.Conditions {
			fmt.Fprintf(&b, "# %s: %s\n", c.Place, c.Written)
		}
	}
	for i := range l.Config.Tests {
		describeTest(&b, &l.Config.Tests[i])
	}
	return b.String()
}

func describeTest(b *strings.Builder, t *Test) {
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	line("\n[[test]] # %s\nname = %q", t.Place, t.Name)
	line("request: %s %s https %v host %s from %s", t.Request.Method, t.Request.Target, t.Request.HTTPS, t.Request.Host, t.Request.Client)
	for _, f := range t.Request.Fields {
		line("request: %s: %s", f.Name, f.Value)
	}
	line("response: %d", t.Response.Status)
	for _, f := range t.Response.Fields {
		line("response: %s: %s", f.Name, f.Value)
	}
	expectation := func(what string, value any, at Place) { line("expect: %s %v # %s", what, value, at) }
	e := t.Expect
	if e.Status != nil {
		expectation("status", e.Status.Want, e.Status.Place)
	}
	for _, f := range e.Fields {
		expectation("field", f.Want, f.Place)
	}
	for _, name := range e.Absent {
		expectation("absent", name.Want, name.Place)
	}
	if e.Body != nil {
		expectation("body", e.Body.Want, e.Body.Place)
	}
	if e.Rule != nil {
		expectation("rule", e.Rule.Want, e.Rule.Place)
	}
	if u := e.Upstream; u != nil {
		expectation("upstream", "", u.Place)
		if u.Path != nil {
			expectation("upstream path", u.Path.Want, u.Path.Place)
		}
		for _, f := range u.Fields {
			expectation("upstream field", f.Want, f.Place)
		}
		for _, name := range u.Absent {
			expectation("upstream absent", name.Want, name.Place)
		}
	}
}

// wellFormed checks what holds for the problems of every text.
func wellFormed(t *testing.T, problems Problems) {
	t.Helper()
	if len(problems) == 0 {
		t.Fatal("an error without a problem")
	}
	for i, p := range problems {
		if p.File == "" || p.Line < 1 || p.Column < 1 {
			t.Errorf("%q has no place", p)
		}
		if p.Message == "" || !utf8.ValidString(p.Message) || strings.ContainsFunc(p.Message, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not a line of printable characters", p)
		}
		if len(p.Message) > 2000 {
			t.Errorf("a message of %d bytes", len(p.Message))
		}
		if i > 0 && p.File != problems[i-1].File {
			for _, before := range problems[:i] {
				if before.File == p.File {
					t.Errorf("%q stands behind problems of another file", p)
				}
			}
			continue
		}
		if i > 0 && (p.Line < problems[i-1].Line || p.Line == problems[i-1].Line && p.Column < problems[i-1].Column) {
			t.Errorf("%q stands before %q", problems[i-1], p)
		}
	}
	if lines := problems.Lines(); len(lines) != len(problems) || strings.Join(lines, "\n") != problems.Error() {
		t.Errorf("%q is not a line for each problem", problems.Error())
	}
}

func TestLoad_OfCountlessMistakesItNamesAThousandAndCountsTheRest(t *testing.T) {
	var file strings.Builder
	file.WriteString("[client]\n")
	for i := range 20_000 {
		fmt.Fprintf(&file, "idle_timeou%d = 1\n", i)
	}
	_, err := load([]byte(file.String()), nil)
	problems, _ := err.(Problems)
	if len(problems) != maxProblems+1 {
		t.Fatalf("%d problems", len(problems))
	}
	wellFormed(t, problems)
	if got, want := problems[maxProblems].String(), "proxy.toml:1002:1: 19000 more problems from here on: mend those above first"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzLoad: whatever stands in the file and in one that it can name, it is either taken, and then its values can be written and read
// again, or it is refused with problems that are printable lines and have a place in their file.
func FuzzLoad(f *testing.F) {
	const list = "lists/office.txt"
	for _, text := range seeds(f) {
		f.Add([]byte(text), []byte("192.0.2.0/28 # a\n\n::1\n"))
	}
	for _, lines := range []string{"", "\ufeff1.2.3.4", "\t1.2.3\r\n # \n1.2.3.4/33", "\xff", "\r", "::ffff:1.2.3.4/96\n[::1]:80 \n1.2.3.4-5"} {
		f.Add([]byte("[[rule]]\nname='a'\norigin='b'\nmatch.client_list=['"+list+"','"+list+"']"), []byte(lines))
	}
	dir := tree(f, map[string]string{"pages/maintenance.html": "a", list: ""})
	f.Fuzz(func(t *testing.T, content, lines []byte) {
		if len(content) > 4096 || len(lines) > 4096 {
			return // the bounds have tests of their own
		}
		must(t, os.WriteFile(filepath.Join(dir, list), lines, 0o644))
		root, err := os.OpenRoot(dir)
		must(t, err)
		defer root.Close()
		loaded, err := load(content, root)
		if err != nil {
			problems := err.(Problems)
			wellFormed(t, problems)
			for _, p := range problems {
				text := content
				if p.File == list {
					text = lines
				}
				isIn(t, p, strings.TrimPrefix(string(text), byteOrderMark))
			}
			return
		}
		for _, r := range loaded.Config.Rules {
			if r.Name == "" || r.Place.Line < 1 || r.Does() == "" || len(r.Says()) == 0 {
				t.Errorf("%+v is no rule", r)
			}
		}
		loaded.Config.Rules, loaded.Config.Tests = nil, nil // values are those of the other tables
		again, err := load([]byte(written(loaded.Values)), nil)
		if err != nil || !reflect.DeepEqual(again.Config, loaded.Config) {
			t.Errorf("%+v is read again as %+v (%v)", loaded, again, err)
		}
	})
}

// isIn checks that the place of a problem is one of its text, or right behind its end.
func isIn(t *testing.T, p Problem, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	if p.Line > len(lines) || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
		t.Errorf("%q is in no line of %q", p, text)
	}
}
