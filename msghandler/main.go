// Command msghandler stands behind /opt/section/messagehandler.sh: it acts on one message for this proxy.
package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/hook"
	"section.internal/contract/place"
)

func main() { os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:        "msghandler",
		Usage:       "act on a message for this proxy",
		UsageText:   "msghandler [options] NAME [ARGUMENTS]",
		Description: manual(),
		Flags: []cli.Flag{
			command.Flag(place.ConfigDir),
			command.Flag(place.RunDir),
			command.DurationFlag(place.Timeout),
		},
		Action: func(c *cli.Context) error {
			switch {
			case c.NArg() == 0:
				return hook.Misuse("no message: want its NAME and, as one string, its ARGUMENTS")
			case c.NArg() > 2: // what was split has lost its quotes and blanks, so it is not put together again
				return hook.Misuse("unexpected argument %.80q: want the ARGUMENTS of a message as one string", c.Args().Get(2))
			}
			return handle(c.Context, environment{
				configDir: c.String(place.ConfigDir.Flag),
				runDir:    c.String(place.RunDir.Flag),
				timeout:   command.Duration(c, place.Timeout),
			}, c.Args().Get(0), c.Args().Get(1))
		},
	}
	return command.Run(ctx, app, args, stdout, stderr)
}
