package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/e2e/proxydtest"
)

var bench proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }

// TestScenario runs every file below testdata against the built proxyd.
func TestScenario(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	bench.Binary(t, "proxyd") // so that no scenario waits for the build
	bench.Binary(t, "deploy")
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			RunFile(t, &bench, path)
		})
	}
}

func TestParse_MistakesAreRefusedWithTheirLine(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", text, err, want)
		}
	}
	f("", "1: no steps")
	f("# only a comment\n", "1: no steps")
	f("client shouts\n| a\n", `1: unknown step "client shouts"`)
	f("client says\n", "1: step")
	f("client closes\n| a\n", "1: step")
	f("client says\n| {9*\n", "1: ")
	f("client says\n| {a}\n", "1: ")
	f("client says\n| \\q\n", `unknown escape \q`)
	f("client must see\n| {any}\\\n", "wildcards stand only in whole lines")
	f("client must see error 400\n", "want STATUS REASON")
	f("proxyd gets KILL\n", "want TERM, HUP or USR1")
	f("client closes\nlog must have status\n", "2: log fields")
	f("file lists/office.txt\nclient closes\n", "1: step")
	f("deploy applies\n| a\n", "1: step")
}

func TestParse_ABlockIsBytes(t *testing.T) {
	f := func(block, want string) {
		t.Helper()
		s, err := Parse("client 3 says\n" + block)
		if err != nil {
			t.Error(err)
		} else if got := s.Steps[0]; !bytes.Equal(got.Bytes, []byte(want)) || got.Conn != 3 {
			t.Errorf("%q: got %q on connection %d, want %q on 3", block, got.Bytes, got.Conn, want)
		}
	}
	f("| a\n|\n", "a\r\n\r\n")
	f("| a\\\n", "a")
	f("|  a\\n\\\n| b\n", " a\nb\r\n")
	f("| x{3*ab}y\\x00\\{\n", "xabababy\x00{\r\n")
}

func TestParse_EveryScenarioIsReadable(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(text)); err != nil {
			t.Errorf("%s:%v", path, err)
		}
		if !bytes.HasPrefix(text, []byte("# ")) {
			t.Errorf("%s:1: want a comment that names the rule", path)
		}
	}
}
