package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/place"
	"section.internal/contract/printable"
)

// pollEvery is how often the file is looked at. A file that is looked at cannot be missed by a watch that came too late, and
// proxyd writes in batches anyway.
const pollEvery = 100 * time.Millisecond

// askWithin bounds the question whether proxyd logs to a file at all. The answer only saves an operator a detour: a proxyd that
// hangs must not keep them from its log.
const askWithin = time.Second

// flushAt is how many bytes of output are gathered at most.
const flushAt = 32 << 10

func logsCommand(a around) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "the access log in columns: its last lines, and with -f those to come", ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with each line that is written, through rotations, until interrupted"},
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Value: 20, Usage: "begin with the last `N` lines of the file"},
			jsonFlag("print the lines as they are in the file, a JSON object each"),
		},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			if n := c.Int("lines"); n < 0 {
				return hook.Misuse("--lines (-n) = %d: want 0 or more", n)
			}
			l := &logView{
				ctx: c.Context, out: c.App.Writer.(*output), json: c.Bool("json"),
				note: func(format string, args ...any) {
					fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", c.App.Name, printable.Text(fmt.Sprintf(format, args...)))
				},
			}
			l.follower = newFollower(place.AccessLog(c.String(place.LogDir.Flag)), l.line, l.note)
			l.idle = l.follower.look // while the reader is slow: however many rotations that takes, each new file is held
			defer l.follower.Close()
			if err := l.follower.look(); err != nil {
				return err
			}
			if err := l.explainPlace(c, a); err != nil {
				return err
			}
			err := l.show(c.Int("lines"), c.Bool("follow"))
			if c.Context.Err() != nil {
				return nil // the interrupt is how a follower ends
			}
			return err
		},
	}
}

// logView shows the lines of a follower.
type logView struct {
	ctx      context.Context // that of the verb: it is one call
	out      *output
	json     bool
	note     func(format string, args ...any)
	follower *follower
	idle     func() error // called again and again while stdout takes nothing
	sequence sequence
	pending  bytes.Buffer // lines that are still to be written
}

// explainPlace tells what the file, or that there is none, means. The error says why there is nothing to wait for.
func (l *logView) explainPlace(c *cli.Context, a around) error {
	runDir := c.String(place.RunDir.Flag)
	status, err := ask(c.Context, runDir, askWithin, a.proxyd(runDir).Status)
	if c.Context.Err() != nil {
		return nil
	}
	path, exists := l.follower.path, len(l.follower.files) > 0
	toStdout := err == nil && status.Log.To == string(config.LogToStdout)
	const stdout = `the access log goes to proxyd's stdout (log.to = "stdout"), which the container's engine keeps`
	switch {
	case toStdout && exists:
		l.note("%s: %s holds older lines", stdout, path)
	case toStdout:
		return fmt.Errorf("%s: there is no file to read", stdout)
	case exists:
	case !c.Bool("follow") && err != nil:
		return fmt.Errorf("there is no access log %s (--%s): %w", path, place.LogDir.Flag, err)
	case !c.Bool("follow"):
		return fmt.Errorf("there is no access log %s, but proxyd runs: it is being rotated this moment, or proxyd has another --%s", path, place.LogDir.Flag)
	case err != nil:
		l.note("waiting for %s: %v", path, err)
	default:
		l.note("waiting for %s: it is being rotated this moment, or proxyd has another --%s", path, place.LogDir.Flag)
	}
	return nil
}

// show prints the last n lines and, where it follows, all that come until the verb is interrupted or nobody reads any more.
func (l *logView) show(n int, follow bool) error {
	if !l.json {
		l.pending.WriteString(columnHead() + "\n")
	}
	if len(l.follower.files) > 0 {
		if err := l.follower.startAtLast(n); err != nil {
			return err
		}
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := l.follower.read(); err != nil {
			return err
		}
		if err := l.flush(); err != nil || !follow {
			return err
		}
		select {
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		case <-tick.C:
		}
		if l.out.gone() {
			return nil
		}
		if err := l.follower.look(); err != nil {
			return err
		}
	}
}

// line takes a line of the file.
func (l *logView) line(text []byte) error {
	r, err := parseRecord(text)
	if err == nil {
		if said := l.sequence.next(r.Seq); said != "" {
			l.note("%s", said)
		}
	}
	if l.json {
		l.pending.Write(text)
	} else {
		l.pending.WriteString(columnsOf(text, r, err))
	}
	l.pending.WriteByte('\n')
	if l.pending.Len() < flushAt {
		return nil
	}
	return l.flush()
}

// flush writes what is pending.
func (l *logView) flush() error {
	err := l.out.writeWaiting(l.ctx, l.pending.Bytes(), l.idle)
	l.pending.Reset()
	return err
}
