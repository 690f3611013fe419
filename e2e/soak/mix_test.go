package soak

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"section.internal/contract/addrtest"
	"section.internal/contract/place"
	"section.internal/e2e/load"
	"section.internal/e2e/proxydtest"
	"section.internal/e2e/scenario"
)

const (
	atOnce    = 32 // scenarios
	keptAlive = 2  // connections with ordinary traffic, of each kind of proxyd
	// mostFailures end a run: when one scenario goes wrong, many do.
	mostFailures = 10
)

// party is a proxyd with the scenarios that want it as it is.
type party struct {
	bench  *proxydtest.Bench
	proxyd *proxydtest.Proxyd
	config string        // its text
	logged atomic.Uint64 // lines that its access log must hold
}

// guest is one scenario.
type guest struct {
	name     string
	scenario *scenario.Scenario
	party    *party
}

// mix is all that runs at once.
type mix struct {
	origin  *scenario.Shared
	parties []*party
	busy    []*party // those without a config of their own, which get the ordinary traffic
	guests  []guest
}

func newMix(t *testing.T) *mix {
	t.Helper()
	paths, err := filepath.Glob("../scenario/testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, bench := range []*proxydtest.Bench{&race, &plain} {
		for _, tool := range []string{"proxyd", "deploy", "logrotator"} {
			bench.Binary(t, tool) // so that no scenario runs beside the build
		}
	}
	m := &mix{origin: scenario.NewShared(t)}
	wants := map[string]*party{}
	join := func(bench *proxydtest.Bench, s *scenario.Scenario) *party {
		key := fmt.Sprint(bench == &race, s.Files, s.Flags, s.OriginAbsent)
		if wants[key] == nil {
			nextHop := m.origin.Addr()
			if s.OriginAbsent {
				nextHop = addrtest.Nobody(t)
			}
			wants[key] = &party{bench: bench, config: s.Files[place.ConfigFileName], proxyd: bench.Start(t, proxydtest.Options{
				NextHop: nextHop, Files: s.Files, Flags: s.Flags,
			})}
			m.parties = append(m.parties, wants[key])
		}
		return wants[key]
	}
	for _, bench := range []*proxydtest.Bench{&race, &plain} {
		m.busy = append(m.busy, join(bench, &scenario.Scenario{}))
	}
	left := 0
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		if alone[name] != "" {
			left++
			continue
		}
		s := scenario.ParseFile(t, path)
		m.guests = append(m.guests, guest{name, s, join(&race, s)}, guest{name, s, join(&plain, s)})
	}
	if left != len(alone) {
		t.Errorf("%d of the %d scenarios in the list of those that cannot share a proxyd exist: correct the list", left, len(alone))
	}
	return m
}

// run has all scenarios run once, and then again and again until the time is over, and everything else meanwhile.
func (m *mix) run(t *testing.T, length time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	var ordinary atomic.Int64
	for _, p := range m.busy {
		others.Go(func() {
			client := &load.Client{Addr: p.proxyd.Addr, Connections: keptAlive}
			if err := client.Run(ctx); err != nil {
				t.Errorf("ordinary traffic through %s: %v", p, err)
			}
			p.logged.Add(uint64(client.Answered.Load()))
			ordinary.Add(client.Answered.Load())
		})
	}
	others.Go(func() { m.operate(ctx, t) })
	begin := time.Now()
	var next, failed atomic.Int64
	var scenarios sync.WaitGroup
	for range atOnce {
		scenarios.Go(func() {
			for failed.Load() < mostFailures {
				n := next.Add(1) - 1
				if n >= int64(len(m.guests)) && time.Since(begin) > length {
					return
				}
				g := m.guests[n%int64(len(m.guests))]
				lines, err := m.origin.Run(g.name, g.scenario, g.party.proxyd)
				if err != nil {
					failed.Add(1)
					t.Error(err)
				}
				g.party.logged.Add(uint64(lines))
			}
		})
	}
	scenarios.Wait()
	cancel()
	others.Wait()
	t.Logf("%s: %d scenarios and %d ordinary requests over %d proxyds", time.Since(begin).Round(time.Millisecond), next.Load()-atOnce, ordinary.Load(), len(m.parties))
}

// operate does what the platform does meanwhile: it applies configurations and rotates logs, of one proxyd after the other.
func (m *mix) operate(ctx context.Context, t *testing.T) {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for n := 0; ; n++ {
		p := m.parties[n%len(m.parties)]
		// The text differs from the one in force, and says the same.
		p.proxyd.WriteConfig(t, fmt.Sprintf("%s# %d\n", p.config, n))
		for _, do := range []struct {
			tool  string
			flags []string
		}{
			{"deploy", p.proxyd.Flags(place.ConfigDir, place.RunDir)},
			{"logrotator", append(p.proxyd.Flags(place.LogDir, place.RunDir), "--keep", "100000")},
		} {
			if r := p.bench.Run(t, do.tool, do.flags...); r.Code != 0 || r.Stderr != "" {
				t.Errorf("%s: exit code %d, stderr %q: want 0 and silence", do.tool, r.Code, r.Stderr)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// mustHaveLoggedAll checks of a proxyd that has ended that its access logs hold as many lines as there were requests, and that
// seq counts them.
func (p *party) mustHaveLoggedAll(t *testing.T) {
	t.Helper()
	want, lines := int(p.logged.Load()), 0
	seqs := map[string]bool{}
	p.proxyd.EachLogged(t, func(l proxydtest.Line) {
		lines++
		seqs[l["seq"]] = true
	})
	if lines != want || len(seqs) != want {
		t.Errorf("%s has logged %d lines, %d of them with a seq of their own: want %d each", p, lines, len(seqs), want)
	}
}

// String names the proxyd by its configuration.
func (p *party) String() string {
	kind := "the plain"
	if p.bench == &race {
		kind = "the race detecting"
	}
	return fmt.Sprintf("%s proxyd with the config %.100q", kind, p.config)
}
