package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/control"
	"section.internal/contract/hook"
	"section.internal/contract/nearest"
	"section.internal/contract/place"
)

// proxyd is what sectionctl asks of a running proxyd.
type proxyd interface {
	Status(context.Context) (control.Status, error)
	Config(context.Context) (control.Config, error)
}

// around is the world that the verbs look at, so that a test can hold it still.
type around struct {
	now     func() time.Time
	proxyd  func(runDir string) proxyd
	measure func(ctx context.Context, pid int) measured
}

// run is the whole program but for the signals. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, a around) int {
	app := &cli.App{
		Name:      "sectionctl",
		Usage:     "tell how proxyd fares: its state, its health, its configuration, its log",
		UsageText: "sectionctl [global flags] SUBCOMMAND [flags]",
		Flags: []cli.Flag{
			command.Flag(place.RunDir), command.Flag(place.LogDir), command.Flag(place.ConfigDir),
			command.Flag(place.Listen), command.Flag(place.NextHop),
		},
		Commands: []*cli.Command{statusCommand(a), checkCommand(a), configCommand(a), logsCommand(a)},
		Action:   noSubcommand,
	}
	out := &output{w: stdout}
	through(out, app.Commands)
	return command.Run(ctx, app, args, out, stderr)
}

// through has the actions of commands, and of those below them, end as out says.
func through(out *output, commands []*cli.Command) {
	for _, c := range commands {
		action := c.Action
		c.Action = func(c *cli.Context) error { return out.verdict(action(c)) }
		through(out, c.Subcommands)
	}
}

// noSubcommand takes a command line that names no subcommand which exists.
func noSubcommand(c *cli.Context) error {
	name := c.Args().First()
	switch name {
	case "help":
		return cli.ShowAppHelp(c)
	case "":
		c.App.Writer = c.App.ErrWriter
		if err := cli.ShowAppHelp(c); err != nil {
			return err
		}
		return hook.Misuse("no subcommand: want one of %s", strings.Join(names(c.App.Commands), ", "))
	}
	known := names(c.App.Commands)
	if guess := nearest.Of(name, known); guess != "" {
		return hook.Misuse("unknown subcommand %q; did you mean %q? want one of %s", name, guess, strings.Join(known, ", "))
	}
	return hook.Misuse("unknown subcommand %q: want one of %s", name, strings.Join(known, ", "))
}

func names(commands []*cli.Command) []string {
	all := make([]string, len(commands))
	for i, c := range commands {
		all[i] = c.Name
	}
	return all
}

// jsonFlag is the --json of every subcommand.
func jsonFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "json", Usage: usage} }

// giving returns the context, of a subcommand or of what it stands below, in which a flag was given that both have; else c itself.
func giving(c *cli.Context, flag string) *cli.Context {
	for _, at := range c.Lineage() {
		if slices.Contains(at.LocalFlagNames(), flag) {
			return at
		}
	}
	return c
}

// timeout is the shared setting with a shorter default: an operator waits for this answer.
var timeout = place.Setting{Flag: place.Timeout.Flag, Env: place.Timeout.Env, Default: "5s", Usage: place.Timeout.Usage}
