package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"section.internal/bench/internal/load"
)

// figure is what one measurement of one server gives: seconds or bytes, and what is worth a word beside it.
type figure struct {
	value float64
	note  string
}

// measurement measures one server. It starts the server and ends it, and gives no figure where anything was wrong.
type measurement func(ctx context.Context, l *lab, s *server) (figure, error)

// comparison measures several servers side by side.
type comparison func(ctx context.Context, l *lab, servers []*server) []outcome

// outcome is the figure of one server, or why it has none.
type outcome struct {
	server *server
	figure figure
	err    error
}

// oneByOne measures the servers one after the other.
func oneByOne(measure measurement) comparison {
	return func(ctx context.Context, l *lab, servers []*server) (outcomes []outcome) {
		for _, s := range servers {
			o := outcome{server: s}
			if o.err = ctx.Err(); o.err == nil {
				o.figure, o.err = measure(ctx, l, s)
			}
			outcomes = append(outcomes, o)
		}
		return outcomes
	}
}

// saturation returns how many requests a second the best peer answers.
func (l *lab) saturation(ctx context.Context) (best float64, err error) {
	errs := []error{errors.New("no peer says how many requests a second are half of what the best can do")}
	for _, s := range l.all {
		if l.programs[s] == "" || s.tuned || s.ours {
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
	c := &contender{server: s, task: task}
	defer c.kill()
	if err := c.start(ctx, l, plan); err != nil {
		return u, err
	}
	if u, err = l.observe(ctx, c.traffic, c.instance); err != nil {
		return u, err
	}
	return u, c.stop(ctx)
}

// observe puts a server that is warm under load, once more or for the first time.
func (l *lab) observe(ctx context.Context, t traffic, i *instance) (u usage, err error) {
	before, err := l.look(ctx, i)
	if err != nil {
		return u, err
	}
	if err := l.warmMemory(l.duration); err != nil {
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
