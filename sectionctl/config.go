package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/hook"
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
		Name: "config", Usage: "the configuration in force, and where each value and rule comes from", ArgsUsage: " ",
		Flags:       []cli.Flag{jsonFlag("print one JSON document"), command.DurationFlag(timeout)},
		Subcommands: []*cli.Command{configDiffCommand(a)},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return hook.Misuse("unknown subcommand \"config %s\": want config, or config diff", c.Args().First())
			}
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
	loaded, problems := loadConfig(path)
	if len(problems) > 0 {
		return configDirectory{Path: path, Problems: problems.Lines()}
	}
	return configDirectory{Path: path, InForce: loaded.Hash == inForce, Hash: loaded.Hash, Problems: []string{}}
}

// loadConfig reads a config directory as proxyd would.
func loadConfig(path string) (*config.Loaded, config.Problems) {
	loaded, err := config.Load(path)
	problems, wrong := errors.AsType[config.Problems](err)
	if err != nil && !wrong {
		panic("BUG: config.Load fails without problems: " + err.Error())
	}
	return loaded, problems
}

// print writes the tables for people.
func (r *configReport) print(w io.Writer, now time.Time) error {
	var head, values, rules table
	head.row("generation", fmt.Sprint(r.Generation.Number))
	head.row("hash", r.Generation.Hash)
	head.row("applied", moment(r.Generation.Applied, now))
	head.row("directory", r.Directory.String())
	for _, problem := range r.Directory.Problems {
		head.row("", problem)
	}
	head.row("rules", r.rules())
	values.row("KEY", "VALUE", "SOURCE")
	for _, v := range r.Values {
		values.row(v.Key, v.Value, v.Source)
	}
	tables := []table{head, values}
	if len(r.Rules) > 0 {
		rules.row("RULE", "DOES", "SOURCE")
		for _, rule := range r.Rules {
			rules.row(rule.Name, rule.Does, rule.Source)
		}
		tables = append(tables, rules)
	}
	for i, t := range tables {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	return nil
}

// rules says how many rules there are, and whether they are applied.
func (r *configReport) rules() string {
	off := slices.ContainsFunc(r.Values, func(v control.Value) bool { return v.Key == "enabled" && v.Value == "false" })
	if off && len(r.Rules) > 0 {
		return fmt.Sprintf("%d, none of them applied: enabled = false", len(r.Rules))
	}
	return fmt.Sprint(len(r.Rules))
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
