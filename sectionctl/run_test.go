package main

import (
	"strings"
	"testing"
)

func TestRun_MisuseSaysWhatIsWantedAndExitsWith2(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := finish(t, sectionctl(args...))
		if code != 2 || stdout != "" || !strings.HasSuffix(stderr, want+"\nsectionctl: try 'sectionctl --help'\n") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and %q", args, code, stdout, stderr, want)
		}
	}
	f(`sectionctl: unknown subcommand "stauts"; did you mean "status"? want one of status, check, config, logs`, "stauts")
	f(`sectionctl: unknown subcommand "rotate": want one of status, check, config, logs`, "rotate")
	f(`sectionctl: no subcommand: want one of status, check, config, logs`)
	f(`sectionctl: unexpected argument "now": only flags are taken here`, "status", "now")
	f(`sectionctl: --lines (-n) = -1: want 0 or more`, "logs", "-n", "-1")
	f(`sectionctl: --timeout (PROXY_CONTROL_TIMEOUT) = "0s": want a length of time above 0, such as 5s`, "check", "--timeout", "0s")
	f(`sectionctl: --run-dir (PROXY_RUN_DIR) is empty: leave it out for /run/proxyd`, "--run-dir", "", "status")
	f(`sectionctl: flag provided but not defined: -jsn`, "status", "--jsn")
}

// An operator who types just the name wants to know what there is; a script that lost its argument must notice.
func TestRun_NoSubcommandPrintsTheHelpOnStderr(t *testing.T) {
	_, stdout, stderr := finish(t, sectionctl())
	if stdout != "" {
		t.Errorf("stdout: %q", stdout)
	}
	for _, want := range []string{"sectionctl [global flags] SUBCOMMAND [flags]", "status ", "check ", "config ", "logs ", "--run-dir", "--next-hop"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the help does not mention %q:\n%s", want, stderr)
		}
	}
}

func TestRun_HelpAndVersionAreAnsweredOnStdout(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := finish(t, sectionctl(args...))
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 0 and %q", args, code, stdout, stderr, want)
		}
	}
	f("sectionctl [global flags] SUBCOMMAND [flags]", "--help")
	f("sectionctl [global flags] SUBCOMMAND [flags]", "help")
	f("sectionctl version ", "--version")
	f("--follow", "logs", "--help")
	f("--timeout", "status", "--help")
}
