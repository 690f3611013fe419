package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"section.internal/bench/internal/load"
)

// traffic is both sides of one server: an origin behind it, and load before it, first until it is warm, then for as long as it
// is measured, each time until nothing is in flight any more. The methods are called in their order.
type traffic interface {
	begin(ctx context.Context) (origin netip.AddrPort, err error)
	warm(ctx context.Context, server netip.AddrPort) error
	measure(ctx context.Context) (load.Result, error)
	end() error // which tells of an error that did not show until then
	kill()      // what still runs
}

// traffic returns what carries out a plan.
func (l *lab) traffic(plan load.Plan) traffic {
	if l.generator == "wrk" && plan.Rate == 0 && !plan.Hold {
		return &wrk{lab: l, plan: plan}
	}
	return &generator{lab: l, plan: plan}
}

// generator is our own load generator and origin, in a process of its own.
type generator struct {
	lab  *lab
	plan load.Plan
	far  *far
}

func (g *generator) begin(ctx context.Context) (netip.AddrPort, error) {
	p := g.plan
	var err error
	g.far, err = g.lab.startFar("load", "--path", p.Target.Path, "--connections", strconv.Itoa(p.Connections),
		"--warmup", p.Warmup.String(), "--duration", p.Duration.String(), "--rate", strconv.FormatFloat(p.Rate, 'f', -1, 64),
		"--hold="+strconv.FormatBool(p.Hold), "--slow", strconv.Itoa(p.Slow), "--slow-every", p.SlowEvery.String(),
		"--fields", strconv.Itoa(p.Fields))
	if err != nil {
		return netip.AddrPort{}, err
	}
	return g.far.address(ctx)
}

func (g *generator) warm(ctx context.Context, server netip.AddrPort) error {
	return g.until(ctx, server.String())
}

// gather has the slow connections opened.
func (g *generator) gather(ctx context.Context) error { return g.until(ctx, load.Gather) }

// until writes a line and waits until the generator is ready.
func (g *generator) until(ctx context.Context, command string) error {
	if err := g.far.write(command); err != nil {
		return err
	}
	line, err := g.far.read(ctx)
	if err == nil && line != load.Ready {
		err = fmt.Errorf("the load generator wrote %q: want %q", line, load.Ready)
	}
	return err
}

func (g *generator) measure(ctx context.Context) (r load.Result, err error) {
	err = g.ask(ctx, load.Go, &r)
	return r, err
}

// ask gives a command whose answer is JSON.
func (g *generator) ask(ctx context.Context, command string, into any) error {
	if err := g.far.write(command); err != nil {
		return err
	}
	line, err := g.far.read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), into); err != nil {
		return fmt.Errorf("the load generator wrote %q: %w", line, err)
	}
	return nil
}

func (g *generator) end() error {
	g.far.in.Close()
	return g.far.wait(5 * time.Second)
}

func (g *generator) kill() {
	if g.far != nil {
		g.far.kill()
	}
}

// far is this program as origin or load generator, on the core that the server does not have. We talk with it line by line.
type far struct {
	*process
	in, out *os.File
	lines   *bufio.Reader
}

// startFar starts this program with a subcommand.
func (l *lab) startFar(args ...string) (*far, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer theirOut.Close() // so that the end of the process is the end of what can be read
	p, err := start(l.dir, l.loadCore, args[0], append([]string{l.self}, args...), theirIn, theirOut)
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &far{process: p, in: in, out: out, lines: bufio.NewReader(out)}, nil
}

// address returns the address of the origin, which is the first thing that either says.
func (f *far) address(ctx context.Context) (netip.AddrPort, error) {
	line, err := f.read(ctx)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(line)
}

func (f *far) write(line string) error {
	if _, err := io.WriteString(f.in, line+"\n"); err != nil {
		return fmt.Errorf("cannot reach the %s process: %w", f.name, err)
	}
	return nil
}

// read returns the next line of the process, or why there is none.
func (f *far) read(ctx context.Context) (string, error) {
	defer context.AfterFunc(ctx, f.process.kill)()
	line, err := f.lines.ReadString('\n')
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil { // it has ended, and has said why
		if failed := f.wait(5 * time.Second); failed != nil {
			return "", failed
		}
		return "", fmt.Errorf("the %s process ended early: %w", f.name, err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func (f *far) kill() {
	f.process.kill()
	f.in.Close()
	f.out.Close()
}
