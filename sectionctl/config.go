package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/place"
)

// configReport is the document of config --json. Its keys are a promise.
type configReport struct {
	control.Config
	Directory configDirectory `json:"directory"`
}

// configDirectory holds the config directory against the configuration in force: that they differ is why "nothing changes".
type configDirectory struct {
	Path     string   `json:"path"`
	InForce  bool     `json:"in_force"`
	Hash     string   `json:"hash,omitempty"` // none when it is not valid
	Problems []string `json:"problems"`       // never null
}

func configCommand(a around) *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "the configuration in force, and where each value comes from", ArgsUsage: " ",
		Flags:  []cli.Flag{jsonFlag("print one JSON document"), command.DurationFlag(timeout)},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			runDir := c.String(place.RunDir.Flag)
			answer, err := ask(c.Context, runDir, command.Duration(c, timeout), a.proxyd(runDir).Config)
			if err != nil {
				return reportAbsence(c, err)
			}
			r := configReport{Config: answer, Directory: compareDirectory(c.String(place.ConfigDir.Flag), answer.Generation.Hash)}
			if c.Bool("json") {
				return printJSON(c.App.Writer, r)
			}
			return r.print(c.App.Writer, a.now())
		},
	}
}

func compareDirectory(path, inForce string) configDirectory {
	d := configDirectory{Path: path, Problems: []string{}}
	loaded, err := config.Load(path)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		d.Problems = problems.Lines()
		return d
	}
	d.Hash = loaded.Hash
	d.InForce = d.Hash == inForce
	return d
}

// print writes the tables for people.
func (r *configReport) print(w io.Writer, now time.Time) error {
	var head, values table
	head.row("generation", fmt.Sprint(r.Generation.Number))
	head.row("hash", r.Generation.Hash)
	head.row("applied", moment(r.Generation.Applied, now))
	head.row("directory", r.Directory.String())
	for _, problem := range r.Directory.Problems {
		head.row("", problem)
	}
	if err := head.print(w); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	values.row("KEY", "VALUE", "SOURCE")
	for _, v := range r.Values {
		values.row(v.Key, v.Value, v.Source)
	}
	return values.print(w)
}

// String shows it to people, without the problems.
func (d configDirectory) String() string {
	switch {
	case len(d.Problems) > 0:
		return d.Path + " is not valid and cannot be applied"
	case d.InForce:
		return d.Path + " holds what is in force"
	}
	return fmt.Sprintf("%s holds another configuration, hash %s: update.sh applies it", d.Path, d.Hash)
}
