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

// cases calls f with each file of a folder of testdata, of which there are at least a number.
func cases(t *testing.T, folder string, least int, f func(t *testing.T, name string, content []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.toml"))
	if err != nil || len(files) < least {
		t.Fatalf("%d cases in %s, want %d or more (%v)", len(files), folder, least, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".toml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f(t, name, content)
		})
	}
}

func TestLoad_NamesEveryMistakeWithItsPlaceAndWhatIsAccepted(t *testing.T) {
	cases(t, "bad", 100, func(t *testing.T, name string, content []byte) {
		loaded, err := Load(dirWith(t, content))
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
	cases(t, "good", 8, func(t *testing.T, name string, content []byte) {
		loaded, err := Load(dirWith(t, content))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, v := range loaded.Values {
			fmt.Fprintf(&got, "%s = %s # %s\n", v.Key, v.Value, v.Source)
		}
		golden(t, name+".want", []byte(got.String()))
	})
}

// wellFormed checks what holds for the problems of every text.
func wellFormed(t *testing.T, problems Problems) {
	t.Helper()
	if len(problems) == 0 {
		t.Fatal("an error without a problem")
	}
	for i, p := range problems {
		if p.File != "proxy.toml" || p.Line < 1 || p.Column < 1 {
			t.Errorf("%q has no place", p)
		}
		if p.Message == "" || !utf8.ValidString(p.Message) || strings.ContainsFunc(p.Message, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not a line of printable characters", p)
		}
		if len(p.Message) > 2000 {
			t.Errorf("a message of %d bytes", len(p.Message))
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
	_, err := load([]byte(file.String()))
	problems, _ := err.(Problems)
	if len(problems) != maxProblems+1 {
		t.Fatalf("%d problems", len(problems))
	}
	wellFormed(t, problems)
	if got, want := problems[maxProblems].String(), "proxy.toml:1002:1: 19000 more problems from here on: mend those above first"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzLoad: whatever stands in the file, it is either taken, and then its values can be written and read again, or it is refused
// with problems that have a place and are printable lines.
func FuzzLoad(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 4096 {
			return // the bounds have tests of their own
		}
		loaded, err := load(content)
		if err != nil {
			wellFormed(t, err.(Problems))
			return
		}
		again, err := load([]byte(written(loaded.Values)))
		if err != nil || !reflect.DeepEqual(again.Config, loaded.Config) {
			t.Errorf("%+v is read again as %+v (%v)", loaded, again, err)
		}
	})
}
