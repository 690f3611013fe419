package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"section.internal/bench/internal/load"
	"section.internal/bench/internal/origin"
)

// contender is a server that runs, has its traffic, and waits for its turns.
type contender struct {
	server *server
	task   task

	path     string
	traffic  traffic
	instance *instance
	before   look
	usage    usage
	tails    []tail
	err      error // it is out
}

// tail is how long requests took in one turn.
type tail struct{ p50, p99, max time.Duration }

// start starts the server between the two sides of its traffic, and warms it up. Whoever starts a contender kills it.
func (c *contender) start(ctx context.Context, l *lab, plan load.Plan) (err error) {
	c.path = plan.Target.Path
	plan.Target.Length = len(origin.Body(c.path))
	c.traffic = l.traffic(plan)
	if c.instance, err = l.between(ctx, c.traffic, c.server, c.task); err != nil {
		return err
	}
	if err := probe(ctx, c.instance.addr, c.path); err != nil {
		return err
	}
	return c.traffic.warm(ctx, c.instance.addr)
}

// load puts the server under load for a turn.
func (c *contender) load(ctx context.Context) (r load.Result, err error) {
	r, err = c.traffic.measure(ctx)
	c.usage.Requests += r.Requests
	c.usage.Elapsed += r.Elapsed
	c.usage.Busy += r.Busy
	return r, err
}

// loadTwice puts the server under load for two turns, and keeps how long requests took in the second: in the first it wakes up.
func (c *contender) loadTwice(ctx context.Context) error {
	if _, err := c.load(ctx); err != nil {
		return err
	}
	r, err := c.load(ctx)
	c.tails = append(c.tails, tail{r.P50, r.P99, r.Max})
	return err
}

// tail returns the medians of the turns, and the longest that any request took.
func (c *contender) tail() (t tail) {
	of := func(part func(tail) time.Duration) time.Duration {
		var all []time.Duration
		for _, t := range c.tails {
			all = append(all, part(t))
		}
		slices.Sort(all)
		return load.Percentile(all, 50)
	}
	t = tail{p50: of(func(t tail) time.Duration { return t.p50 }), p99: of(func(t tail) time.Duration { return t.p99 })}
	for _, one := range c.tails {
		t.max = max(t.max, one.max)
	}
	return t
}

// stop ends the server and its traffic, which must still be as they should.
func (c *contender) stop(ctx context.Context) error {
	if err := errors.Join(probe(ctx, c.instance.addr, c.path), c.traffic.end()); err != nil {
		return err
	}
	return c.instance.stop()
}

// kill ends what still runs.
func (c *contender) kill() {
	if c.traffic != nil {
		c.traffic.kill()
	}
	if c.instance != nil {
		c.instance.kill()
	}
}

// turn is how long a contender is under load at a time. The speed of a machine moves by a fifth from second to second: turns that
// are short beside that meet all contenders alike.
const turn = 200 * time.Millisecond

// inTurns has all contenders run at once and puts one of them under load at a time, in turns, until each has had its duration; the
// others wait meanwhile. What a server does between its turns counts.
func (l *lab) inTurns(ctx context.Context, contenders []*contender, plan load.Plan, take func(*contender) error) {
	turns := max(1, int(l.duration/turn))
	if l.generator == "wrk" { // which takes a second at least
		turns = 1
	}
	plan.Warmup, plan.Duration = l.warmup, l.duration/time.Duration(turns)
	each := func(do func(*contender) error) {
		for _, c := range contenders {
			if c.err == nil {
				c.err = ctx.Err()
			}
			if c.err == nil {
				c.err = do(c)
			}
		}
	}
	defer func() {
		for _, c := range contenders {
			c.kill()
		}
	}()
	each(func(c *contender) error { return c.start(ctx, l, plan) })
	pause(ctx, settle)
	each(func(c *contender) (err error) {
		c.before, err = glance(ctx, c.instance)
		return err
	})
	for n := range turns {
		contenders = rotated(contenders, n)
		each(func(c *contender) error {
			if err := l.warmMemory(plan.Duration); err != nil {
				return err
			}
			return take(c)
		})
	}
	pause(ctx, settle)
	each(func(c *contender) error {
		after, err := glance(ctx, c.instance)
		if err != nil {
			return err
		}
		if c.usage.Requests == 0 {
			return fmt.Errorf("no request was answered within %s", l.duration)
		}
		c.usage.cpu, err = after.since(c.before, c.usage.Requests, c.instance)
		return err
	})
	each(func(c *contender) error { return c.stop(ctx) })
}

// sideBySide puts the servers under load in turns; show makes a figure of what came of one.
func sideBySide(ctx context.Context, l *lab, servers []*server, task task, plan load.Plan, take func(*contender) error, show func(*contender) figure) (outcomes []outcome) {
	var contenders []*contender
	for _, s := range servers {
		contenders = append(contenders, &contender{server: s, task: task})
	}
	l.inTurns(ctx, contenders, plan, take)
	for _, c := range contenders {
		o := outcome{server: c.server, err: c.err}
		if c.err == nil {
			o.figure = show(c)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// cpuPerRequest measures the CPU time of the servers' processes, user and system, divided by the requests, side by side.
func cpuPerRequest(task task, path string, connections int) comparison {
	return func(ctx context.Context, l *lab, servers []*server) []outcome {
		return sideBySide(ctx, l, servers, task, closed(path, connections), loadOnce(ctx), func(c *contender) figure {
			return figure{c.usage.perRequest(), c.usage.String()}
		})
	}
}

// closed is a closed loop: each connection asks again once it has its answer.
func closed(path string, connections int) load.Plan {
	return load.Plan{Target: load.Target{Path: path}, Connections: connections}
}

func loadOnce(ctx context.Context) func(*contender) error {
	return func(c *contender) error {
		_, err := c.load(ctx)
		return err
	}
}

// latency measures the 99th percentile at a constant rate, half of what the best peer can do: the median of those of the turns. A
// percentile of all requests would be that of the machine's pauses, which one server meets and another does not.
func latency(ctx context.Context, l *lab, servers []*server) []outcome {
	if l.rate == 0 {
		best, err := l.saturation(ctx)
		if err != nil {
			outcomes := make([]outcome, len(servers))
			for i, s := range servers {
				outcomes[i] = outcome{server: s, err: err}
			}
			return outcomes
		}
		l.rate = best / 2
	}
	plan := closed("/1k", 64)
	plan.Rate = l.rate
	take := func(c *contender) error { return c.loadTwice(ctx) }
	return sideBySide(ctx, l, servers, passOn, plan, take, func(c *contender) figure {
		t := c.tail()
		return figure{t.p99.Seconds(), fmt.Sprintf("%s; of %.0f/s; median %v, longest %v", c.usage, l.rate, t.p50.Round(time.Microsecond), t.max.Round(time.Microsecond))}
	})
}

// besideItself measures the CPU time of a request in a server with a task by how much it takes to pass it on.
func besideItself(task task, path string, connections int) measurement {
	return func(ctx context.Context, l *lab, s *server) (figure, error) {
		with, without := &contender{server: s, task: task}, &contender{server: s, task: passOn}
		l.inTurns(ctx, []*contender{with, without}, closed(path, connections), loadOnce(ctx))
		if err := errors.Join(with.err, without.err); err != nil {
			return figure{}, err
		}
		a, b := with.usage.perRequest(), without.usage.perRequest()
		return figure{a / b, fmt.Sprintf("%s beside %s", show(a, microseconds), show(b, microseconds))}, nil
	}
}
