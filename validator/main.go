// Validator stands behind validate.sh: it says whether a config directory is right, as proxyd would read it, and whether its tests
// hold. It needs no network, no clock and no running proxyd. A right one costs it not a single byte of output. Asked for it, it
// also explains what becomes of a request, and what changes between two directories.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/place"
	"section.internal/contract/policy"
)

// memoryLimit is where the collector starts to work harder, so that no file can make the tool larger than 64 MiB.
const memoryLimit = 48 << 20

func main() {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(-1) // below the limit: 1,000 rules take a third less of processor time, 10,000 a quarter
	os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// The flags that ask for something else than a verdict, and those that say more about one of them.
const (
	flagWarnings = "warnings"
	flagExplain  = "explain"
	flagHeader   = "header"
	flagMethod   = "method"
	flagClient   = "client"
	flagDiff     = "diff"
	flagRequests = "requests"
	flagSchema   = "schema"
)

// needs holds the flags that mean nothing without another.
var needs = []struct{ flag, with, why string }{
	{flagHeader, flagExplain, "it adds a field to the request of --explain URL"},
	{flagMethod, flagExplain, "it is the method of the request of --explain URL"},
	{flagClient, flagExplain, "it is where the request of --explain URL comes from"},
	{flagRequests, flagDiff, "it holds the requests for which --diff OLD_DIR tells the changes"},
	{flagDiff, flagRequests, "--requests FILE names the access log for whose requests the changes are told"},
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:  "validator",
		Usage: "say whether a config directory is right",
		UsageText: "validator [--config-dir DIR] [--warnings]\n" +
			"validator [--config-dir DIR] --explain URL [-H FIELD]... [--method METHOD] [--client ADDRESS]\n" +
			"validator [--config-dir DIR] --diff OLD_DIR --requests FILE\n" +
			"validator --schema",
		Description: "Exits 0 in silence when the directory is right and its tests hold; 1 with a line on stderr for each problem,\n" +
			"file:line:column: message; 2 when the command line is wrong. What is asked for by one of the other forms goes to stdout;\n" +
			"--explain and --diff do not run the tests.",
		DisableSliceFlagSeparator: true, // a field's value may hold commas
		Flags: []cli.Flag{
			command.Flag(place.ConfigDir),
			&cli.BoolFlag{Name: flagWarnings, DisableDefaultText: true, Usage: "also tell what is right but cannot be meant, such as a rule that can never match"},
			&cli.StringFlag{Name: flagExplain, Usage: "tell, rule by rule, what becomes of a request for `URL`"},
			&cli.StringSliceFlag{Name: flagHeader, Aliases: []string{"H"}, Usage: "a `FIELD` of that request, such as 'Accept-Language: de'; may be given several times"},
			&cli.StringFlag{Name: flagMethod, Usage: "`METHOD` of that request", DefaultText: "GET"},
			&cli.StringFlag{Name: flagClient, Usage: "`ADDRESS` that its connection comes from", DefaultText: defaultClient.String()},
			&cli.StringFlag{Name: flagDiff, Usage: "tell what changes in effect between `OLD_DIR` and the config directory"},
			&cli.StringFlag{Name: flagRequests, Usage: "for the requests of an access log in `FILE`, which may be compressed with gzip; - is stdin"},
			&cli.BoolFlag{Name: flagSchema, DisableDefaultText: true, Usage: "print the JSON schema of proxy.toml, for editors"},
		},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			if err := checkFlags(c); err != nil {
				return err
			}
			dir := c.String(place.ConfigDir.Flag)
			switch {
			case c.Bool(flagSchema):
				return write(stdout, config.Schema())
			case c.IsSet(flagExplain):
				r, err := requestOf(c.String(flagExplain), c.String(flagMethod), c.StringSlice(flagHeader), c.String(flagClient))
				if err != nil {
					return err
				}
				return explain(dir, r, stdout)
			case c.IsSet(flagDiff):
				return diff(c.String(flagDiff), dir, c.String(flagRequests), stdin, stdout, stderr)
			}
			return validate(dir, c.Bool(flagWarnings), stdout)
		},
	}
	return command.Run(ctx, app, args, stdout, stderr)
}

// checkFlags says which flags contradict each other.
func checkFlags(c *cli.Context) error {
	var asked []string
	for _, flag := range []string{flagWarnings, flagExplain, flagDiff, flagSchema} {
		if c.IsSet(flag) {
			asked = append(asked, "--"+flag)
		}
	}
	if len(asked) > 1 {
		return hook.Misuse("%s: want one of them at a time", strings.Join(asked, " and "))
	}
	for _, n := range needs {
		if c.IsSet(n.flag) && !c.IsSet(n.with) {
			return hook.Misuse("--%s without --%s: %s", n.flag, n.with, n.why)
		}
	}
	return nil
}

// validate returns everything that is wrong with a config directory: with its files or, when these are right, its tests.
func validate(dir string, warnings bool, stdout io.Writer) error {
	loaded, err := load(dir)
	if err != nil {
		return err
	}
	if problems := policy.Test(&loaded.Config); len(problems) > 0 {
		return &hook.Plain{Err: problems}
	}
	if !warnings {
		return nil
	}
	var text strings.Builder
	for _, line := range policy.Warnings(&loaded.Config).Lines() {
		text.WriteString(line + "\n")
	}
	return write(stdout, text.String())
}

// load reads a config directory. Each line of the error starts with the file that it is about.
func load(dir string) (*config.Loaded, error) {
	loaded, err := config.Load(dir)
	if err != nil {
		return nil, &hook.Plain{Err: err}
	}
	return loaded, nil
}

// write prints what was asked for.
func write[S ~string | ~[]byte](stdout io.Writer, text S) error {
	if len(text) == 0 {
		return nil
	}
	if _, err := stdout.Write([]byte(text)); err != nil {
		return fmt.Errorf("cannot write to stdout: %w", err)
	}
	return nil
}
