//go:build image

package image

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"section.internal/contract/place"
)

// Texts of proxy.toml.
const (
	valid = "[client]\nmax_header_size = \"16KiB\"\n"
	small = "[client]\nmax_header_size = \"1KiB\"\n"

	// Two mistakes, so that it is seen that all are told at once.
	wrong = "[client]\nmax_heder_size = \"16KiB\"\nidle_timeout = \"12 parsecs\"\n"
)

func TestContract_EveryScriptExistsAndCanBeExecuted(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"validate.sh", "update.sh", "logrotate.sh", "messagehandler.sh", "prepare.sh", "sectionctl.sh"} {
		e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", "--user", "12345:12345",
			"--entrypoint", "sh", lab.image, "-c", "test -x /opt/section/"+script+" && head -n 1 /opt/section/"+script)
		if e != (end{stdout: "#!/bin/sh\n"}) {
			t.Errorf("%s: %s: want a script that any user can execute", script, e)
		}
	}
	wantSilence(t, "prepare.sh", throwAway(t, "prepare.sh", ""))
}

func TestContract_ValidConfigGivesZeroExitAndNoOutput(t *testing.T) {
	t.Parallel()
	wantSilence(t, "validate.sh", throwAway(t, "validate.sh", newConfig(t, valid)))
	wantSilence(t, "validate.sh of an empty directory", throwAway(t, "validate.sh", newConfig(t, "")))
	wantSilence(t, "validate.sh of the image's own directory", throwAway(t, "validate.sh", ""))
	wantSilence(t, "validate.sh as any user", throwAway(t, "validate.sh", newConfig(t, valid), "--user", "12345:12345", "--read-only", "--cap-drop", "ALL"))
}

func TestContract_InvalidConfigGivesNonZeroExitAndReasonOnStderr(t *testing.T) {
	t.Parallel()
	e := throwAway(t, "validate.sh", newConfig(t, wrong))
	wantReason(t, "validate.sh", e, "proxy.toml:2:", "max_heder_size", "proxy.toml:3:", "12 parsecs")
	e = throwAway(t, "validate.sh", newConfig(t, "[client\n"))
	wantReason(t, "validate.sh of broken TOML", e, "proxy.toml:1:")
}

// The pre-receive hook of the platform runs the script beside nothing: no network, no name server, no proxyd.
func TestContract_ValidateRunsInAThrowAwayContainerWithoutNetwork(t *testing.T) {
	t.Parallel()
	wantSilence(t, "validate.sh", throwAway(t, "validate.sh", newConfig(t, valid), "--read-only"))
	e := throwAway(t, "validate.sh", newConfig(t, wrong), "--read-only")
	wantReason(t, "validate.sh", e, "max_heder_size")
	// Beside a running proxyd it looks at the same directory and changes nothing.
	h := newHouse(t, valid)
	wantSilence(t, "validate.sh", h.proxyd.exec(t, "/opt/section/validate.sh"))
	writeConfig(t, h.config, wrong)
	wantReason(t, "validate.sh", h.proxyd.exec(t, "/opt/section/validate.sh"), "max_heder_size")
	h.proxyd.awaitOrigin(t)
}

// Every key that the image's own file shows as a comment is a real one with a real value.
func TestImage_DefaultConfigShowsValidKeys(t *testing.T) {
	t.Parallel()
	e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", "--entrypoint", "cat", lab.image,
		"/opt/proxy_config/"+place.ConfigFileName)
	if e.code != 0 {
		t.Fatal(e)
	}
	keys := regexp.MustCompile(`(?m)^# (\[\[\w+\]\]$|\w+ *= )`).ReplaceAllString(e.stdout, "$1")
	if strings.Count(keys, "\n[[") != 2 || strings.Count(keys, " = ") < 20 {
		t.Fatalf("the file shows too few keys:\n%s", e.stdout)
	}
	wantSilence(t, "validate.sh", throwAway(t, "validate.sh", newConfig(t, keys)))
}

func TestContract_UpdateAppliesChangedConfiguration(t *testing.T) {
	t.Parallel()
	h := newHouse(t, valid)
	long := "X-Long: " + strings.Repeat("x", 4<<10)
	connect(t, h.proxyd).get(t, "/", long)

	writeConfig(t, h.config, small)
	wantSilence(t, "update.sh", h.proxyd.exec(t, "/opt/section/update.sh"))
	if got := status(t, h.proxyd, long); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a request that the new configuration forbids is answered with %d: want 431", got)
	}
	writeConfig(t, h.config, valid)
	wantSilence(t, "update.sh", h.proxyd.exec(t, "/opt/section/update.sh"))
	connect(t, h.proxyd).get(t, "/", long)
}

func TestContract_UpdateIsGracefulBeforeTheProxyRuns(t *testing.T) {
	t.Parallel()
	wantSilence(t, "update.sh", throwAway(t, "update.sh", newConfig(t, valid)))
	wantSilence(t, "update.sh on a read-only root", throwAway(t, "update.sh", newConfig(t, valid), "--read-only"))
	wantSilence(t, "update.sh with no configuration mounted", throwAway(t, "update.sh", ""))
	// A bad configuration fails the deployment even then.
	wantReason(t, "update.sh", throwAway(t, "update.sh", newConfig(t, wrong)), "max_heder_size")
}

func TestContract_FailedUpdateTellsTheReasonOnStderrAndKeepsTheOldConfiguration(t *testing.T) {
	t.Parallel()
	h := newHouse(t, small)
	long := "X-Long: " + strings.Repeat("x", 4<<10)
	writeConfig(t, h.config, wrong)
	e := h.proxyd.exec(t, "/opt/section/update.sh")
	wantReason(t, "update.sh", e, "proxy.toml:2:", "max_heder_size", "12 parsecs")
	if got := status(t, h.proxyd, long); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("after a refused update a forbidden request is answered with %d: want 431, as the old configuration says", got)
	}
	connect(t, h.proxyd).get(t, "/")
}

func TestContract_ConfigurationDirectoryIsOnlyRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, valid) // which mounts it read-only
	wantSilence(t, "validate.sh", h.proxyd.exec(t, "/opt/section/validate.sh"))
	wantSilence(t, "update.sh", h.proxyd.exec(t, "/opt/section/update.sh"))
	wantSilence(t, "messagehandler.sh", h.proxyd.exec(t, "/opt/section/messagehandler.sh", "updateenvironment", ""))

	// Where it could be written to, it is left as it was all the same.
	config := newConfig(t, valid)
	c := startProxyd(t, "--network", h.network, "--volume", config+":/opt/proxy_config")
	c.awaitOrigin(t)
	wantSilence(t, "update.sh", c.exec(t, "/opt/section/update.sh"))
	entries, err := os.ReadDir(config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(config, place.ConfigFileName))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || string(text) != valid {
		t.Errorf("the config directory holds %v, its file %q: want it untouched", entries, text)
	}
}

func TestContract_MessagehandlerTakesNameAndArguments(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	const script = "/opt/section/messagehandler.sh"
	wantSilence(t, "messagehandler.sh ping", h.proxyd.exec(t, script, "ping", ""))
	wantSilence(t, "messagehandler.sh PING", h.proxyd.exec(t, script, "PING"))
	wantSilence(t, "messagehandler.sh log-level debug", h.proxyd.exec(t, script, "log-level", "debug"))
	told := h.proxyd.exec(t, "sectionctl", "status", "--json")
	if told.code != 0 || !strings.Contains(told.stdout, `"debug"`) {
		t.Errorf("after log-level debug, sectionctl status: %s: want it to name the level", told)
	}
}

func TestContract_FailedMessageTellsTheReasonOnStderr(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	const script = "/opt/section/messagehandler.sh"
	wantReason(t, "messagehandler.sh", h.proxyd.exec(t, script, "no-such-message", ""), "no-such-message", "ping")
	wantReason(t, "messagehandler.sh", h.proxyd.exec(t, script, "log-level", "loud"), "loud", "debug")
	wantReason(t, "messagehandler.sh without proxyd", run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none",
		"--entrypoint", script, lab.image, "ping", ""), "proxyd")
}

// status returns the status of the answer to a request with one more line in its head.
func status(t *testing.T, c container, line string) int {
	t.Helper()
	a, err := connect(t, c).do("GET / HTTP/1.1\r\nHost: www.example.com\r\n" + line + "\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode
}
