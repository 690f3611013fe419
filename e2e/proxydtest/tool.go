package proxydtest

import (
	"bytes"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Result is how a tool ended.
type Result struct {
	Code           int
	Stdout, Stderr string
	Took           time.Duration
}

// Run runs a tool to its end.
func (b *Bench) Run(tb testing.TB, tool string, args ...string) Result {
	tb.Helper()
	cmd := b.Command(tb, tool, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	stuck := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !stuck.Stop() {
		tb.Fatalf("%s %q did not end within two minutes\n%s", tool, args, stderr.String())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(begin)}
}

// Silent runs a tool that must succeed without a word.
func (b *Bench) Silent(tb testing.TB, tool string, args ...string) {
	tb.Helper()
	if r := b.Run(tb, tool, args...); r.Code != 0 || r.Stdout != "" || r.Stderr != "" {
		tb.Fatalf("%s %q: exit code %d, stdout %q, stderr %q: want 0 and silence", tool, args, r.Code, r.Stdout, r.Stderr)
	}
}

// Refused runs a tool that must fail with exit code 1, nothing on stdout, and a reason on stderr, which is returned.
func (b *Bench) Refused(tb testing.TB, tool string, args ...string) Result {
	tb.Helper()
	r := b.Run(tb, tool, args...)
	if r.Code != 1 || r.Stdout != "" || r.Stderr == "" {
		tb.Fatalf("%s %q: exit code %d, stdout %q, stderr %q: want 1, an empty stdout and a reason", tool, args, r.Code, r.Stdout, r.Stderr)
	}
	return r
}
