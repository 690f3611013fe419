package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"section.internal/bench/internal/proc"
)

// run is the story of a benchmark: find the servers, measure each case of each server in each round, tell. The order of the
// servers moves on from case to case and from round to round, so that a machine that slows down slows all of them.
func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if o.out != "" { // before the work, not after it
		if err := checkDocument(o.out, o.part); err != nil {
			return err
		}
	}
	if err := o.raiseDescriptors(); err != nil {
		return err
	}
	l, err := openLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	r, err := newReport(l)
	if err != nil {
		return err
	}
	for _, missing := range r.missing {
		fmt.Fprintf(stderr, "bench: left out: %v\n", missing)
	}
	begin := time.Now()
	for round := range o.rounds {
		quiet, err := lookAround(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(stderr, "round %d of %d: load average %s, CPUs busy %.0f %%, stolen %.1f %%%s\n", round+1, o.rounds, quiet.load,
			100*quiet.busy, 100*quiet.steal, quiet.warning())
		before, err := proc.ReadTicks(proc.AllCPUs)
		if err != nil {
			return err
		}
		if err := r.round(ctx, round, stderr); err != nil {
			return err
		}
		after, err := proc.ReadTicks(proc.AllCPUs)
		if err != nil {
			return err
		}
		_, quiet.stolenInRound = after.Shares(before)
		r.rounds = append(r.rounds, quiet)
	}
	r.date, r.took = begin, time.Since(begin)
	text := r.markdown()
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.out != "" {
		if err := writeDocument(o.out, o.part, text); err != nil {
			return err
		}
	}
	if refused := r.refused(); len(refused) > 0 {
		return fmt.Errorf("%d figures were refused: the list below the table says why", len(refused))
	}
	return nil
}

// round measures each case of each server once.
func (r *report) round(ctx context.Context, round int, stderr io.Writer) error {
	end, err := r.lab.keepAwake()
	if err != nil {
		return err
	}
	defer end()
	for n, c := range r.cases {
		of := slices.DeleteFunc(rotated(r.present, round+n), func(s *server) bool { return !c.of(s) })
		for _, o := range c.measure(ctx, r.lab, of) {
			if ctx.Err() != nil {
				return fmt.Errorf("stopped in round %d: nothing is written", round+1)
			}
			r.add(c, o.server, o.figure, o.err)
			if o.err != nil {
				fmt.Fprintf(stderr, "  %-12s %-14s refused: %v\n", c.name, o.server.name, o.err)
				continue
			}
			fmt.Fprintf(stderr, "  %-12s %-14s %10s  %s\n", c.name, o.server.name, show(o.figure.value, c.unit), o.figure.note)
		}
	}
	return nil
}

// surroundings is what else happens on the machine.
type surroundings struct {
	load          string // average of the last minute, of which the round before is a part
	busy, steal   float64
	stolenInRound float64
}

// How much of the CPUs' time may go elsewhere before a round begins, and during it, for its figures to be beyond doubt.
const (
	mostBusy   = 0.05
	mostStolen = 0.01
)

// lookAround watches for a second what the machine does while nothing is measured.
func lookAround(ctx context.Context) (s surroundings, err error) {
	before, err := proc.ReadTicks(proc.AllCPUs)
	if err != nil {
		return s, err
	}
	if err := pause(ctx, time.Second); err != nil {
		return s, err
	}
	after, err := proc.ReadTicks(proc.AllCPUs)
	if err != nil {
		return s, err
	}
	s.busy, s.steal = after.Shares(before)
	s.load, err = proc.LoadAverage()
	return s, err
}

func (s surroundings) warning() string {
	if s.busy > mostBusy || s.steal > mostStolen || s.stolenInRound > mostStolen {
		return " (not quiet)"
	}
	return ""
}

// newReport returns the report of a run before the first round: what is measured, and of whom.
func newReport(l *lab) (*report, error) {
	r := &report{lab: l}
	for _, c := range cases() {
		if len(l.cases) == 0 || slices.Contains(l.cases, c.name) {
			r.cases = append(r.cases, c)
		}
	}
	for _, s := range l.all {
		if len(l.servers) > 0 && !slices.Contains(l.servers, s.name) && !s.before() {
			continue
		}
		r.servers = append(r.servers, s)
		if l.programs[s] != "" {
			r.present = append(r.present, s)
			continue
		}
		_, err := find(s.program, s.pkg)
		if s.ours {
			return nil, err
		}
		r.missing = append(r.missing, err)
	}
	if len(r.present) == 0 {
		return nil, fmt.Errorf("none of the servers is here: run 'make bench-setup'")
	}
	return r, nil
}
