// Validator stands behind validate.sh: it says whether a config directory is right, as proxyd would read it. It needs no network
// and no running proxy. A right one costs it not a single byte of output.
package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/place"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:      "validator",
		Usage:     "say whether a config directory is right",
		UsageText: "validator [--config-dir DIR]",
		Flags:     []cli.Flag{command.Flag(place.ConfigDir)},
		Before:    command.NoArguments,
		Action: func(c *cli.Context) error {
			return validate(c.String(place.ConfigDir.Flag))
		},
	}
	return command.Run(ctx, app, args, stdout, stderr)
}

// validate returns everything that is wrong with a config directory.
func validate(dir string) error {
	if _, err := config.Load(dir); err != nil {
		return &hook.Plain{Err: err} // each line starts with the file that it is about
	}
	return nil
}
