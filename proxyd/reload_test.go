package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/place"
)

const tooLarge = "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"

func TestReload_PutsTheNewGenerationInForceForTheNextRequest(t *testing.T) {
	s := newScene(t)
	p := s.run()
	first := s.status().Generation
	if status, _ := s.ask(s.dial(), tooLarge); status != 200 {
		t.Fatalf("answered %d", status)
	}
	kept := s.dial() // a connection outlives the change
	io.WriteString(kept, "GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := io.ReadFull(kept, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	s.configure("[client]\nmax_body_size = 3\n")
	g, problems := s.reload()
	if problems != nil || g.Number != 2 || g.Hash == first.Hash || g.Applied.Before(first.Applied) {
		t.Errorf("%+v, %v", g, problems)
	}
	if status, _ := s.ask(s.dial(), tooLarge); status != 413 {
		t.Errorf("answered %d; want 413", status)
	}
	if _, all := s.ask(kept, tooLarge); !strings.Contains(all, "body_too_large") {
		t.Errorf("the kept connection's next request was answered %q", all)
	}
	var effective control.Config
	s.control(http.MethodGet, control.ConfigPath, "", &effective)
	found := false
	for _, v := range effective.Values {
		if v.Key == "client.max_body_size" {
			found = v.Source == "proxy.toml:2:17"
		}
	}
	if !found || effective.Generation.Number != 2 {
		t.Errorf("%+v", effective)
	}
	if !strings.Contains(p.stderr.String(), "configuration applied") {
		t.Error("the log does not say so")
	}
}

func TestReload_OfABrokenConfigurationKeepsThePreviousOne(t *testing.T) {
	s := newScene(t)
	s.configure("[client]\nmax_body_size = 3\n")
	p := s.run()
	before := s.status().Generation
	for _, broken := range []string{"[client]\nmax_body_size = \"lots\"\nmach = 1\n", "[client\n", "\xff"} {
		s.configure(broken)
		if _, problems := s.reload(); len(problems) == 0 || !strings.HasPrefix(problems[0], "proxy.toml") {
			t.Errorf("%q: %q", broken, problems)
		}
		if after := s.status().Generation; after != before {
			t.Errorf("%q: the generation is %+v; want %+v", broken, after, before)
		}
		if status, _ := s.ask(s.dial(), tooLarge); status != 413 {
			t.Errorf("%q: answered %d; want 413", broken, status)
		}
	}
	if n := strings.Count(p.stderr.String(), "the previous configuration stays in force"); n != 3 {
		t.Errorf("said %d times; want 3:\n%s", n, p.stderr)
	}
	s.configure("")
	if g, problems := s.reload(); problems != nil || g.Number != 2 {
		t.Errorf("%+v, %v; the failures do not count", g, problems)
	}
}

func TestReload_MovesTheLogs(t *testing.T) {
	s := newScene(t)
	p := s.run()
	s.get("/one")
	s.configure("[log]\nto = \"stdout\"\n")
	s.reload()
	if holds(t, place.AccessLog(s.options.logDir)) || holds(t, place.ErrorLog(s.options.logDir)) {
		t.Error("a log file is still open")
	}
	s.get("/two")
	s.configure("[log]\nto = \"both\"\n")
	s.reload()
	s.get("/three")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if file := strings.Join(s.accessLog(), "\n"); !strings.Contains(file, "/one") || strings.Contains(file, "/two") || !strings.Contains(file, "/three") {
		t.Errorf("the file holds:\n%s", file)
	}
	if out := p.stdout.String(); strings.Contains(out, "/one") || !strings.Contains(out, "/two") || !strings.Contains(out, "/three") {
		t.Errorf("stdout holds:\n%s", out)
	}
}

// One log can be changed, the other cannot: then none is.
func TestReload_ThatFailsHalfWayRollsTheLogsBack(t *testing.T) {
	s := newScene(t)
	s.configure("[log]\nto = \"stdout\"\nlevel = \"warn\"\n")
	p := s.run()
	if code := s.control(http.MethodPut, control.LogLevelPath, `{"level":"debug"}`, nil); code != http.StatusNoContent {
		t.Fatalf("%d", code)
	}
	if err := os.Mkdir(place.AccessLog(s.options.logDir), 0o755); err != nil {
		t.Fatal(err)
	}
	s.configure("[log]\nto = \"files\"\nlevel = \"error\"\n")
	_, problems := s.reload()
	if len(problems) != 1 || !strings.Contains(problems[0], "access.log: is a directory") {
		t.Errorf("%q", problems)
	}
	if holds(t, place.ErrorLog(s.options.logDir)) {
		t.Error("error.log is open")
	}
	status := s.status()
	if status.Log.To != "stdout" || status.Log.Level != "debug" || status.Generation.Number != 1 {
		t.Errorf("%+v, generation %d; want stdout, the level that was set, 1", status.Log, status.Generation.Number)
	}
	s.get("/after")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.stdout.String(), "/after") {
		t.Errorf("stdout holds:\n%s", p.stdout)
	}
}

func TestReload_SeveralAtOnceComeOneAfterTheOther(t *testing.T) {
	s := newScene(t)
	s.run()
	const n = 10
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			g, _ := s.reload()
			mu.Lock()
			defer mu.Unlock()
			seen[g.Number] = true
		})
	}
	all.Wait()
	if len(seen) != n || s.status().Generation.Number != n+1 {
		t.Errorf("%d generations of %d, the last is %d", len(seen), n, s.status().Generation.Number)
	}
}

func TestReload_OfACallerWhoHasGivenUpChangesNothing(t *testing.T) {
	p := &proxy{}
	p.generations.inForce.Store(&generation{number: 7, loaded: &config.Loaded{}, applied: time.Now()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.reload(ctx); err == nil || p.generations.current().number != 7 {
		t.Errorf("%v, generation %d", err, p.generations.current().number)
	}
}
