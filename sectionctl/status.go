package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

// statusReport is the document of status --json. Its keys are a promise.
type statusReport struct {
	Running       bool           `json:"running"`
	State         state          `json:"state"`
	UptimeSeconds float64        `json:"uptime_seconds"`
	AccessLog     string         `json:"access_log,omitempty"` // the file; none when the log goes to stdout alone
	Proxyd        control.Status `json:"proxyd"`
	measured
	Warnings []string `json:"warnings"` // what the operator should look at; never null
}

func statusCommand(a around) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "does proxyd run, and how does it fare", ArgsUsage: " ",
		Flags:  []cli.Flag{jsonFlag("print one JSON document"), command.DurationFlag(timeout)},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			runDir := c.String(place.RunDir.Flag)
			answer, err := ask(c.Context, runDir, command.Duration(c, timeout), a.proxyd(runDir).Status)
			if err != nil {
				return reportAbsence(c, err)
			}
			now := a.now()
			r := statusReport{
				Running: true, State: stateRunning, UptimeSeconds: now.Sub(answer.Started).Seconds(),
				Proxyd: answer, measured: a.measure(c.Context, answer.PID), Warnings: []string{},
			}
			if answer.Log.To != string(config.LogToStdout) {
				r.AccessLog = place.AccessLog(c.String(place.LogDir.Flag))
			}
			if r.Proxyd.NextHop.Addresses == nil {
				r.Proxyd.NextHop.Addresses = []string{} // programs may count on a list
			}
			r.checkPidfile(place.Pidfile(runDir))
			r.warn()
			if c.Bool("json") {
				return printJSON(c.App.Writer, r)
			}
			return r.print(c.App.Writer, now)
		},
	}
}

// reportAbsence ends a verb whose question was not answered: a program gets a document in its place as well.
func reportAbsence(c *cli.Context, err error) error {
	if absent, ok := errors.AsType[*absence](err); ok && c.Bool("json") {
		// That proxyd does not answer is the news, even for a reader who is gone.
		_ = printJSON(c.App.Writer, absent)
	}
	return err
}

// checkPidfile holds what proxyd says of itself against the pidfile, by which logrotator finds it.
func (r *statusReport) checkPidfile(path string) {
	holder, err := pidfile.Read(path)
	switch {
	case err != nil:
		r.Warnings = append(r.Warnings, err.Error())
	case holder == 0:
		r.Warnings = append(r.Warnings, fmt.Sprintf("nobody holds the pidfile %s: logs cannot be rotated until proxyd is restarted", path))
	case holder != r.Proxyd.PID:
		r.Warnings = append(r.Warnings, fmt.Sprintf("process %d holds the pidfile %s, but proxyd says it is process %d", holder, path, r.Proxyd.PID))
	default:
		return
	}
	// Seen from another container the number may be anybody's.
	if holder != r.Proxyd.PID {
		r.Process = noProcessFigures(errors.New("the pidfile does not name the process that answers"))
	}
}

// warn adds what proxyd itself says and nobody should have to find in the table.
func (r *statusReport) warn() {
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	p := r.Proxyd
	if p.Draining {
		add("proxyd drains: it takes no new connections and ends when those it has are done")
	}
	switch {
	case len(p.NextHop.Addresses) == 0:
		add("%s has no address: requests are answered with 502 until it resolves", p.NextHop.Name)
	case p.NextHop.Error != "":
		add("%s does not resolve any more: the last good answer is in use", p.NextHop.Name)
	}
	if p.Log.Dropped > 0 {
		add("%d access log lines were lost: the disk refused them", p.Log.Dropped)
	}
	if p.Clients.Limit > 0 && p.Clients.Open >= p.Clients.Limit {
		add("the limit of client connections is reached (client.max_connections)")
	}
}

// print writes the table for people.
func (r *statusReport) print(w io.Writer, now time.Time) error {
	p := r.Proxyd
	var t table
	t.row("proxyd", fmt.Sprintf("runs, process %d, version %s", p.PID, p.Version))
	t.row("  started", moment(p.Started, now))
	t.row("  listens on", p.Listen)
	t.row("configuration", fmt.Sprintf("generation %d, hash %s", p.Generation.Number, p.Generation.Hash))
	t.row("  applied", moment(p.Generation.Applied, now))
	t.row("requests", fmt.Sprintf("%d since the start, %d in flight, %d failed", p.Requests.Total, p.Requests.InFlight, p.Requests.Failed))
	t.row("clients", connections(p.Clients))
	t.row("next-hop", p.NextHop.Name)
	addresses := "none"
	if len(p.NextHop.Addresses) > 0 {
		addresses = strings.Join(p.NextHop.Addresses, ", ")
	}
	t.row("  addresses", addresses)
	t.row("  resolved", moment(p.NextHop.Resolved, now))
	if p.NextHop.Error != "" {
		t.row("  error", p.NextHop.Error)
	}
	t.row("  connections", connections(p.NextHop.Connections))
	t.row("log", fmt.Sprintf("to %s, level %s", p.Log.To, p.Log.Level))
	if r.AccessLog != "" {
		t.row("  access log", r.AccessLog)
	}
	t.row("  lines", fmt.Sprintf("%d since the start, %d lost", p.Log.Lines, p.Log.Dropped))
	r.rowsMeasured(&t)
	for _, warning := range r.Warnings {
		t.row("warning", warning)
	}
	return t.print(w)
}

// rowsMeasured adds what the kernel says.
func (r *statusReport) rowsMeasured(t *table) {
	percent := func(v float64) string { return fmt.Sprintf("%.1f %%", v) }
	m := r.Process
	t.row("process", fmt.Sprintf("%d goroutines", r.Proxyd.Goroutines))
	if cpu := m.CPUSeconds.show(func(v float64) string { return fmt.Sprintf("%.2f s", v) }); m.CPUSeconds.known() {
		t.row("  cpu", fmt.Sprintf("%s of one core over %s; %s since the start, %s in all",
			m.CPUPercent.show(percent), cpuSample, m.CPUPercentMean.show(percent), cpu))
	} else {
		t.row("  cpu", cpu)
	}
	t.row("  memory", m.ResidentBytes.show(func(v uint64) string { return size(v) + " resident" }))
	if m.Descriptors.known() {
		t.row("  descriptors", fmt.Sprint(m.Descriptors.value))
	} else {
		t.row("  descriptors", fmt.Sprintf("%d, as proxyd counts them", r.Proxyd.Descriptors))
	}
	t.row("  threads", m.Threads.show(func(v int) string { return fmt.Sprint(v) }))
	t.row("container", r.Container.String())
	t.row("host", r.Host.Load.show(func(v [3]float64) string {
		return fmt.Sprintf("load %.2f, %.2f, %.2f over 1, 5 and 15 minutes; %d cores", v[0], v[1], v[2], r.Host.Cores)
	}))
}

func connections(c control.Connections) string {
	limit := "no limit"
	if c.Limit > 0 {
		limit = fmt.Sprintf("limit %d", c.Limit)
	}
	return fmt.Sprintf("%d open, %d of them idle, %s; %d since the start", c.Open, c.Idle, limit, c.Total)
}
