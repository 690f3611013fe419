package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"section.internal/contract/command/commandtest"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/control/controltest"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

func TestMain(m *testing.M) { os.Exit(commandtest.Main(m, main)) }

// scene is what a deployment finds: a config and a run directory, both empty.
type scene struct {
	t                 *testing.T
	configDir, runDir string
}

func newScene(t *testing.T) scene {
	t.Helper()
	return scene{t, t.TempDir(), controltest.RunDir(t)}
}

func (s scene) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(place.ConfigFile(s.configDir), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// applying answers as a proxyd that applies the directory, and counts how often it was asked to.
func (s scene) applying(asked *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != control.ReloadPath || r.Method != http.MethodPost {
			controltest.Answer(w, http.StatusNotFound, control.Failure{Error: "got " + r.Method + " " + r.URL.Path})
			return
		}
		loaded, err := config.Load(s.configDir)
		if err != nil {
			controltest.Answer(w, http.StatusUnprocessableEntity, control.Failure{Error: err.Error()})
			return
		}
		asked.Add(1)
		controltest.Answer(w, http.StatusOK, control.Generation{Number: 2, Hash: loaded.Hash})
	}
}

// start starts the tool and returns what waits for its end.
func (s scene) start(args ...string) func() commandtest.Result {
	s.t.Helper()
	return commandtest.Start(s.t, []string{place.ConfigDir.Env + "=" + s.configDir, place.RunDir.Env + "=" + s.runDir}, args...)
}

func (s scene) want(want commandtest.Result, args ...string) {
	s.t.Helper()
	if got := s.start(args...)(); got != want {
		s.t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDeploy_SilentWhenProxydHasAppliedIt(t *testing.T) {
	s := newScene(t)
	var asked atomic.Int32
	controltest.Serve(t, s.runDir, s.applying(&asked)) // without a pidfile: the socket is what counts
	s.want(commandtest.Result{})
	s.write("[log]\nlevel = \"debug\"\n")
	s.want(commandtest.Result{})
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want once a run", asked.Load())
	}
}

func TestDeploy_WithoutAProxydItChecksAndSucceeds(t *testing.T) {
	f := func(name string, prepare func(s scene)) {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			prepare(s)
			s.want(commandtest.Result{})
			s.write("nonsense = 1\n")
			if got := s.start()(); got.Code != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "proxy.toml:1:1: ") {
				t.Errorf("invalid: got %+v", got)
			}
		})
	}
	f("no run directory", func(s scene) { os.Remove(s.runDir) })
	f("no pidfile, no socket", func(scene) {})
	f("stale socket", func(s scene) { controltest.Leave(s.t, s.runDir) })
	f("stale pidfile", func(s scene) { writePidfile(s, 999999999) })
	f("stale socket and pidfile", func(s scene) { controltest.Leave(s.t, s.runDir); writePidfile(s, 999999999) })
	f("stale pidfile with the pid of another process", func(s scene) { controltest.Leave(s.t, s.runDir); writePidfile(s, os.Getpid()) })
}

func writePidfile(s scene, pid int) {
	s.t.Helper()
	if err := os.WriteFile(place.Pidfile(s.runDir), []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// claim makes this process the proxyd of the scene.
func claim(s scene) {
	s.t.Helper()
	file, err := pidfile.Claim(place.Pidfile(s.runDir))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { file.Release() })
}

func TestDeploy_WaitsForAProxydThatIsStarting(t *testing.T) {
	s := newScene(t)
	claim(s)
	wait := s.start()
	var asked atomic.Int32
	controltest.Serve(t, s.runDir, s.applying(&asked))
	if got := wait(); got != (commandtest.Result{}) || asked.Load() != 1 {
		t.Errorf("got %+v, asked %d times", got, asked.Load())
	}
}

func TestDeploy_AProxydThatNeverGetsReadyIsSaid(t *testing.T) {
	t.Parallel() // it waits for seconds
	s := newScene(t)
	claim(s)
	got := s.start("--timeout", "3s")()
	if got.Code != 1 || got.Stdout != "" {
		t.Errorf("got %+v", got)
	}
	wantLine(t, got.Stderr, "deploy: proxyd does not answer for ", "process "+strconv.Itoa(os.Getpid())+" holds the pidfile",
		"has not opened "+place.ControlSocket(s.runDir), "restart it")
}

func TestDeploy_AProxydThatHangsIsSaidWithinTheTimeout(t *testing.T) {
	t.Parallel() // it waits for seconds
	s := newScene(t)
	claim(s)
	controltest.Listen(t, s.runDir)
	got := s.start("--timeout", "3s")()
	if got.Code != 1 || got.Stdout != "" {
		t.Errorf("got %+v", got)
	}
	wantLine(t, got.Stderr, "deploy: proxyd does not answer for ", "process "+strconv.Itoa(os.Getpid())+" hangs or is stopped", "restart it")
}

// wantLine checks that text is one line with these parts, the first at its start.
func wantLine(t *testing.T, text string, parts ...string) {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || !strings.HasPrefix(text, parts[0]) {
		t.Errorf("%q is not one line that starts with %q", text, parts[0])
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

func TestDeploy_AnInvalidConfigIsRefusedAndProxydIsLeftAlone(t *testing.T) {
	s := newScene(t)
	var asked atomic.Int32
	controltest.Serve(t, s.runDir, s.applying(&asked))
	s.write("[client]\nidle_timeot = \"1m\"\n\n[log]\nlevel = 7\n")
	_, err := config.Load(s.configDir)
	if err == nil {
		t.Fatal("this is valid")
	}
	s.want(commandtest.Result{Code: 1, Stderr: err.Error() + "\n"})
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "proxy.toml:2:1: ") {
		t.Errorf("got %q", lines)
	}
	if asked.Load() != 0 {
		t.Errorf("proxyd was asked %d times", asked.Load())
	}
}

func TestDeploy_ATestThatFailsIsRefusedAndProxydIsLeftAlone(t *testing.T) {
	s := newScene(t)
	var asked atomic.Int32
	controltest.Serve(t, s.runDir, s.applying(&asked))
	s.write("[[test]]\nname = \"gone\"\nrequest = { url = \"http://www.example.com/\" }\nexpect = { status = 410 }\n")
	s.want(commandtest.Result{Code: 1, Stderr: "proxy.toml:4:21: test \"gone\": expect.status = 410: got 200 from next-hop's imagined answer; no rule matched\n"})
	if asked.Load() != 0 {
		t.Errorf("proxyd was asked %d times", asked.Load())
	}
}

func TestDeploy_WhatProxydRefusesIsSaidLineByLine(t *testing.T) {
	s := newScene(t)
	controltest.Serve(t, s.runDir, func(w http.ResponseWriter, _ *http.Request) {
		controltest.Answer(w, http.StatusUnprocessableEntity, control.Failure{
			Error: "proxyd keeps the previous configuration", Problems: []string{"proxy.toml:3:1: unknown key", "proxy.toml:4:1: wrong type"},
		})
	})
	s.want(commandtest.Result{Code: 1, Stderr: "deploy: proxyd keeps the previous configuration: proxy.toml:3:1: unknown key\n" +
		"deploy: proxyd keeps the previous configuration: proxy.toml:4:1: wrong type\n"})
}

func TestDeploy_AMisuseIsToldApart(t *testing.T) {
	s := newScene(t)
	s.want(commandtest.Result{Code: 2, Stderr: "deploy: unexpected argument \"now\": only flags are taken here\ndeploy: try 'deploy --help'\n"}, "now")
	s.want(commandtest.Result{Code: 2, Stderr: "deploy: --timeout (PROXY_CONTROL_TIMEOUT) = \"soon\": want a length of time above 0, such as 20s\n" +
		"deploy: try 'deploy --help'\n"}, "--timeout=soon")
}

func TestDeploy_HelpIsAsReviewed(t *testing.T) {
	got := newScene(t).start("--help")()
	if got.Code != 0 || got.Stderr != "" {
		t.Fatalf("got %+v", got)
	}
	commandtest.Golden(t, "help.txt", got.Stdout)
}
