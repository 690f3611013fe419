//go:build realclients

package realclients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

var bench proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }

// need returns the path of a program. Where it is missing it is installed from Debian's package of that name, which only root
// can do; for anybody else the test fails and says what to install.
func need(t *testing.T, program, debian string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	if os.Getuid() != 0 {
		t.Fatalf("%s is missing: apt-get install %s", program, debian)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Fatalf("%s is missing, and so is apt-get: install %s by hand", program, program)
	}
	t.Logf("installing %s", debian)
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", debian}} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("apt-get %q: %v\n%s", args, err, out)
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing although %s is installed", program, debian)
	}
	return path
}

// client runs a program in a directory of its own, without any proxy settings of the machine.
type client struct {
	t    *testing.T
	path string
	dir  string
}

func newClient(t *testing.T, program, debian string) client {
	t.Helper()
	return client{t, need(t, program, debian), t.TempDir()}
}

// try runs the program to its end and returns its output and its error.
func (c client) try(stdin []byte, args ...string) (stdout, stderr string, err error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// run is try for what must succeed.
func (c client) run(stdin []byte, args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.try(stdin, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", c.path, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}
