package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"section.internal/bench/internal/proc"
)

// report collects the figures of a run and shows them.
type report struct {
	lab     *lab
	cases   []*benchCase
	servers []*server // all that were asked for; proxyd, where it is one of them, is the first
	present []*server // those of them that are here
	missing []error   // what is to be done about the others
	results map[cell]*result
	rounds  []surroundings
	date    time.Time
	took    time.Duration
}

// cell is a place in the table.
type cell struct {
	c *benchCase
	s *server
}

// result is what the rounds gave for one cell. One error spoils it: the median of the rounds that went well would be the
// figure of another server than the one that failed.
type result struct {
	values []float64
	err    error
}

func (r *report) add(c *benchCase, s *server, f figure, err error) {
	if r.results == nil {
		r.results = map[cell]*result{}
	}
	at := r.results[cell{c, s}]
	if at == nil {
		at = &result{}
		r.results[cell{c, s}] = at
	}
	if err != nil {
		if at.err == nil {
			at.err = err
		}
		return
	}
	at.values = append(at.values, f.value)
}

// good returns the figures of a cell, nil where there are none to rely on.
func (r *report) good(c *benchCase, s *server) []float64 {
	at := r.results[cell{c, s}]
	if at == nil || at.err != nil {
		return nil
	}
	return at.values
}

// refused returns which figures were refused, and why.
func (r *report) refused() (all []string) {
	for _, c := range r.cases {
		for _, s := range r.servers {
			if at := r.results[cell{c, s}]; at != nil && at.err != nil {
				all = append(all, fmt.Sprintf("%s of %s: %v", c.name, s.title, at.err))
			}
		}
	}
	return all
}

// markdown returns the table, and what one has to know to believe it.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("| case | goal |")
	for _, s := range r.servers {
		fmt.Fprintf(&b, " %s |", s.title)
	}
	b.WriteString(" proxyd / best peer | goal met | proxyd / best, tuned ones too |")
	before := r.before()
	if before != nil {
		b.WriteString(" proxyd / before |")
	}
	b.WriteString("\n" + strings.Repeat("|---", strings.Count(b.String(), "|")-1) + "|\n")
	for _, c := range r.cases {
		fmt.Fprintf(&b, "| %s | %s |", c.title, c.goal())
		for _, s := range r.servers {
			fmt.Fprintf(&b, " %s |", r.shown(c, s))
		}
		fmt.Fprintf(&b, " %s | %s | %s |", r.ratio(c, false), r.verdict(c), r.ratio(c, true))
		if before != nil {
			fmt.Fprintf(&b, " %s |", r.comparedWith(c, before))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nRounds: %d; the medians, smallest and largest behind them; %v under load after %v to warm up, memory after a rest of %v",
		len(r.rounds), r.lab.duration, r.lab.warmup, r.lab.rest)
	if slices.ContainsFunc(r.cases, func(c *benchCase) bool { return c.crowd }) {
		fmt.Fprintf(&b, ", %d idle or slow connections", r.lab.idle)
	}
	if r.lab.rate > 0 {
		fmt.Fprintf(&b, "; latency at %.0f requests a second", r.lab.rate)
	}
	if r.lab.generator == "wrk" {
		b.WriteString("; CPU time under load from wrk")
	}
	network := "in a network of its own"
	if r.lab.network == machineNetworkName {
		network = "in the machine's network, with its packet filters"
	}
	fmt.Fprintf(&b, ".\nMeasured on %s in %v, %s: %s, %d cores, Linux %s.\n\n", r.date.Format(time.DateOnly), r.took.Round(time.Second), network,
		proc.CPUModel(), runtime.NumCPU(), proc.Kernel())
	for _, s := range r.servers {
		if s.tuned {
			continue // the same program as another's
		}
		version := "missing"
		if path := r.lab.programs[s]; path != "" {
			version = describe(path, s.version...)
		}
		fmt.Fprintf(&b, "- %s: %s\n", s.title, version)
	}
	if r.lab.generator == "wrk" {
		fmt.Fprintf(&b, "- load generator: %s\n", r.lab.describeWrk())
	}
	for _, why := range r.refused() {
		fmt.Fprintf(&b, "- refused: %s\n", strings.ReplaceAll(why, "\n", " "))
	}
	b.WriteString("\n| round | load average before | CPUs busy before | stolen before | stolen during |\n|---|---|---|---|---|\n")
	for i, s := range r.rounds {
		fmt.Fprintf(&b, "| %d%s | %s | %.1f %% | %.1f %% | %.1f %% |\n", i+1, s.warning(), s.load, 100*s.busy, 100*s.steal, 100*s.stolenInRound)
	}
	return b.String()
}

// goal returns what is aimed at.
func (c *benchCase) goal() string {
	if c.ratio > 0 {
		return fmt.Sprintf("≤ %.2f of the best peer", c.ratio)
	}
	return fmt.Sprintf("≤ %s %s", strconv.FormatFloat(c.most/c.unit.size, 'f', -1, 64), c.unit.name)
}

// show returns a figure with its unit.
func show(value float64, u unit) string {
	return fmt.Sprintf("%.*f %s", u.digits, value/u.size, u.name)
}

// shown returns the text of a cell.
func (r *report) shown(c *benchCase, s *server) string {
	at := r.results[cell{c, s}]
	switch {
	case !c.of(s):
		return "–"
	case r.lab.programs[s] == "":
		return "missing"
	case at == nil:
		return "not measured"
	case at.err != nil:
		return "refused"
	}
	return fmt.Sprintf("%s (%.*f..%.*f)", show(median(at.values), c.unit), c.unit.digits, slices.Min(at.values)/c.unit.size,
		c.unit.digits, slices.Max(at.values)/c.unit.size)
}

// best returns the peer with the least median, nil where there is none, and those whose figures are not to be had.
func (r *report) best(c *benchCase, tuned bool) (best *server, without []string) {
	for _, s := range r.servers {
		if s.ours || !c.of(s) || s.tuned && !tuned {
			continue
		}
		values := r.good(c, s)
		switch {
		case values == nil:
			without = append(without, s.title)
		case best == nil || median(values) < median(r.good(c, best)):
			best = s
		}
	}
	return best, without
}

// ratio compares proxyd with the best peer.
func (r *report) ratio(c *benchCase, tuned bool) string {
	best, _ := r.best(c, tuned)
	if best == nil || tuned && !c.bodies {
		return "–"
	}
	return r.comparedWith(c, best)
}

// comparedWith compares proxyd with another server: the median of the rounds, in each of which both were measured, and their spread.
func (r *report) comparedWith(c *benchCase, s *server) string {
	each := r.ratios(c, s)
	if each == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f of %s (%.2f..%.2f)", median(each), s.title, slices.Min(each), slices.Max(each))
}

// ratios returns proxyd's figures divided by another server's, nil where either has none.
func (r *report) ratios(c *benchCase, s *server) (each []float64) {
	own, its := r.own(c), r.good(c, s)
	if own == nil || its == nil {
		return nil
	}
	for i := range own {
		each = append(each, own[i]/its[i])
	}
	return each
}

// verdict says whether proxyd reaches the goal, which was set beside peers that are not tuned.
func (r *report) verdict(c *benchCase) string {
	own := r.own(c)
	if own == nil {
		return "–"
	}
	now, goal, note := median(own), c.most, ""
	if c.ratio > 0 {
		best, without := r.best(c, false)
		if best == nil {
			return "–"
		}
		now, goal = median(r.ratios(c, best)), c.ratio
		if len(without) > 0 {
			note = ", not counting " + strings.Join(without, " and ")
		}
	}
	if now > goal {
		return fmt.Sprintf("no, by %.0f %%", 100*(now/goal-1)) + note
	}
	return "yes" + note
}

// before returns proxyd as it was before, nil where it is not measured.
func (r *report) before() *server {
	i := slices.IndexFunc(r.servers, (*server).before)
	if i < 0 {
		return nil
	}
	return r.servers[i]
}

// own returns proxyd's figures, nil where there are none to rely on.
func (r *report) own(c *benchCase) []float64 {
	for _, s := range r.servers {
		if s.name == "proxyd" {
			return r.good(c, s)
		}
	}
	return nil
}
