// Package proxydtest starts the built binaries for a test, looks at them from outside, and ends them. Whatever a test leaves
// behind, a process, a descriptor or a file, fails it.
package proxydtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"section.internal/e2e/binaries"
)

// Bench is what the tests of one package share: the binaries, built at most once.
type Bench struct{ set *binaries.Set }

// Main runs a package's tests: func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }.
func Main(m *testing.M, bench *Bench) int {
	return main(m, func() (err error) {
		bench.set, err = binaries.New(os.Getenv(binaries.DirEnv))
		return err
	}, bench)
}

// MainWithRace is Main with a second bench, whose binaries carry the race detector.
func MainWithRace(m *testing.M, bench, race *Bench) int {
	return main(m, func() (err error) {
		if bench.set, err = binaries.New(os.Getenv(binaries.DirEnv)); err != nil {
			return err
		}
		race.set, err = binaries.NewRace()
		return err
	}, bench, race)
}

func main(m *testing.M, open func() error, benches ...*Bench) int {
	if err := open(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, b := range benches {
		if err := b.set.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// Binary returns the path of a tool.
func (b *Bench) Binary(tb testing.TB, tool string) string {
	tb.Helper()
	path, err := b.set.Path(tool)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Command returns a command that runs a tool with a bare environment. One that was built with the race detector ends without
// the second's sleep by which the detector gives other goroutines time to be found.
func (b *Bench) Command(tb testing.TB, tool string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command(b.Binary(tb, tool), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=atexit_sleep_ms=0"}
	return cmd
}
