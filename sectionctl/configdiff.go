package main

import (
	"fmt"
	"io"
	"sort"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/hook"
	"section.internal/contract/place"
)

// configDifference is the document of config diff --json. Its keys are a promise, and no list is null.
type configDifference struct {
	Generation control.Generation `json:"generation"`
	Directory  configDirectory    `json:"directory"`
	Values     []valueDifference  `json:"values"` // in the order of the manual
	Rules      []ruleDifference   `json:"rules"`  // those in force in their order, then those that are new
}

// valueDifference is a key whose value in force is another than that of the directory.
type valueDifference struct {
	Key       string  `json:"key"`
	InForce   setting `json:"in_force"`
	Directory setting `json:"directory"`
}

type setting struct {
	Value  string `json:"value"`
	Source string `json:"source"`
}

// ruleDifference is a rule that is added, removed, changed, or moved past others.
type ruleDifference struct {
	Name      string   `json:"name"`
	Change    change   `json:"change"`
	Moved     bool     `json:"moved"`               // past other rules
	InForce   string   `json:"in_force,omitempty"`  // its place; none when it is added
	Directory string   `json:"directory,omitempty"` // its place; none when it is removed
	Without   []string `json:"without"`             // what the rule in force says and that of the directory does not
	With      []string `json:"with"`                // the other way round
}

type change string

const (
	added   change = "added"
	removed change = "removed"
	changed change = "changed"
	moved   change = "moved" // past other rules, and says the same
)

func configDiffCommand(a around) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "what update.sh would change: the configuration in force beside the directory's", ArgsUsage: " ",
		Flags:  []cli.Flag{jsonFlag("print one JSON document"), command.DurationFlag(timeout)},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			runDir := c.String(place.RunDir.Flag)
			answer, err := ask(c.Context, runDir, command.Duration(giving(c, timeout.Flag), timeout), a.proxyd(runDir).Config)
			if err != nil {
				return reportAbsence(c, err)
			}
			d, problems := compare(answer, c.String(place.ConfigDir.Flag))
			switch {
			case giving(c, "json").Bool("json"):
				err = printJSON(c.App.Writer, d)
			case len(problems) == 0:
				err = d.print(c.App.Writer)
			}
			if err == nil && len(problems) > 0 {
				err = &hook.Plain{Err: problems}
			}
			return err
		},
	}
}

// compare holds what is in force against a directory. Of one that is not valid there is nothing but its problems.
func compare(inForce control.Config, dir string) (configDifference, config.Problems) {
	d := configDifference{Generation: inForce.Generation, Values: []valueDifference{}, Rules: []ruleDifference{}}
	loaded, problems := loadConfig(dir)
	if len(problems) > 0 {
		d.Directory = configDirectory{Path: dir, Problems: problems.Lines()}
		return d, problems
	}
	d.Directory = configDirectory{Path: dir, InForce: loaded.Hash == inForce.Generation.Hash, Hash: loaded.Hash, Problems: []string{}}
	d.Values = append(d.Values, compareValues(inForce.Values, loaded.Values)...)
	d.Rules = append(d.Rules, compareRules(inForce.Rules, loaded.Config.Rules)...)
	return d, nil
}

// compareValues goes by key, so that a tool and a proxyd of two versions compare what both know.
func compareValues(inForce []control.Value, directory []config.Value) (differ []valueDifference) {
	running := map[string]control.Value{}
	for _, v := range inForce {
		running[v.Key] = v
	}
	for _, v := range directory {
		if was, known := running[v.Key]; known && was.Value != v.Value {
			differ = append(differ, valueDifference{v.Key, setting{was.Value, was.Source}, setting{v.Value, v.Source}})
		}
	}
	return differ
}

func compareRules(inForce []control.Rule, directory []config.Rule) (differ []ruleDifference) {
	index := map[string]int{}
	for i := range directory {
		index[directory[i].Name] = i
	}
	var order []int // of the rules that both have: where each stands in the directory
	for _, r := range inForce {
		if at, kept := index[r.Name]; kept {
			order = append(order, at)
		}
	}
	stays := longestRising(order)
	for _, was := range inForce {
		at, kept := index[was.Name]
		if !kept {
			differ = append(differ, ruleDifference{Name: was.Name, Change: removed, InForce: was.Source, Without: orNone(was.Says), With: []string{}})
			continue
		}
		delete(index, was.Name)
		says := directory[at].Says()
		d := ruleDifference{
			Name: was.Name, Change: changed, Moved: !stays[at], InForce: was.Source, Directory: directory[at].Place.String(),
			Without: missing(was.Says, says), With: missing(says, was.Says),
		}
		if len(d.Without)+len(d.With) == 0 {
			if !d.Moved {
				continue
			}
			d.Change = moved
		}
		differ = append(differ, d)
	}
	for i := range directory {
		r := &directory[i]
		if _, fresh := index[r.Name]; fresh {
			differ = append(differ, ruleDifference{Name: r.Name, Change: added, Directory: r.Place.String(), Without: []string{}, With: orNone(r.Says())})
		}
	}
	return differ
}

// orNone returns lines, never nil.
func orNone(lines []string) []string { return append([]string{}, lines...) }

// missing returns the lines of a that b does not have as often.
func missing(a, b []string) []string {
	left := map[string]int{}
	for _, line := range b {
		left[line]++
	}
	only := []string{}
	for _, line := range a {
		if left[line]--; left[line] < 0 {
			only = append(only, line)
		}
	}
	return only
}

// longestRising returns the members of the longest rising part of a sequence of different numbers: of rules that were moved, the
// fewest that explain the new order are those that are not in it.
func longestRising(sequence []int) map[int]bool {
	var ends []int // of the best rising part of each length: where in the sequence it ends
	before := make([]int, len(sequence))
	for i, n := range sequence {
		length := sort.Search(len(ends), func(k int) bool { return sequence[ends[k]] > n })
		before[i] = -1
		if length > 0 {
			before[i] = ends[length-1]
		}
		if length == len(ends) {
			ends = append(ends, i)
		} else {
			ends[length] = i
		}
	}
	members := map[int]bool{}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			members[sequence[i]] = true
		}
	}
	return members
}

// print writes the differences for people.
func (d *configDifference) print(w io.Writer) error {
	var t table
	switch {
	case len(d.Values)+len(d.Rules) == 0 && d.Directory.InForce:
		t.row("no difference")
	case len(d.Values)+len(d.Rules) == 0:
		t.row("no difference in values and rules; the files differ in tests, comments or layout alone")
	}
	for _, v := range d.Values {
		t.row(v.Key)
		t.row(fmt.Sprintf("  - %s (%s)", v.InForce.Value, v.InForce.Source))
		t.row(fmt.Sprintf("  + %s (%s)", v.Directory.Value, v.Directory.Source))
	}
	for _, r := range d.Rules {
		what, where := string(r.Change), r.InForce
		switch {
		case r.Change == added:
			where = r.Directory
		case r.Change == changed && r.Moved:
			what += " and moved"
			fallthrough
		case r.Directory != "":
			where += ", in the directory " + r.Directory
		}
		t.row(fmt.Sprintf("rule %q %s: %s", r.Name, what, where))
		for _, line := range r.Without {
			t.row("  - " + line)
		}
		for _, line := range r.With {
			t.row("  + " + line)
		}
	}
	return t.print(w)
}
