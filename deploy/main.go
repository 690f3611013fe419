// Command deploy stands behind /opt/section/update.sh: it checks the configuration directory and has the running proxyd apply
// it. Without a proxyd it only checks.
package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/deployment"
	"section.internal/contract/place"
)

func main() { os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:      "deploy",
		Usage:     "check the configuration directory and have the running proxyd apply it",
		UsageText: "deploy [options]",
		Description: "Exits 0 in silence once proxyd has applied the directory, or when the directory is valid and no proxyd runs;\n" +
			"1 with the reasons on stderr when the directory is not valid, a test in it fails, or proxyd does not apply it:\n" +
			"proxyd then keeps the previous one;\n" +
			"2 when the command line is wrong.",
		Flags: []cli.Flag{
			command.Flag(place.ConfigDir),
			command.Flag(place.RunDir),
			command.DurationFlag(place.Timeout),
		},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			return deployment.Deployment{
				ConfigDir: c.String(place.ConfigDir.Flag),
				RunDir:    c.String(place.RunDir.Flag),
				Timeout:   command.Duration(c, place.Timeout),
			}.Apply(c.Context)
		},
	}
	return command.Run(ctx, app, args, stdout, stderr)
}
