// Command bench measures proxyd beside nginx, HAProxy and Varnish: what a request costs, what a connection holds, how long
// answers take. "make bench" runs it; docs/performance.md says how it measures, and holds what came of it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/bench/internal/epoll"
	"section.internal/bench/internal/load"
	"section.internal/bench/internal/network"
	"section.internal/bench/internal/origin"
	"section.internal/contract/command"
)

func main() {
	os.Exit(command.Run(context.Background(), app(os.Stdin, os.Stdout, os.Stderr), os.Args, os.Stdout, os.Stderr))
}

func app(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "bench",
		Usage: "measure proxyd beside nginx, HAProxy and Varnish",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "proxyd", Value: "bin/proxyd", Usage: "`FILE` that is measured as proxyd"},
			&cli.StringFlag{Name: "before", Usage: "`FILE` that is measured beside it: proxyd as it was before a change"},
			&cli.StringSliceFlag{Name: "case", Usage: "measure only this `CASE`, one of " + strings.Join(caseNames(), ", ") + "; may be repeated"},
			&cli.StringSliceFlag{Name: "server", Usage: "measure only this `SERVER`, one of " + strings.Join(serverNames(), ", ") + "; may be repeated"},
			&cli.IntFlag{Name: "rounds", Value: 5, Usage: "how many `TIMES` everything is measured; medians count"},
			&cli.DurationFlag{Name: "duration", Value: 4 * time.Second, Usage: "how `LONG` one measurement under load takes"},
			&cli.DurationFlag{Name: "warmup", Value: time.Second, Usage: "how `LONG` a server is under load before that"},
			&cli.DurationFlag{Name: "rest", Value: 5 * time.Second, Usage: "how `LONG` a server rests before its memory is looked at"},
			&cli.IntFlag{Name: "idle", Value: 10_000, Usage: "how `MANY` connections are idle or slow in the cases that are about such"},
			&cli.StringFlag{Name: "generator", Value: "own", Usage: "`WHO` sends requests in the pass cases: own, or wrk as a cross-check"},
			&cli.IntFlag{Name: "server-core", Value: 0, Usage: "`CORE` of the servers"},
			&cli.IntFlag{Name: "load-core", Value: 1, Usage: "`CORE` of origin and load generator"},
			&cli.StringFlag{Name: "network", Value: "own", Usage: "`WHOSE` loopback is used: own, where there is the right to make one, without packet filters; or machine"},
			&cli.StringFlag{Name: "dir", Usage: "`DIR` for configurations and logs while it runs (default: /dev/shm where it has room, else the system's)"},
			&cli.StringFlag{Name: "out", Usage: "`FILE` that gets the table, too, between its markers"},
			&cli.StringFlag{Name: "part", Value: "bench", Usage: "`NAME` in those markers"},
		},
		Action: func(c *cli.Context) error {
			if err := command.NoArguments(c); err != nil {
				return err
			}
			o := options{
				proxyd: c.String("proxyd"), before: c.String("before"), cases: c.StringSlice("case"), servers: c.StringSlice("server"),
				rounds: c.Int("rounds"), duration: c.Duration("duration"), warmup: c.Duration("warmup"), rest: c.Duration("rest"),
				idle: c.Int("idle"), generator: c.String("generator"), serverCore: c.Int("server-core"), loadCore: c.Int("load-core"),
				network: c.String("network"), dir: c.String("dir"), out: c.String("out"), part: c.String("part"),
			}
			if err := o.check(); err != nil {
				return err
			}
			if o.network == ownNetworkName {
				own, err := network.Own()
				if err != nil {
					return err
				}
				if !own {
					o.network = machineNetworkName
				}
			}
			// Origin and generator are to end by a signal at once; only this one has something to end itself.
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return run(ctx, o, stdout, stderr)
		},
		// The other side of the measurement, each in a process of its own so that it can be pinned to its core.
		Commands: []*cli.Command{
			{
				Name: "origin", Usage: "be the origin, and write its address", Hidden: true,
				Action: func(*cli.Context) error { return runOrigin(stdout) },
			},
			{
				Name: awakeCommand, Usage: "keep a core awake", Hidden: true,
				Action: func(*cli.Context) error { return stayAwake() },
			},
			{
				Name: "load", Usage: "send requests", Hidden: true,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "path", Required: true}, &cli.IntFlag{Name: "connections", Required: true}, &cli.DurationFlag{Name: "warmup"},
					&cli.DurationFlag{Name: "duration"}, &cli.Float64Flag{Name: "rate"}, &cli.BoolFlag{Name: "hold"},
					&cli.IntFlag{Name: "slow"}, &cli.DurationFlag{Name: "slow-every"}, &cli.IntFlag{Name: "fields"},
				},
				Action: func(c *cli.Context) error {
					return load.Run(load.Plan{
						Target:      load.Target{Path: c.String("path"), Length: len(origin.Body(c.String("path")))},
						Connections: c.Int("connections"), Warmup: c.Duration("warmup"), Duration: c.Duration("duration"),
						Rate: c.Float64("rate"), Hold: c.Bool("hold"),
						Slow: c.Int("slow"), SlowEvery: c.Duration("slow-every"), Fields: c.Int("fields"),
					}, stdin, stdout)
				},
			},
		},
	}
}

func runOrigin(stdout io.Writer) error {
	poller, err := epoll.New()
	if err != nil {
		return err
	}
	o, addr, err := origin.Listen(poller)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, addr.String()+"\n"); err != nil {
		return err
	}
	return o.Serve()
}
