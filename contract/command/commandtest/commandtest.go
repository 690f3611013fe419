// Package commandtest runs a tool as a process of its own in the tests of that tool, with its streams and exit code as the
// platform sees them.
package commandtest

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// mainEnv makes a test binary be the tool instead of its tests.
const mainEnv = "COMMANDTEST_MAIN"

// Main runs the tests, or main when Start has started this binary as the tool. It returns the exit code:
// func TestMain(m *testing.M) { os.Exit(commandtest.Main(m, main)) }.
func Main(m *testing.M, main func()) int {
	if os.Getenv(mainEnv) != "" {
		main()
		return 0
	}
	return m.Run()
}

// Result is how a run of the tool ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Start starts the tool with these environment variables, NAME=VALUE, on top of the test's own. The function it returns waits
// for the end.
func Start(t testing.TB, env []string, args ...string) func() Result {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), exe, args...)
	tool.Args[0] = "tool"
	// The race detector waits a second at exit otherwise.
	tool.Env = append(append(os.Environ(), mainEnv+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	var stdout, stderr bytes.Buffer
	tool.Stdout, tool.Stderr = &stdout, &stderr
	if err := tool.Start(); err != nil {
		t.Fatal(err)
	}
	return func() Result {
		tool.Wait()
		return Result{tool.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

// Golden compares got with testdata/NAME, which -update rewrites.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s holds something else (-update rewrites it); got:\n%s", file, got)
	}
}
