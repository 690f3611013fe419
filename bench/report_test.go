package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reportOf returns a report of two cases and three servers, of which HAProxy is missing.
func reportOf(t *testing.T) (r *report, proxyd, nginx, tuned *server) {
	t.Helper()
	proxyd, nginx = &server{name: "proxyd", title: "proxyd", ours: true}, &server{name: "nginx", title: "nginx"}
	tuned = &server{name: "nginx-buffers", title: "nginx, large buffers", tuned: true}
	haproxy := &server{name: "haproxy", title: "HAProxy"}
	l := &lab{programs: map[*server]string{proxyd: "/bin/true", nginx: "/bin/true", tuned: "/bin/true"}}
	r = &report{lab: l, servers: []*server{proxyd, nginx, tuned, haproxy}, cases: []*benchCase{
		{name: "small", title: "small ones", unit: microseconds, ratio: 0.95},
		{name: "large", title: "large ones", unit: microseconds, ratio: 0.5, bodies: true},
		{name: "rest", title: "at rest", unit: megabytes, most: 14 << 20},
	}}
	return r, proxyd, nginx, tuned
}

func (r *report) addAll(c *benchCase, s *server, values ...float64) {
	for _, v := range values {
		r.add(c, s, figure{value: v}, nil)
	}
}

// row returns the cells of the table's row of a case.
func row(t *testing.T, text, title string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| "+title+" |") {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			return cells[1:]
		}
	}
	t.Fatalf("no row %q in\n%s", title, text)
	return nil
}

func TestReport_TableComparesRoundByRoundWithTheBestPeerAndTheGoal(t *testing.T) {
	r, proxyd, nginx, tuned := reportOf(t)
	small, large, rest := r.cases[0], r.cases[1], r.cases[2]
	r.addAll(small, proxyd, 10.5e-6, 12e-6, 9e-6)
	r.addAll(small, nginx, 10e-6, 10e-6, 15e-6)
	r.addAll(large, proxyd, 50e-6)
	r.addAll(large, nginx, 100e-6)
	r.addAll(large, tuned, 40e-6)
	r.addAll(rest, proxyd, 15.4*(1<<20))
	r.addAll(rest, nginx, 1<<20)
	text := r.markdown()
	for title, want := range map[string][]string{
		"small ones": {"≤ 0.95 of the best peer", "10.5 µs (9.0..12.0)", "10.0 µs (10.0..15.0)", "–", "missing",
			"1.05 of nginx (0.60..1.20)", "no, by 11 %, not counting HAProxy", "–"},
		"large ones": {"≤ 0.50 of the best peer", "50.0 µs (50.0..50.0)", "100.0 µs (100.0..100.0)", "40.0 µs (40.0..40.0)", "missing",
			"0.50 of nginx (0.50..0.50)", "yes, not counting HAProxy", "1.25 of nginx, large buffers (1.25..1.25)"},
		"at rest": {"≤ 14 MiB", "15.4 MiB (15.4..15.4)", "1.0 MiB (1.0..1.0)", "–", "missing", "15.40 of nginx (15.40..15.40)",
			"no, by 10 %", "–"},
	} {
		if got := row(t, text, title); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", title, got, want)
		}
	}
	if !strings.Contains(text, "- HAProxy: missing\n") {
		t.Errorf("the list of versions does not say that HAProxy is missing:\n%s", text)
	}
}

func TestReport_ProxydAsItWasBeforeIsNoPeer(t *testing.T) {
	r, proxyd, nginx, _ := reportOf(t)
	before := &server{name: "proxyd-before", title: "proxyd before", ours: true}
	r.servers, r.lab.programs[before] = append(r.servers, before), "/bin/true"
	small := r.cases[0]
	r.addAll(small, proxyd, 1e-6)
	r.addAll(small, before, 2e-6)
	r.addAll(small, nginx, 4e-6)
	got := row(t, r.markdown(), "small ones")
	if want := []string{"0.25 of nginx (0.25..0.25)", "yes, not counting HAProxy", "–", "0.50 of proxyd before (0.50..0.50)"}; !slices.Equal(got[6:], want) {
		t.Errorf("%q, want %q at its end", got, want)
	}
}

// The median of the rounds that went well would be the figure of another server than the one that failed.
func TestReport_OneErrorRefusesTheFigure(t *testing.T) {
	r, proxyd, nginx, _ := reportOf(t)
	small := r.cases[0]
	r.addAll(small, proxyd, 1e-6, 1e-6)
	r.addAll(small, nginx, 1e-6)
	r.add(small, nginx, figure{}, errors.New("a body was cut"))
	text := r.markdown()
	if got := row(t, text, "small ones"); got[2] != "refused" || got[5] != "–" || got[6] != "–" {
		t.Errorf("a figure with an error is used: %q", got)
	}
	if !strings.Contains(text, "small of nginx: a body was cut") || len(r.refused()) != 1 {
		t.Errorf("the reason is missing: %q\n%s", r.refused(), text)
	}
}

func TestDocument_OnlyWhatIsBetweenTheMarkersChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	f := func(before, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := writeDocument(path, "bench", "table\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	want := "a\n<!-- bench -->\n\ntable\n\n<!-- end of bench -->\nb\n"
	f("a\n<!-- bench -->\n<!-- end of bench -->\nb\n", want)
	f("a\n<!-- bench -->\nold\n<!-- end of bench -->\nb\n", want)
	f(want, want)
	other := "<!-- other -->\nkept\n<!-- end of other -->\n"
	f(other+want, other+want)
}

func TestDocument_WithoutMarkersIsRefusedBeforeTheRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	for _, text := range []string{"", "<!-- bench -->\n", "<!-- end of bench -->\n<!-- bench -->\n",
		"<!-- bench -->\n<!-- end of bench -->\n<!-- bench -->\n<!-- end of bench -->\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := checkDocument(path, "bench"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want an error that names the file", text, err)
		}
	}
	if err := checkDocument(path+"-missing", "bench"); err == nil {
		t.Error("a document that does not exist is taken")
	}
}

func TestReport_PeersMayBeMissingProxydMayNot(t *testing.T) {
	peer := &server{name: "peer", title: "Peer", program: "no-such-program", pkg: "no-such-package"}
	proxyd := &server{name: "proxyd", title: "proxyd", ours: true, program: "./no/proxyd"}
	l := &lab{all: []*server{proxyd, peer}, programs: map[*server]string{proxyd: "/bin/true"}}
	r, err := newReport(l)
	if err != nil || len(r.missing) != 1 || !strings.Contains(r.missing[0].Error(), "run 'make bench-setup', or install the package no-such-package") {
		t.Errorf("%+v, %v", r, err)
	}
	if len(r.servers) != 2 || len(r.present) != 1 {
		t.Errorf("%d servers, %d present", len(r.servers), len(r.present))
	}
	l.programs = map[*server]string{peer: "/bin/true"}
	if _, err := newReport(l); err == nil || !strings.Contains(err.Error(), "run 'make build'") {
		t.Errorf("without proxyd: %v", err)
	}
}
