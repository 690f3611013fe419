package main

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"section.internal/contract/command/commandtest"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/control/controltest"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

func TestMain(m *testing.M) { os.Exit(commandtest.Main(m, main)) }

// scene is where a message arrives: a config and a run directory, both empty.
type scene struct {
	t                 *testing.T
	configDir, runDir string
}

func newScene(t *testing.T) scene {
	t.Helper()
	return scene{t, t.TempDir(), controltest.RunDir(t)}
}

func (s scene) start(args ...string) func() commandtest.Result {
	s.t.Helper()
	return commandtest.Start(s.t, []string{place.ConfigDir.Env + "=" + s.configDir, place.RunDir.Env + "=" + s.runDir}, args...)
}

func (s scene) want(want commandtest.Result, args ...string) {
	s.t.Helper()
	if got := s.start(args...)(); got != want {
		s.t.Errorf("%q: got %+v, want %+v", args, got, want)
	}
}

// proxyd stands in for the proxyd of a scene and remembers what it was asked.
type proxyd struct {
	mu    sync.Mutex
	asked []string
}

func (s scene) serve() *proxyd {
	s.t.Helper()
	p := &proxyd{}
	controltest.Serve(s.t, s.runDir, func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch r.Method + " " + r.URL.Path {
		case "GET " + control.PingPath:
			p.asked = append(p.asked, "ping")
			w.WriteHeader(http.StatusNoContent)
		case "PUT " + control.LogLevelPath:
			var level control.LogLevel
			err := json.NewDecoder(r.Body).Decode(&level)
			p.asked = append(p.asked, "log-level "+level.Level)
			if err != nil || level.Level == "error" { // so that one is refused
				controltest.Answer(w, http.StatusBadRequest, control.Failure{Error: "not today"})
				return
			}
			w.WriteHeader(http.StatusNoContent)
		case "POST " + control.ReloadPath:
			p.asked = append(p.asked, "reload")
			loaded, err := config.Load(s.configDir)
			if err != nil {
				controltest.Answer(w, http.StatusUnprocessableEntity, control.Failure{Error: err.Error()})
				return
			}
			controltest.Answer(w, http.StatusOK, control.Generation{Number: 2, Hash: loaded.Hash})
		default:
			controltest.Answer(w, http.StatusNotFound, control.Failure{Error: "got " + r.Method + " " + r.URL.Path})
		}
	})
	return p
}

func (s scene) wantAsked(p *proxyd, want ...string) {
	s.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.asked, want) {
		s.t.Errorf("proxyd was asked %q, want %q", p.asked, want)
	}
	p.asked = nil
}

func TestMessage_ReachesProxydInAnyCaseAndInSilence(t *testing.T) {
	s := newScene(t)
	p := s.serve()
	f := func(asked string, args ...string) {
		t.Helper()
		s.want(commandtest.Result{}, args...)
		s.wantAsked(p, asked)
	}
	f("ping", "ping")
	f("ping", "PING", "")
	f("ping", " Ping ", "  ")
	f("reload", "updateenvironment")
	f("reload", "updateEnvironment", "")
	f("reload", "UPDATEENVIRONMENT", "whatever the platform says here")
	f("reload", "updateenvironment", "--version") // an argument, not a flag
	for _, level := range []string{"debug", "info", "warn"} {
		f("log-level "+level, "log-level", level)
	}
	f("log-level debug", "Log-Level", " DEBUG ")
}

func TestMessage_BadOnesAreRefusedWithWhatIsKnown(t *testing.T) {
	s := newScene(t)
	p := s.serve()
	f := func(stderr string, args ...string) {
		t.Helper()
		s.want(commandtest.Result{Code: 1, Stderr: stderr + "\n"}, args...)
		s.wantAsked(p)
	}
	const known = `want "log-level", "ping" or "updateenvironment"`
	f(`msghandler: unknown message "purge-all": `+known, "purge-all", "req.url ~ /")
	f(`msghandler: unknown message "PNIG": `+known+`; did you mean "ping"?`, "PNIG")
	f(`msghandler: unknown message "loglevel": `+known+`; did you mean "log-level"?`, "loglevel", "info")
	f(`msghandler: unknown message "": `+known, "")
	f(`msghandler: unknown message "help": `+known, "help")
	f(`msghandler: unknown message "ping\nmsghandler: all is well": `+known+`; did you mean "ping"?`, "ping\nmsghandler: all is well")
	f(`msghandler: unknown message "`+strings.Repeat("x", 80)+`": `+known, strings.Repeat("x", 100_000))
	const levels = `want "debug", "info", "warn" or "error"`
	f(`msghandler: log-level "": `+levels, "log-level")
	f(`msghandler: log-level "inf": `+levels+`; did you mean "info"?`, "log-level", "inf")
	f(`msghandler: log-level "--help": `+levels, "log-level", "--help")
	f(`msghandler: log-level "debug info": `+levels+`; did you mean "debug"?`, "log-level", "debug info")
	f(`msghandler: ping takes no arguments, not "-v"`, "ping", "-v")
}

func TestMessage_WhatProxydRefusesIsSaid(t *testing.T) {
	s := newScene(t)
	s.serve()
	s.want(commandtest.Result{Code: 1, Stderr: "msghandler: not today\n"}, "log-level", "error")
}

func TestMessage_AMisuseIsToldApart(t *testing.T) {
	s := newScene(t)
	p := s.serve()
	f := func(stderr string, args ...string) {
		t.Helper()
		s.want(commandtest.Result{Code: 2, Stderr: stderr + "\nmsghandler: try 'msghandler --help'\n"}, args...)
		s.wantAsked(p)
	}
	f(`msghandler: no message: want its NAME and, as one string, its ARGUMENTS`)
	f(`msghandler: unexpected argument "now": want the ARGUMENTS of a message as one string`, "log-level", "debug", "now")
	f(`msghandler: flag provided but not defined: -ping`, "--ping")
}

func TestMessage_WithoutAProxydFailsAfterItsPatience(t *testing.T) {
	f := func(name string, prepare func(s scene), args ...string) {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			prepare(s)
			begin := time.Now()
			s.want(commandtest.Result{Code: 1, Stderr: "msghandler: proxyd is not running: nobody listens on " + place.ControlSocket(s.runDir) + "\n"}, args...)
			if took := time.Since(begin); took < patience || took > 20*time.Second {
				t.Errorf("took %v, want a little more than %v", took, patience)
			}
		})
	}
	f("ping", func(scene) {}, "ping")
	f("log-level, stale socket", func(s scene) { controltest.Leave(s.t, s.runDir) }, "log-level", "info")
	f("no run directory", func(s scene) { os.Remove(s.runDir) }, "ping")
}

// A sender gives up after a second.
func TestMessage_PatienceIsShorterThanTheSenders(t *testing.T) {
	if patience > 600*time.Millisecond {
		t.Errorf("patience is %v", patience)
	}
}

func TestMessage_WaitsForAProxydThatIsStarting(t *testing.T) {
	s := newScene(t)
	file, err := pidfile.Claim(place.Pidfile(s.runDir))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Release()
	wait := s.start("ping")
	p := s.serve()
	if got := wait(); got != (commandtest.Result{}) {
		t.Errorf("got %+v", got)
	}
	s.wantAsked(p, "ping")
}

func TestMessage_AProxydThatHangsIsSaidWithinTheTimeout(t *testing.T) {
	s := newScene(t)
	controltest.Listen(t, s.runDir)
	messages := [][]string{{"ping"}, {"log-level", "info"}, {"updateenvironment"}}
	var waits []func() commandtest.Result // so that the timeout passes once for all
	for _, args := range messages {
		waits = append(waits, s.start(append([]string{"--timeout", "3s"}, args...)...))
	}
	for i, args := range messages {
		got := waits[i]()
		if got.Code != 1 || got.Stdout != "" || strings.Count(got.Stderr, "\n") != 1 ||
			!strings.HasPrefix(got.Stderr, "msghandler: proxyd does not answer for ") || !strings.Contains(got.Stderr, "hangs or is stopped") {
			t.Errorf("%q: got %+v", args, got)
		}
	}
}

func TestUpdateEnvironment_DoesWhatDeployDoes(t *testing.T) {
	s := newScene(t)
	s.want(commandtest.Result{}, "updateenvironment") // no proxyd: the directory is valid, and the next proxyd reads it itself
	p := s.serve()
	if err := os.WriteFile(place.ConfigFile(s.configDir), []byte("nonsense = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(s.configDir)
	if err == nil {
		t.Fatal("this is valid")
	}
	s.want(commandtest.Result{Code: 1, Stderr: err.Error() + "\n"}, "updateenvironment")
	s.wantAsked(p)
}

func TestMessages_HelpListsThemAll(t *testing.T) {
	got := newScene(t).start("--help")()
	if got.Code != 0 || got.Stderr != "" {
		t.Fatalf("got %+v", got)
	}
	for _, m := range messages() {
		if !strings.Contains(got.Stdout, strings.TrimSpace(m.name+" "+m.arguments)) || !strings.Contains(got.Stdout, m.sentence) {
			t.Errorf("--help lacks %s", m.name)
		}
	}
	commandtest.Golden(t, "help.txt", got.Stdout)
}

func TestMessages_NamesAreInLowerCaseAndInOrder(t *testing.T) {
	var names []string
	for _, m := range messages() {
		names = append(names, m.name)
		if m.name != strings.ToLower(m.name) {
			t.Errorf("%s would never be found", m.name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not in order, or not all different: %q", names)
	}
}
