package command

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/place"
)

// tool is a command line with a flag of each kind, whose action writes what it got.
func tool(action error) *cli.App {
	return &cli.App{
		Name:   "tool",
		Flags:  []cli.Flag{Flag(place.RunDir), DurationFlag(place.Timeout)},
		Before: NoArguments,
		Action: func(c *cli.Context) error {
			c.App.Writer.Write([]byte(c.String(place.RunDir.Flag) + " " + Duration(c, place.Timeout).String()))
			return action
		},
	}
}

func TestRun_ExitCodesAndStreams(t *testing.T) {
	f := func(args string, wantCode int, wantStdout, wantStderr string) {
		t.Helper()
		var stdout, stderr strings.Builder
		code := Run(t.Context(), tool(nil), append([]string{"tool"}, strings.Fields(args)...), &stdout, &stderr)
		if code != wantCode || stdout.String() != wantStdout || stderr.String() != wantStderr {
			t.Errorf("%q: exit %d with %q and %q, want %d with %q and %q",
				args, code, stdout.String(), stderr.String(), wantCode, wantStdout, wantStderr)
		}
	}
	const try = "tool: try 'tool --help'\n"
	f("", 0, "/run/proxyd 20s", "")
	f("--run-dir /r --timeout 1m", 0, "/r 1m0s", "")
	f("-run-dir=/r", 0, "/r 20s", "")
	f("--run-dir=", 2, "", "tool: --run-dir (PROXY_RUN_DIR) is empty: leave it out for /run/proxyd\n"+try)
	for _, bad := range []string{"20", "0s", "-1s", "soon", ""} {
		f("--timeout="+bad, 2, "", `tool: --timeout (PROXY_CONTROL_TIMEOUT) = "`+bad+`": want a length of time above 0, such as 20s`+"\n"+try)
	}
	f("--nonsense", 2, "", "tool: flag provided but not defined: -nonsense\n"+try)
	f("extra", 2, "", "tool: unexpected argument \"extra\": only flags are taken here\n"+try)
	f("--version", 0, "tool version devel\n", "")
}

func TestRun_EnvironmentCountsBelowTheFlag(t *testing.T) {
	t.Setenv(place.RunDir.Env, "/env")
	t.Setenv(place.Timeout.Env, "5s")
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr strings.Builder
		code := Run(t.Context(), tool(nil), append([]string{"tool"}, args...), &stdout, &stderr)
		if code != 0 || stdout.String() != want || stderr.String() != "" {
			t.Errorf("%q: exit %d with %q and %q, want 0 with %q", args, code, stdout.String(), stderr.String(), want)
		}
	}
	f("/env 5s")
	f("/flag 1s", "--run-dir", "/flag", "--timeout", "1s")
}

func TestRun_ABadEnvironmentIsNeverADefault(t *testing.T) {
	for _, variable := range []string{place.RunDir.Env, place.Timeout.Env} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "")
			var stdout, stderr strings.Builder
			code := Run(t.Context(), tool(nil), []string{"tool"}, &stdout, &stderr)
			if code != 2 || stdout.String() != "" || !strings.Contains(stderr.String(), variable) {
				t.Errorf("exit %d with %q and %q, want 2 and the variable's name", code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestRun_AFailureIsReportedOnce(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := Run(t.Context(), tool(errors.New("it broke")), []string{"tool"}, &stdout, &stderr); code != 1 {
		t.Errorf("exit %d", code)
	}
	if got := stderr.String(); got != "tool: it broke\n" {
		t.Errorf("stderr %q", got)
	}
}

func TestRun_TheActionGetsTheContext(t *testing.T) {
	type key struct{}
	app := &cli.App{Name: "tool", Action: func(c *cli.Context) error {
		if c.Context.Value(key{}) != "here" {
			return errors.New("another context")
		}
		return nil
	}}
	var stdout, stderr strings.Builder
	if code := Run(context.WithValue(t.Context(), key{}, "here"), app, []string{"tool"}, &stdout, &stderr); code != 0 {
		t.Error(stderr.String())
	}
}

func TestDurationFlag_TheSharedDefaultsAreDurations(t *testing.T) {
	if d, err := time.ParseDuration(place.Timeout.Default); err != nil || d <= 0 {
		t.Error(d, err)
	}
}
