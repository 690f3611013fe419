// Command proxyd is a caching HTTP/1.1 reverse proxy in front of next-hop.
package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/place"
)

func main() {
	os.Exit(command.Run(context.Background(), app(os.Stdout, os.Stderr), os.Args, os.Stdout, os.Stderr))
}

func app(stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "proxyd",
		Usage: "a caching HTTP/1.1 reverse proxy in front of next-hop",
		Description: "Signals: TERM and INT drain and stop, a second one stops at once; HUP reads the configuration again; USR1 re-opens\n" +
			"the logs.",
		Flags: []cli.Flag{
			command.Flag(place.Listen),
			command.Flag(place.NextHop),
			command.Flag(place.ConfigDir),
			command.Flag(place.LogDir),
			command.Flag(place.RunDir),
			command.DurationFlag(place.DrainTimeout),
		},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			return run(c.Context, options{
				listen: c.String(place.Listen.Flag), nextHop: c.String(place.NextHop.Flag),
				configDir: c.String(place.ConfigDir.Flag), logDir: c.String(place.LogDir.Flag), runDir: c.String(place.RunDir.Flag),
				drainTimeout: command.Duration(c, place.DrainTimeout),
			}, stdout, stderr)
		},
	}
}
