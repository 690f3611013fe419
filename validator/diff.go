package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/policy"
	"section.internal/contract/printable"
)

// maxDifferences bounds how many differences are told apart, and so the memory.
const maxDifferences = 1000

// tally is how many requests one difference is true of, and the first of them.
type tally struct {
	difference string
	count      int
	example    string
}

// diff tells what changes in effect between two config directories for the requests of an access log. Nothing is printed when
// nothing changes.
func diff(oldDir, newDir, requests string, stdin io.Reader, stdout, stderr io.Writer) error {
	before, err := loadOld(oldDir)
	if err != nil {
		return err
	}
	after, err := load(newDir)
	if err != nil {
		return err
	}
	log, err := openLog(requests, stdin)
	if err != nil {
		return err
	}
	defer log.close()
	d := differences{
		before: policy.Compile(&before.Config), after: policy.Compile(&after.Config),
		known: map[string]*tally{},
	}
	if err := d.read(log); err != nil {
		return err
	}
	if log.unreadable > 0 {
		if log.unreadable == log.line {
			return fmt.Errorf("no line of --requests %s is one of an access log: want lines as proxyd writes them, JSON with the keys request and hostname", log.name)
		}
		fmt.Fprintf(stderr, "validator: %d of %d lines of %s are none of an access log and left out; the first is line %d\n",
			log.unreadable, log.line, log.name, log.first)
	}
	return write(stdout, d.String())
}

// loadOld reads the directory to compare with. Unlike the one that is in use it must be there: a slip of the pen would make it the
// defaults.
func loadOld(dir string) (*config.Loaded, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("cannot read --diff %s: %w", dir, withoutPath(err))
	}
	loaded, err := config.Load(dir)
	problems, wrong := errors.AsType[config.Problems](err)
	if !wrong {
		return loaded, err
	}
	lines := problems.Lines()
	for i, p := range problems {
		if p.File != dir { // the place alone would not tell of which directory
			lines[i] = strings.TrimSuffix(dir, "/") + "/" + lines[i]
		}
	}
	return nil, &hook.Plain{Err: errors.New(strings.Join(lines, "\n"))}
}

// differences counts the requests of a log by what changes for them.
type differences struct {
	before, after *policy.Policy

	requests, changed int
	known             map[string]*tally
	others            tally // requests whose differences are beyond maxDifferences
}

func (d *differences) read(log *accessLog) error {
	var r request
	var before, after outcome
	for {
		err := log.next(&r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		d.requests++
		asked := r.policyRequest()
		before.decide(d.before, asked)
		after.decide(d.after, asked)
		difference := difference(&before, &after)
		if difference == "" {
			continue
		}
		d.changed++
		t := d.known[difference]
		if t == nil {
			t = &d.others
			if len(d.known) < maxDifferences {
				t = &tally{difference: difference}
				d.known[difference] = t
			}
		}
		if t.count++; t.count == 1 {
			t.example = fmt.Sprintf("%s %s in line %d", r.method, printable.Cut(r.url(), 2*maxText), log.line)
		}
	}
}

// String returns a line for each difference, those of the most requests first.
func (d *differences) String() string {
	if d.changed == 0 {
		return ""
	}
	list := make([]*tally, 0, len(d.known)+1)
	for _, t := range d.known {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.difference, b.difference))
	})
	if d.others.count > 0 {
		d.others.difference = fmt.Sprintf("differences beyond the first %d", maxDifferences)
		list = append(list, &d.others)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d of %d requests change\n", d.changed, d.requests)
	for _, t := range list {
		text.WriteString(printable.Text(fmt.Sprintf("%d: %s; such as %s", t.count, t.difference, t.example)) + "\n")
	}
	return text.String()
}
