// Package command owns what the command lines of all tools have in common: the shared flags, --version, --help, and what a
// mistake in the command line leads to.
package command

import (
	"context"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/hook"
	"section.internal/contract/place"
)

// version is set by the linker (-X section.internal/contract/command.version=…).
var version = "devel"

// Version returns the version that this binary was built as.
func Version() string { return version }

// Flag returns the flag of a shared setting. An empty value, on the command line or in the environment, is a misuse.
func Flag(s place.Setting) cli.Flag {
	return &cli.StringFlag{
		Name: s.Flag, EnvVars: []string{s.Env}, Value: s.Default, Usage: s.Usage,
		Action: func(_ *cli.Context, value string) error {
			if value == "" {
				return hook.Misuse("--%s (%s) is empty: leave it out for %s", s.Flag, s.Env, s.Default)
			}
			return nil
		},
	}
}

// DurationFlag returns the flag of a shared setting that is a length of time above zero; any other value is a misuse. Duration
// reads it.
func DurationFlag(s place.Setting) cli.Flag {
	return &cli.StringFlag{
		Name: s.Flag, EnvVars: []string{s.Env}, Value: s.Default, Usage: s.Usage,
		Action: func(_ *cli.Context, value string) error {
			if d, err := time.ParseDuration(value); err != nil || d <= 0 {
				return hook.Misuse("--%s (%s) = %q: want a length of time above 0, such as %s", s.Flag, s.Env, value, s.Default)
			}
			return nil
		},
	}
}

// Duration returns the value of a DurationFlag. It is called by actions only: these run after the flag has been checked.
func Duration(c *cli.Context, s place.Setting) time.Duration {
	d, err := time.ParseDuration(c.String(s.Flag))
	if err != nil {
		panic("BUG: the default of --" + s.Flag + " is no duration: " + err.Error())
	}
	return d
}

// NoArguments is a cli.BeforeFunc for commands that take flags only.
func NoArguments(c *cli.Context) error {
	if c.Args().Present() {
		return hook.Misuse("unexpected argument %q: only flags are taken here", c.Args().First())
	}
	return nil
}

// Run runs the app with args, of which the first is the program's name, and returns the exit code. A success prints nothing
// that the app's action does not print; a failure is reported on stderr (see hook.Exit).
func Run(ctx context.Context, app *cli.App, args []string, stdout, stderr io.Writer) int {
	app.Version = version
	app.Writer, app.ErrWriter = stdout, stderr
	app.HideHelpCommand = true
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = misuse
	prepare(app.Commands)
	return hook.Exit(stderr, app.Name, app.RunContext(ctx, args))
}

// prepare makes subcommands, and those below them, fail as the app does.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = misuse
		c.HideHelpCommand = true
		prepare(c.Subcommands)
	}
}

func misuse(_ *cli.Context, err error, _ bool) error { return &hook.MisuseError{Err: err} }
