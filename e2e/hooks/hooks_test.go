// Package hooks tests the tools behind the platform's hooks, as binaries, beside a running proxyd and without one.
package hooks

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

var bench proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }

func start(t *testing.T, config string) *proxydtest.Proxyd {
	t.Helper()
	origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	return bench.Start(t, proxydtest.Options{NextHop: origin, Config: config})
}

// get sends one request and returns its status.
func get(t *testing.T, addr, path string) int {
	t.Helper()
	client := proxydtest.Client(t)
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// refusesBodyOf tells by what a client sees whether client.max_body_size is below size.
func refusesBodyOf(t *testing.T, addr string, size int) bool {
	t.Helper()
	client := proxydtest.Client(t)
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://"+addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusRequestEntityTooLarge
}

// ---- validator ------------------------------------------------------------------------------------------------------------

func TestValidator_ValidMeansNotOneByte(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	flags := dirs.Flags(place.ConfigDir)
	bench.Silent(t, "validator", flags...) // an empty directory
	dirs.WriteConfig(t, "[client]\nmax_body_size = \"1MiB\"\nidle_timeout = \"30s\"\n\n[next_hop]\nresolve_every = \"5s\"\n\n[log]\nto = \"both\"\n")
	bench.Silent(t, "validator", flags...)
	bench.Silent(t, "validator", "--config-dir", filepath.Join(dirs.Config, "missing"))
}

func TestValidator_EveryProblemIsALineWithItsPlace(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	dirs.WriteConfig(t, "[client]\nmax_heder_size = \"32KiB\"\nidle_timeout = 5\n\n[log]\nto = \"nowhere\"\n\n[clinet]\n")
	r := bench.Refused(t, "validator", dirs.Flags(place.ConfigDir)...)
	for _, want := range []string{"proxy.toml:2:1: ", "proxy.toml:3:16: ", "proxy.toml:6:6: ", "proxy.toml:8:"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("stderr %q: want a line that starts with %q", r.Stderr, want)
		}
	}
	if strings.Count(r.Stderr, "\n") != 4 {
		t.Errorf("stderr %q: want four lines", r.Stderr)
	}
}

func TestValidator_WhatCannotBeReadIsRefused(t *testing.T) {
	f := func(name, text, want string) {
		t.Run(name, func(t *testing.T) {
			dirs := proxydtest.NewDirs(t)
			dirs.WriteConfig(t, text)
			if r := bench.Refused(t, "validator", dirs.Flags(place.ConfigDir)...); !strings.Contains(r.Stderr, want) {
				t.Errorf("stderr %q: want it to say %q", r.Stderr, want)
			}
		})
	}
	f("broken TOML", "[client]\nidle_timeout = \n", "proxy.toml:2:")
	f("not UTF-8", "[client]\n# caf\xe9\n", "UTF-8")
	f("a NUL", "[client]\n\x00\n", "proxy.toml:2:")
	f("a value that is too large", "[client]\nidle_timeout = \"9000h\"\n", "proxy.toml:2:16: client.idle_timeout = ")

	dirs := proxydtest.NewDirs(t)
	file := filepath.Join(dirs.Config, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := bench.Refused(t, "validator", "--config-dir", file); !strings.Contains(r.Stderr, file) {
		t.Errorf("stderr %q: want it to name %s", r.Stderr, file)
	}
}

// ---- deploy ---------------------------------------------------------------------------------------------------------------

func TestDeploy_ChangesApplyBeforeItReturns(t *testing.T) {
	proxyd := start(t, "[client]\nmax_body_size = 10\n")
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)
	for i := range 10 {
		limit := 100 + i
		proxyd.WriteConfig(t, fmt.Sprintf("[client]\nmax_body_size = %d\n", limit))
		bench.Silent(t, "deploy", flags...)
		if refusesBodyOf(t, proxyd.Addr, limit) || !refusesBodyOf(t, proxyd.Addr, limit+1) {
			t.Fatalf("client.max_body_size is not %d right after deploy", limit)
		}
		for _, v := range proxyd.ConfigInForce().Values {
			if v.Key == "client.max_body_size" && !strings.HasPrefix(v.Source, "proxy.toml:2:") {
				t.Errorf("%+v: want its source to be proxy.toml:2", v)
			}
		}
	}
}

func TestDeploy_InvalidKeepsTheOld(t *testing.T) {
	proxyd := start(t, "[client]\nmax_body_size = 10\n")
	before := proxyd.Status().Generation
	proxyd.WriteConfig(t, "[client]\nmax_body_size = \"12 parsecs\"\n")
	r := bench.Refused(t, "deploy", proxyd.Flags(place.ConfigDir, place.RunDir)...)
	if !strings.Contains(r.Stderr, `proxy.toml:2:17: client.max_body_size = "12 parsecs"`) {
		t.Errorf("stderr %q: want the problem with its place", r.Stderr)
	}
	if got := proxyd.Status().Generation; got != before {
		t.Errorf("generation %+v, want still %+v", got, before)
	}
	if !refusesBodyOf(t, proxyd.Addr, 11) {
		t.Error("the old configuration is not in force any more")
	}
}

func TestDeploy_WithoutProxydOnlyValidates(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	flags := dirs.Flags(place.ConfigDir, place.RunDir)
	bench.Silent(t, "deploy", flags...) // no run directory
	proxyd := bench.Start(t, proxydtest.Options{NextHop: "127.0.0.1:9", Dirs: &dirs})
	proxyd.Kill()
	bench.Silent(t, "deploy", flags...) // a stale pidfile and socket
	dirs.WriteConfig(t, "nonsense = 1\n")
	bench.Refused(t, "deploy", flags...)
}

func TestDeploy_WhileProxydStartsWaitsForIt(t *testing.T) {
	origin := proxydtest.Origin(t, http.NotFoundHandler())
	for range 20 {
		dirs := proxydtest.NewDirs(t)
		proxyd := bench.Launch(t, proxydtest.Options{NextHop: origin, Dirs: &dirs})
		bench.Silent(t, "deploy", dirs.Flags(place.ConfigDir, place.RunDir)...)
		proxyd.AwaitReady()
		proxyd.Stop()
	}
}

func TestDeploy_AHungProxydIsBounded(t *testing.T) {
	proxyd := start(t, "")
	proxyd.Pause()
	defer proxyd.Continue()
	r := bench.Refused(t, "deploy", append(proxyd.Flags(place.ConfigDir, place.RunDir), "--timeout", "1s")...)
	if r.Took.Seconds() < 0.9 || r.Took.Seconds() > 6 {
		t.Errorf("deploy took %s, want about the 1s of --timeout", r.Took)
	}
	if !strings.Contains(r.Stderr, "does not answer for ") || !strings.Contains(r.Stderr, fmt.Sprint(proxyd.PID)) {
		t.Errorf("stderr %q: want it to say for how long process %d has not answered", r.Stderr, proxyd.PID)
	}
}

// ---- msghandler -----------------------------------------------------------------------------------------------------------

func TestMsghandler_Messages(t *testing.T) {
	proxyd := start(t, "[client]\nmax_body_size = 10\n")
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)
	send := func(args ...string) []string { return append(append([]string(nil), flags...), args...) }
	bench.Silent(t, "msghandler", send("ping", "")...)
	bench.Silent(t, "msghandler", send("PING")...)
	bench.Silent(t, "msghandler", send("Log-Level", "debug")...)
	if got := proxyd.Status().Log.Level; got != "debug" {
		t.Errorf("the level is %q, want debug", got)
	}
	proxyd.WriteConfig(t, "[client]\nmax_body_size = 20\n")
	bench.Silent(t, "msghandler", send("updateEnvironment", "whatever")...)
	if refusesBodyOf(t, proxyd.Addr, 20) || !refusesBodyOf(t, proxyd.Addr, 21) {
		t.Error("updateenvironment did not apply the configuration")
	}
	for _, bad := range [][]string{{"purge-everything-now", "x"}, {"log-level", "loud"}, {"log-level", ""}} {
		if r := bench.Refused(t, "msghandler", send(bad...)...); !strings.Contains(r.Stderr, "ping") && !strings.Contains(r.Stderr, "debug") {
			t.Errorf("%q: stderr %q: want it to name what is known", bad, r.Stderr)
		}
	}
	proxyd.WriteConfig(t, "nonsense = 1\n")
	if r := bench.Refused(t, "msghandler", send("updateenvironment")...); !strings.Contains(r.Stderr, "proxy.toml:1:1") {
		t.Errorf("stderr %q: want the problem with its place", r.Stderr)
	}
}

func TestMsghandler_WithoutProxydSaysSoSoon(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	r := bench.Refused(t, "msghandler", append(dirs.Flags(place.ConfigDir, place.RunDir), "ping")...)
	if !strings.Contains(r.Stderr, "proxyd") || r.Took.Seconds() > 10 {
		t.Errorf("after %s stderr is %q: want soon that no proxyd runs", r.Took, r.Stderr)
	}
}

// ---- sectionctl -----------------------------------------------------------------------------------------------------------

func TestSectionctl_BesideARunningProxyd(t *testing.T) {
	proxyd := start(t, "[client]\nidle_timeout = \"33s\"\n")
	if got := get(t, proxyd.Addr, "/seen"); got != http.StatusOK {
		t.Fatal(got)
	}
	proxyd.AwaitLogged(t, 1)
	flags := append(proxyd.Flags(place.ConfigDir, place.LogDir, place.RunDir), "--listen", proxyd.Addr)
	run := func(want string, args ...string) string {
		t.Helper()
		r := bench.Run(t, "sectionctl", append(append([]string(nil), flags...), args...)...)
		if r.Code != 0 || r.Stderr != "" || !strings.Contains(r.Stdout, want) {
			t.Errorf("sectionctl %q: exit code %d, stderr %q, stdout %q: want %q in it", args, r.Code, r.Stderr, r.Stdout, want)
		}
		return r.Stdout
	}
	run(fmt.Sprint(proxyd.PID), "status")
	run("33s", "config")
	run("/seen", "logs")
	for _, args := range [][]string{{"status", "--json"}, {"config", "--json"}} {
		var any map[string]any
		if err := json.Unmarshal([]byte(run("{", args...)), &any); err != nil {
			t.Errorf("sectionctl %q: %v", args, err)
		}
	}
	var line proxydtest.Line
	if err := json.Unmarshal([]byte(run("seq", "logs", "--json")), &line); err != nil || line["uri_path"] != "/seen" {
		t.Errorf("logs --json: %v, %v", line, err)
	}
}

func TestSectionctl_CheckIsTheHealthCheck(t *testing.T) {
	proxyd := start(t, "")
	get(t, proxyd.Addr, "/") // so that next-hop is resolved
	flags := append(proxyd.Flags(place.ConfigDir, place.LogDir, place.RunDir), "--listen", proxyd.Addr)
	if r := bench.Run(t, "sectionctl", append(flags, "check")...); r.Code != 0 {
		t.Errorf("exit code %d, stderr %q: want 0", r.Code, r.Stderr)
	}
	proxyd.Stop()
	for _, args := range [][]string{{"check"}, {"status"}} {
		r := bench.Run(t, "sectionctl", append(append([]string(nil), flags...), args...)...)
		if r.Code != 1 || !strings.Contains(r.Stderr+r.Stdout, "not running") {
			t.Errorf("sectionctl %q without proxyd: exit code %d, stdout %q, stderr %q: want 1 and that it is not running", args, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// ---- all ------------------------------------------------------------------------------------------------------------------

func TestTools_MisuseIsTwo(t *testing.T) {
	for _, tool := range []string{"proxyd", "validator", "deploy", "logrotator", "msghandler", "sectionctl"} {
		for _, args := range [][]string{{"--no-such-flag"}, {"--run-dir", ""}} {
			if r := bench.Run(t, tool, args...); r.Code != 2 || r.Stdout != "" || r.Stderr == "" {
				t.Errorf("%s %q: exit code %d, stdout %q, stderr %q: want 2 and a reason", tool, args, r.Code, r.Stdout, r.Stderr)
			}
		}
	}
}
