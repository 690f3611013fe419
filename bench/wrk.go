package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"section.internal/bench/internal/load"
)

// wrk is the load generator of that name, as a cross-check of our own in a closed loop. It sends for a time and then drops
// what is in flight, so a few requests of a measurement are paid for but not counted; and it copies bodies, which takes time
// from the origin on the same core.
type wrk struct {
	lab  *lab
	plan load.Plan
	far  *far // the origin
	at   netip.AddrPort
}

func (w *wrk) begin(ctx context.Context) (addr netip.AddrPort, err error) {
	if w.far, err = w.lab.startFar("origin"); err != nil {
		return addr, err
	}
	return w.far.address(ctx)
}

func (w *wrk) warm(ctx context.Context, server netip.AddrPort) error {
	w.at = server
	if w.plan.Warmup < time.Second { // the least that wrk can do
		return nil
	}
	_, err := w.run(ctx, w.plan.Warmup)
	return err
}

func (w *wrk) measure(ctx context.Context) (load.Result, error) {
	return w.run(ctx, max(w.plan.Duration, time.Second))
}

func (w *wrk) end() error { return w.far.running() }

func (w *wrk) kill() {
	if w.far != nil {
		w.far.kill()
	}
}

func (w *wrk) run(ctx context.Context, duration time.Duration) (r load.Result, err error) {
	path, err := find("wrk", "wrk")
	if err != nil {
		return r, err
	}
	argv := []string{
		path, "--threads", "1", "--connections", strconv.Itoa(w.plan.Connections),
		"--duration", fmt.Sprintf("%.0fs", duration.Round(time.Second).Seconds()), "--timeout", "10s",
	}
	for _, h := range append([]string{"Host: www.example.com"}, load.Headers...) {
		argv = append(argv, "--header", h)
	}
	var out bytes.Buffer
	p, err := start(w.lab.dir, w.lab.loadCore, "wrk", append(argv, "http://"+w.at.String()+w.plan.Target.Path), nil, &out)
	if err != nil {
		return r, err
	}
	defer context.AfterFunc(ctx, p.kill)()
	if err := p.wait(duration + 30*time.Second); err != nil {
		return r, err
	}
	return parseWrk(out.Bytes(), w.plan.Target.Length)
}

var (
	wrkTotals = regexp.MustCompile(`(?m)^\s*(\d+) requests in ([\d.]+)(us|ms|s|m), ([\d.]+)(B|KB|MB|GB|TB) read$`)
	wrkErrors = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx or 3xx responses):.*$`)
)

// parseWrk reads what wrk prints, in which an error or too few bytes for so many bodies are errors.
func parseWrk(out []byte, length int) (r load.Result, err error) {
	if problem := wrkErrors.Find(out); problem != nil {
		return r, fmt.Errorf("wrk: %s", bytes.TrimSpace(problem))
	}
	m := wrkTotals.FindSubmatch(out)
	if m == nil {
		return r, fmt.Errorf("wrk prints no totals: %.300q", out)
	}
	if r.Requests, err = strconv.Atoi(string(m[1])); err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	if r.Elapsed, err = time.ParseDuration(string(m[2]) + string(m[3])); err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	read, err := strconv.ParseFloat(string(m[4]), 64)
	if err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	unit := map[string]float64{"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[string(m[5])]
	if want := float64(r.Requests) * float64(length); (read+0.005)*unit < want { // it rounds to two digits
		return r, fmt.Errorf("wrk read %s%s for %d bodies of %d bytes: too little", m[4], m[5], r.Requests, length)
	}
	return r, nil
}

// describeWrk returns wrk's version. It prints that, and how to use it, as if it had been misused.
func (l *lab) describeWrk() string {
	path, err := find("wrk", "wrk")
	if err != nil {
		return err.Error()
	}
	return describe(path, "-v")
}
