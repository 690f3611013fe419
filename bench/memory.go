package main

import (
	"context"
	"errors"
	"fmt"

	"section.internal/bench/internal/load"
	"section.internal/bench/internal/origin"
	"section.internal/bench/internal/proc"
)

// idleConnection measures by how much the resident memory of a server that has seen load before grows by idle connections,
// each of which has had one request answered.
func idleConnection(ctx context.Context, l *lab, s *server) (figure, error) {
	g := &generator{lab: l, plan: load.Plan{
		Target: load.Target{Path: "/1k", Length: len(origin.Body("/1k"))}, Connections: l.idle, Warmup: l.warmup, Hold: true,
	}}
	i, err := l.between(ctx, g, s, passOn)
	if err != nil {
		return figure{}, err
	}
	defer g.kill()
	defer i.kill()
	if err := g.warm(ctx, i.addr); err != nil { // so that what is made once is not counted
		return figure{}, err
	}
	before, err := l.resident(ctx, i)
	if err != nil {
		return figure{}, err
	}
	if _, err := g.measure(ctx); err != nil {
		return figure{}, err
	}
	after, err := l.resident(ctx, i)
	if err != nil {
		return figure{}, err
	}
	if err := errors.Join(probe(ctx, i.addr, "/1k"), g.end()); err != nil {
		return figure{}, err
	}
	return figure{
		value: float64(after-before) / float64(l.idle),
		note:  fmt.Sprintf("%d connections, %.1f MiB before, %.1f MiB with them", l.idle, mebibytes(before), mebibytes(after)),
	}, i.stop()
}

// atRest measures the resident memory of a server that has answered one request.
func atRest(ctx context.Context, l *lab, s *server) (figure, error) {
	g := &generator{lab: l, plan: load.Plan{Target: load.Target{Path: "/1k"}}} // only its origin is used
	i, err := l.between(ctx, g, s, passOn)
	if err != nil {
		return figure{}, err
	}
	defer g.kill()
	defer i.kill()
	bytes, err := l.resident(ctx, i)
	if err != nil {
		return figure{}, err
	}
	return figure{value: float64(bytes)}, i.stop()
}

// resident returns the resident memory of a server's processes together, after a rest.
func (l *lab) resident(ctx context.Context, i *instance) (int64, error) {
	if err := pause(ctx, l.rest); err != nil {
		return 0, err
	}
	tree, err := i.tree()
	if err != nil {
		return 0, err
	}
	return proc.Resident(tree)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
