package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"section.internal/bench/internal/load"
	"section.internal/bench/internal/origin"
)

// figure is what one measurement of one server gives: seconds or bytes, and what is worth a word beside it.
type figure struct {
	value float64
	note  string
}

// measurement measures one server. It starts the server and ends it, and gives no figure where anything was wrong.
type measurement func(ctx context.Context, l *lab, s *server) (figure, error)

// cpuPerRequest measures the CPU time of the server's processes, user and system, divided by the requests.
func cpuPerRequest(task task, path string, connections int) measurement {
	return func(ctx context.Context, l *lab, s *server) (figure, error) {
		u, err := l.underLoad(ctx, s, task, load.Plan{
			Target: load.Target{Path: path}, Connections: connections, Warmup: l.warmup, Duration: l.duration,
		})
		if err != nil {
			return figure{}, err
		}
		return figure{u.perRequest(), u.String()}, nil
	}
}

// besideItself measures the CPU time of a request in a server with a task by how much it takes to pass it on. What comes first comes
// last as well, so that a machine that slows down slows both.
func besideItself(task task, path string, connections int) measurement {
	return func(ctx context.Context, l *lab, s *server) (figure, error) {
		var with, without float64
		for _, mine := range [...]bool{false, true, true, false} {
			now := passOn
			if mine {
				now = task
			}
			u, err := l.underLoad(ctx, s, now, load.Plan{
				Target: load.Target{Path: path}, Connections: connections, Warmup: l.warmup, Duration: l.duration,
			})
			if err != nil {
				return figure{}, err
			}
			if mine {
				with += u.perRequest() / 2
			} else {
				without += u.perRequest() / 2
			}
		}
		return figure{with / without, fmt.Sprintf("%s beside %s", show(with, microseconds), show(without, microseconds))}, nil
	}
}

// latency measures the 99th percentile at a constant rate, half of what the best peer can do.
func latency(ctx context.Context, l *lab, s *server) (figure, error) {
	if l.rate == 0 {
		best, err := l.saturation(ctx)
		if err != nil {
			return figure{}, err
		}
		l.rate = best / 2
	}
	u, err := l.underLoad(ctx, s, passOn, load.Plan{
		Target: load.Target{Path: "/1k"}, Connections: 64, Warmup: l.warmup, Duration: l.duration, Rate: l.rate,
	})
	if err != nil {
		return figure{}, err
	}
	return figure{u.P99.Seconds(), fmt.Sprintf("%s; of %.0f/s; median %v, longest %v", u, l.rate, u.P50.Round(time.Microsecond), u.Max.Round(time.Microsecond))}, nil
}

// saturation returns how many requests a second the best peer answers.
func (l *lab) saturation(ctx context.Context) (best float64, err error) {
	errs := []error{errors.New("no peer says how many requests a second are half of what the best can do")}
	for _, s := range l.all[1:] {
		if l.programs[s] == "" || s.tuned {
			continue
		}
		u, err := l.underLoad(ctx, s, passOn, load.Plan{
			Target: load.Target{Path: "/1k"}, Connections: 64, Warmup: l.warmup, Duration: l.duration,
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		best = max(best, u.perSecond())
	}
	if best == 0 {
		return 0, errors.Join(errs...)
	}
	return best, nil
}

// usage is what came of load on a server, and what it took.
type usage struct {
	load.Result
	cpu time.Duration // of the server's processes
}

func (u usage) perRequest() float64 { return u.cpu.Seconds() / float64(u.Requests) }

func (u usage) perSecond() float64 { return float64(u.Requests) / u.Elapsed.Seconds() }

// String says how busy either side was: the server should be what limits a closed loop.
func (u usage) String() string {
	of := func(busy time.Duration) float64 { return 100 * busy.Seconds() / u.Elapsed.Seconds() }
	text := fmt.Sprintf("%d requests, %.0f/s, server's core busy %.0f %%", u.Requests, u.perSecond(), of(u.cpu))
	if u.Busy > 0 {
		text += fmt.Sprintf(", the other %.0f %%", of(u.Busy))
	}
	return text
}

// underLoad starts a server, puts it under load, and ends it. Everything about it must have been right.
func (l *lab) underLoad(ctx context.Context, s *server, task task, plan load.Plan) (u usage, err error) {
	plan.Target.Length = len(origin.Body(plan.Target.Path))
	t := l.traffic(plan)
	i, err := l.between(ctx, t, s, task)
	if err != nil {
		return u, err
	}
	defer t.kill()
	defer i.kill()
	if err := probe(ctx, i.addr, plan.Target.Path); err != nil {
		return u, err
	}
	if err := t.warm(ctx, i.addr); err != nil {
		return u, err
	}
	if u, err = l.observe(ctx, t, i); err != nil {
		return u, err
	}
	if err := errors.Join(probe(ctx, i.addr, plan.Target.Path), t.end()); err != nil {
		return u, err
	}
	return u, i.stop()
}

// observe puts a server that is warm under load, once more or for the first time.
func (l *lab) observe(ctx context.Context, t traffic, i *instance) (u usage, err error) {
	before, err := l.look(ctx, i)
	if err != nil {
		return u, err
	}
	if u.Result, err = t.measure(ctx); err != nil {
		return u, err
	}
	after, err := l.look(ctx, i)
	if err != nil {
		return u, err
	}
	if u.Requests == 0 {
		return u, fmt.Errorf("no request was answered within %s", l.duration)
	}
	u.cpu, err = after.since(before, u.Requests, i)
	return u, err
}
