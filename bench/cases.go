package main

import "section.internal/bench/internal/origin"

// unit is how a figure is shown.
type unit struct {
	name   string
	size   float64 // in seconds or bytes; of a ratio 1
	digits int
}

var (
	microseconds = unit{"µs", 1e-6, 1}
	milliseconds = unit{"ms", 1e-3, 2}
	kibibytes    = unit{"KiB", 1 << 10, 1}
	megabytes    = unit{"MiB", 1 << 20, 1}
	times        = unit{"×", 1, 2}
)

// benchCase is one thing that is measured, of each server.
type benchCase struct {
	name, title string
	unit        unit
	bodies      bool    // larger than what goes with a head
	alone       bool    // measured of proxyd alone
	ratio       float64 // the goal: at most so many times the best peer's figure; 0: the goal is most
	most        float64 // the goal: at most so much
	crowd       bool    // it takes many idle or slow connections
	measure     comparison
}

// cases returns what is measured, with its goals, in the order of the table.
func cases() []*benchCase {
	trickleCPU, trickleMemory := twice(trickle)
	slowCPU, slowP99 := twice(slow)
	return []*benchCase{
		{
			name: "pass-1k-64", title: "CPU time, 1 KiB passed on, 64 connections", unit: microseconds, ratio: 0.95,
			measure: cpuPerRequest(passOn, "/1k", 64),
		},
		{
			name: "pass-1k-8", title: "CPU time, 1 KiB passed on, 8 connections", unit: microseconds, ratio: 1.05,
			measure: cpuPerRequest(passOn, "/1k", 8),
		},
		{
			name: "pass-100k-32", title: "CPU time, 100 KiB passed on, 32 connections", unit: microseconds, bodies: true, ratio: 0.65,
			measure: cpuPerRequest(passOn, "/100k", 32),
		},
		{
			name: "pass-10m-8", title: "CPU time, 10 MiB passed on, 8 connections", unit: milliseconds, bodies: true, ratio: 0.45,
			measure: cpuPerRequest(passOn, "/10m", 8),
		},
		{
			name: "respond-1k", title: "CPU time, 1 KiB answered by a rule, or from a peer's cache, 64 connections", unit: microseconds, ratio: 0.65,
			measure: cpuPerRequest(answer, origin.Storable, 64),
		},
		{
			name: "rules-10", title: "CPU time, 1 KiB passed on with ten rules that change headers, by that without, 64 connections", unit: times,
			alone: true, most: 1.1, measure: oneByOne(besideItself(rewrite, "/1k", 64)),
		},
		{
			name: "idle", title: "memory of an idle connection", unit: kibibytes, most: 4 << 10, crowd: true,
			measure: oneByOne(idleConnection),
		},
		{
			name: "latency", title: "p99 latency at half of the best peer's saturation", unit: milliseconds, ratio: 1,
			measure: latency,
		},
		{
			name: "rest", title: "resident memory at rest", unit: megabytes, most: 14 << 20,
			measure: oneByOne(atRest),
		},
		{
			name: "many-fields", title: "a request refused for its 5,000 field lines, CPU time in ordinary requests", unit: times, ratio: 1,
			measure: oneByOne(refused),
		},
		{
			name: "trickle", title: "CPU time a second of a client that sends a byte a second", unit: microseconds, ratio: 1, crowd: true,
			measure: oneByOne(trickleCPU),
		},
		{
			name: "trickle-memory", title: "memory of a client that sends a byte a second", unit: kibibytes, ratio: 1, crowd: true,
			measure: oneByOne(trickleMemory),
		},
		{
			name: "slow-10k", title: "CPU time of a request beside 10,000 slow connections and without them", unit: times, most: 1.1, crowd: true,
			measure: oneByOne(slowCPU),
		},
		{
			name: "slow-10k-latency", title: "p99 latency beside 10,000 slow connections and without them", unit: times, most: 1.5, crowd: true,
			measure: oneByOne(slowP99),
		},
	}
}

func caseNames() (names []string) {
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}

// of says whether the case is measured of a server.
func (c *benchCase) of(s *server) bool {
	return (c.bodies || !s.tuned) && (!c.alone || s.ours)
}
