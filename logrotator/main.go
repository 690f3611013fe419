// Command logrotator stands behind /opt/section/logrotate.sh: it moves proxyd's log files aside, has proxyd go on in new ones,
// compresses what was moved and deletes what is older than is kept. No line is lost, wherever it is stopped.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/place"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:      "logrotator",
		Usage:     "rotate proxyd's log files",
		UsageText: "logrotator [options]",
		Description: "Exits 0 in silence once each log file that had lines has been moved aside, proxyd writes to a new one, and the old one\n" +
			"is compressed; also when no proxyd runs, and when there is nothing to rotate. 1 with the reason on stderr otherwise: no\n" +
			"line is lost then, and the next run finishes the work. 2 when the command line is wrong.",
		Flags: []cli.Flag{
			command.Flag(place.LogDir),
			command.Flag(place.RunDir),
			command.DurationFlag(place.Timeout),
			&cli.IntFlag{
				Name: "keep", EnvVars: []string{"PROXY_LOG_KEEP"}, Value: 24,
				Usage: "of each log, keep the newest `N` rotated files",
				Action: func(_ *cli.Context, n int) error {
					if n < 1 {
						return hook.Misuse("--keep (PROXY_LOG_KEEP) = %d: want 1 or more", n)
					}
					return nil
				},
			},
			&cli.StringFlag{
				Name: "max-size", EnvVars: []string{"PROXY_LOG_MAX_SIZE"}, Value: "1GiB",
				Usage: "keep at most this `SIZE` of rotated files, all together; the oldest go first",
				Action: func(_ *cli.Context, s string) error {
					if n, err := config.ParseSize(s); err != nil || n < 1 {
						return hook.Misuse("--max-size (PROXY_LOG_MAX_SIZE) = %q: want a size above 0 such as \"512MiB\"", s)
					}
					return nil
				},
			},
		},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			maxSize, err := config.ParseSize(c.String("max-size"))
			if err != nil {
				panic("BUG: --max-size is used unchecked: " + err.Error())
			}
			return rotation{
				logDir:  c.String(place.LogDir.Flag),
				pidfile: place.Pidfile(c.String(place.RunDir.Flag)),
				timeout: command.Duration(c, place.Timeout),
				keep:    c.Int("keep"),
				maxSize: maxSize,
			}.run(c.Context)
		},
	}
	return command.Run(ctx, app, args, stdout, stderr)
}
