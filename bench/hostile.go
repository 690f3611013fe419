package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"section.internal/bench/internal/load"
	"section.internal/bench/internal/origin"
	"section.internal/bench/internal/proc"
)

const (
	tooManyFields = 5000 // more than any of the servers takes
	trickleEvery  = time.Second
	slowEvery     = 5 * time.Second
	// slowRate is how many ordinary requests a second run beside slow connections: so many that a fifth of the core or less is
	// busy, and latencies are not those of a queue.
	slowRate = 5000
)

// refused measures the CPU time of a request with too many fields, each over a connection of its own, as a multiple of that of
// an ordinary request.
func refused(ctx context.Context, l *lab, s *server) (figure, error) {
	g := &generator{lab: l, plan: load.Plan{
		Target: load.Target{Path: "/1k", Length: len(origin.Body("/1k"))}, Connections: 64, Warmup: l.warmup, Duration: l.duration,
		Fields: tooManyFields,
	}}
	i, err := l.ready(ctx, g, s)
	if err != nil {
		return figure{}, err
	}
	defer g.kill()
	defer i.kill()
	ordinary, err := l.observe(ctx, g, i)
	if err != nil {
		return figure{}, err
	}
	before, err := l.look(ctx, i)
	if err != nil {
		return figure{}, err
	}
	var r load.Refused
	if err := g.ask(ctx, load.Refuse, &r); err != nil {
		return figure{}, err
	}
	after, err := l.look(ctx, i)
	if err != nil {
		return figure{}, err
	}
	cpu, err := after.cpuSince(before, i)
	if err != nil {
		return figure{}, err
	}
	if passed := after.answered - before.answered; r.Requests == 0 || passed != 0 {
		return figure{}, fmt.Errorf("%s refused %d requests with %d fields, and passed %d on: want none passed on", s.title, r.Requests, tooManyFields, passed)
	}
	each := cpu.Seconds() / float64(r.Requests)
	return figure{
		value: each / ordinary.perRequest(),
		note: fmt.Sprintf("%s beside %s; %d refused, %d of them with a status", show(each, microseconds), show(ordinary.perRequest(), microseconds),
			r.Requests, r.Told),
	}, l.leave(ctx, g, i)
}

// trickle measures what clients take that send a byte a second, each connection for itself: CPU time a second, and memory.
func trickle(ctx context.Context, l *lab, s *server) (cpu, memory figure, err error) {
	g := &generator{lab: l, plan: load.Plan{
		Target: load.Target{Path: "/1k", Length: len(origin.Body("/1k"))}, Connections: 64, Warmup: l.warmup, Slow: l.idle,
		SlowEvery: trickleEvery,
	}}
	i, err := l.ready(ctx, g, s)
	if err != nil {
		return cpu, memory, err
	}
	defer g.kill()
	defer i.kill()
	bytesBefore, err := l.resident(ctx, i)
	if err != nil {
		return cpu, memory, err
	}
	if err := g.gather(ctx); err != nil {
		return cpu, memory, err
	}
	before, err := l.look(ctx, i)
	if err != nil {
		return cpu, memory, err
	}
	begin := time.Now()
	if err := pause(ctx, max(l.duration, time.Second)); err != nil {
		return cpu, memory, err
	}
	after, err := l.look(ctx, i)
	if err != nil {
		return cpu, memory, err
	}
	elapsed := time.Since(begin)
	used, err := after.cpuSince(before, i)
	if err != nil {
		return cpu, memory, err
	}
	tree, err := i.tree()
	if err != nil {
		return cpu, memory, err
	}
	bytesAfter, err := proc.Resident(tree)
	if err != nil {
		return cpu, memory, err
	}
	n := float64(l.idle)
	cpu = figure{used.Seconds() / elapsed.Seconds() / n, fmt.Sprintf("%d connections, server's core busy %.1f %%", l.idle, 100*used.Seconds()/elapsed.Seconds())}
	memory = figure{float64(bytesAfter-bytesBefore) / n, fmt.Sprintf("%.1f MiB before, %.1f MiB with them", mebibytes(bytesBefore), mebibytes(bytesAfter))}
	return cpu, memory, l.leave(ctx, g, i)
}

// slow measures ordinary load beside many connections whose requests never end, as a multiple of the same load without them:
// CPU time a request, theirs included, and the 99th percentile.
func slow(ctx context.Context, l *lab, s *server) (cpu, p99 figure, err error) {
	g := &generator{lab: l, plan: load.Plan{
		Target: load.Target{Path: "/1k", Length: len(origin.Body("/1k"))}, Connections: 64, Warmup: l.warmup, Duration: l.duration,
		Rate: slowRate, Slow: l.idle, SlowEvery: slowEvery,
	}}
	i, err := l.ready(ctx, g, s)
	if err != nil {
		return cpu, p99, err
	}
	defer g.kill()
	defer i.kill()
	without, err := l.observe(ctx, g, i)
	if err != nil {
		return cpu, p99, err
	}
	if err := g.gather(ctx); err != nil {
		return cpu, p99, err
	}
	with, err := l.observe(ctx, g, i)
	if err != nil {
		return cpu, p99, fmt.Errorf("beside %d slow connections: %w", l.idle, err)
	}
	cpu = figure{with.perRequest() / without.perRequest(), fmt.Sprintf("%s beside %s; %d slow connections were ended", show(with.perRequest(), microseconds),
		show(without.perRequest(), microseconds), with.Renewed)}
	p99 = figure{with.P99.Seconds() / without.P99.Seconds(), fmt.Sprintf("%v beside %v", with.P99.Round(time.Microsecond), without.P99.Round(time.Microsecond))}
	return cpu, p99, l.leave(ctx, g, i)
}

// twice makes two measurements of one that gives two figures: the first of a server measures, the other has its figure then.
func twice(both func(context.Context, *lab, *server) (figure, figure, error)) (first, second measurement) {
	type rest struct {
		figure figure
		err    error
	}
	left := map[*server]rest{}
	first = func(ctx context.Context, l *lab, s *server) (figure, error) {
		a, b, err := both(ctx, l, s)
		left[s] = rest{b, err}
		return a, err
	}
	second = func(ctx context.Context, l *lab, s *server) (figure, error) {
		if r, ok := left[s]; ok {
			delete(left, s)
			return r.figure, r.err
		}
		_, b, err := both(ctx, l, s)
		return b, err
	}
	return first, second
}

// ready starts a server and warms it up. Whoever gets an instance ends both.
func (l *lab) ready(ctx context.Context, g *generator, s *server) (*instance, error) {
	i, err := l.between(ctx, g, s, passOn)
	if err != nil {
		return nil, err
	}
	if err := g.warm(ctx, i.addr); err != nil {
		g.kill()
		i.kill()
		return nil, err
	}
	return i, nil
}

// leave ends both sides and the server, which must still answer as it should.
func (l *lab) leave(ctx context.Context, g *generator, i *instance) error {
	if err := errors.Join(probe(ctx, i.addr, "/1k"), g.end()); err != nil {
		return err
	}
	return i.stop()
}
