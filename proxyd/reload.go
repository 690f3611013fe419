package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/exchange"
)

// generation is one configuration that is, or was, in force. It never changes.
type generation struct {
	number  uint64
	loaded  *config.Loaded
	policy  *policy.Policy // of the same configuration, compiled once
	applied time.Time
}

func newGeneration(number uint64, loaded *config.Loaded) *generation {
	return &generation{number: number, loaded: loaded, policy: exchange.Compile(&loaded.Config), applied: time.Now()}
}

func (g *generation) describe() control.Generation {
	return control.Generation{Number: g.number, Hash: g.loaded.Hash, Applied: g.applied}
}

// generations holds the one in force. A new one is built beside it and then takes its place at once; a request keeps the one
// that it began with.
type generations struct {
	changing sync.Mutex // one change at a time
	inForce  atomic.Pointer[generation]
}

func (g *generations) current() *generation { return g.inForce.Load() }

func (g *generations) config() *config.Config { return &g.current().loaded.Config }

// forRequest returns what a request keeps: both are of one generation.
func (g *generations) forRequest() (*config.Config, *policy.Policy) {
	current := g.current()
	return &current.loaded.Config, current.policy
}

// load puts the first generation in force.
func (g *generations) load(dir string) error {
	loaded, err := config.Load(dir)
	if err != nil {
		return fmt.Errorf("cannot start with the configuration in %s:\n%w", dir, err)
	}
	g.inForce.Store(newGeneration(1, loaded))
	return nil
}

// describe lists the settings and rules in force for the control socket.
func (g *generations) describe() control.Config {
	current := g.current()
	c := control.Config{Generation: current.describe(), Rules: []control.Rule{}}
	for _, v := range current.loaded.Values {
		c.Values = append(c.Values, control.Value(v))
	}
	for i := range current.loaded.Config.Rules {
		r := &current.loaded.Config.Rules[i]
		c.Rules = append(c.Rules, control.Rule{Name: r.Name, Source: r.Place.String(), Does: r.Does(), Says: r.Says()})
	}
	return c
}

// reload reads the configuration directory and applies what it says. On an error the previous generation stays in force as a
// whole. Callers wait for each other.
func (p *proxy) reload(ctx context.Context) (control.Generation, error) {
	p.generations.changing.Lock()
	defer p.generations.changing.Unlock()
	if err := ctx.Err(); err != nil {
		return control.Generation{}, err // the caller has given up, and reported so
	}
	old := p.generations.current()
	loaded, err := config.Load(p.configDir)
	var fresh *generation
	if err == nil {
		fresh = newGeneration(old.number+1, loaded)
		err = p.applyLogs(loaded.Config.Log, old.loaded.Config.Log)
	}
	if err != nil {
		p.log.Error("the previous configuration stays in force", "generation", old.number, "error", err)
		return control.Generation{}, err
	}
	p.generations.inForce.Store(fresh)
	// What the reading took, and the generation before but for its requests in flight, need not wait for the next collection: on
	// a proxy with little to do that is up to two minutes away.
	debug.FreeOSMemory()
	p.log.Info("configuration applied", "generation", fresh.number, "hash", loaded.Hash)
	return fresh.describe(), nil
}

// applyLogs changes both logs or none.
func (p *proxy) applyLogs(settings, old config.Log) error {
	level := p.diagnostics.Level() // which somebody may have set since old was applied
	if err := p.diagnostics.Apply(settings); err != nil {
		return err
	}
	if err := p.access.Apply(settings); err != nil {
		return errors.Join(err, p.diagnostics.Apply(old), p.diagnostics.SetLevel(level))
	}
	return nil
}
