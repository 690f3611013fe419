// Package scenario runs text files that tell, byte by byte, what a client and an origin say through proxyd, and what each of
// them must see. testdata/README.md explains the format.
package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"section.internal/contract/place"
)

// Scenario is one parsed file.
type Scenario struct {
	Directory    string            // of the source tree, whose files are in the config directory when proxyd starts; empty: none
	Files        map[string]string // of the config directory, when proxyd starts
	Flags        []string          // further flags of proxyd
	OriginAbsent bool              // nothing listens where next-hop should be
	Steps        []Step
}

// Step is one thing that happens, or must have happened.
type Step struct {
	Line int
	Who  string // client, origin, proxyd, log, config, deploy
	Conn int    // which of the client's or origin's connections, from 1
	Verb Verb

	Bytes  []byte            // Says, Becomes
	File   string            // Becomes: its name
	Want   []Piece           // MustSee
	Status int               // MustSeeError
	Reason string            // MustSeeError
	Type   string            // MustSeeError: of the proxy error (RFC 9209); empty: any
	NoBody bool              // MustSeeError: the answer to a HEAD request
	Signal string            // Gets
	Fields map[string]string // MustHave
}

// Verb is what a step does.
type Verb string

// The verbs.
const (
	Says         Verb = "says"
	MustSee      Verb = "must see"
	MustSeeEnd   Verb = "must see end" // the other side ended its half of the connection, in order
	MustSeeCut   Verb = "must see cut" // the connection ended, by FIN or RST
	MustSeeError Verb = "must see error"
	Closes       Verb = "closes"
	HalfCloses   Verb = "half-closes"
	Resets       Verb = "resets"
	Gets         Verb = "gets"
	MustHave     Verb = "must have"
	Becomes      Verb = "becomes" // a file of the config directory has another text
	Applies      Verb = "applies"
)

// Parse reads a scenario. Errors start with the line's number.
func Parse(text string) (*Scenario, error) {
	s := &Scenario{Files: map[string]string{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line, number := strings.TrimRight(lines[i], " \t"), i+1
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var block []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|") {
			i++
			block = append(block, strings.TrimPrefix(lines[i][1:], " "))
		}
		if err := s.parseStep(number, line, block); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
	}
	if len(s.Steps) == 0 {
		return nil, fmt.Errorf("1: no steps")
	}
	return s, nil
}

var connStep = regexp.MustCompile(`^(client|origin)(?: (\d+))? (says|must see end|must see cut|must see error (.+)|must see|closes|half-closes|resets)$`)

func (s *Scenario) parseStep(number int, line string, block []string) (err error) {
	step := Step{Line: number}
	rest, isFlags := strings.CutPrefix(line, "flags ")
	m := connStep.FindStringSubmatch(line)
	file, isFile := strings.CutPrefix(line, "file ")
	if line == "config" {
		file, isFile = place.ConfigFileName, true
	}
	directory, isDirectory := strings.CutPrefix(line, "directory ")
	takesBlock := isFile
	switch {
	case isFile && len(s.Steps) == 0:
		s.Files[file] = strings.Join(block, "\n") + "\n"
	case isFile:
		step.Who, step.Verb, step.File, step.Bytes = "config", Becomes, file, []byte(strings.Join(block, "\n")+"\n")
	case isDirectory:
		s.Directory = directory
	case line == "deploy applies":
		step.Who, step.Verb = "deploy", Applies
	case isFlags:
		s.Flags = append(s.Flags, strings.Fields(rest)...)
	case line == "origin is absent":
		s.OriginAbsent = true
	case strings.HasPrefix(line, "proxyd gets "):
		step.Who, step.Verb, step.Signal = "proxyd", Gets, strings.TrimPrefix(line, "proxyd gets ")
		if step.Signal != "TERM" && step.Signal != "HUP" && step.Signal != "USR1" {
			return fmt.Errorf("signal %q: want TERM, HUP or USR1", step.Signal)
		}
	case strings.HasPrefix(line, "log must have "):
		step.Who, step.Verb = "log", MustHave
		if step.Fields, err = parseFields(strings.TrimPrefix(line, "log must have ")); err != nil {
			return err
		}
	case m != nil:
		step.Who, step.Conn, step.Verb = m[1], 1, Verb(m[3])
		if m[2] != "" {
			step.Conn, _ = strconv.Atoi(m[2])
		}
		switch {
		case step.Verb == Says:
			takesBlock = true
			step.Bytes, err = parseSaid(block)
		case step.Verb == MustSee:
			takesBlock = true
			step.Want, err = parseWanted(block)
		case m[4] != "":
			step.Verb = MustSeeError
			err = step.parseError(m[4])
		}
		if err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown step %q", line)
	}
	if takesBlock != (len(block) > 0) {
		return fmt.Errorf("step %q: a block of lines that start with \"|\" belongs to config, file, says and must see, and only to them", line)
	}
	if step.Verb != "" {
		s.Steps = append(s.Steps, step)
	}
	return nil
}

// parseError parses STATUS REASON [TYPE] [without body].
func (s *Step) parseError(text string) (err error) {
	text, s.NoBody = strings.CutSuffix(text, " without body")
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 {
		return fmt.Errorf("error %q: want STATUS REASON [TYPE] [without body]", text)
	}
	if s.Status, err = strconv.Atoi(words[0]); err != nil {
		return fmt.Errorf("error %q: want a status first", text)
	}
	s.Reason = words[1]
	if len(words) == 3 {
		s.Type = words[2]
	}
	return nil
}

var fieldWord = regexp.MustCompile(`^([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|\S*)(?: +|$)`)

// parseFields parses key=value key="value with spaces".
func parseFields(text string) (map[string]string, error) {
	fields := map[string]string{}
	for text != "" {
		m := fieldWord.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("log fields %q: want key=value or key=\"value\"", text)
		}
		value := m[2]
		if strings.HasPrefix(value, `"`) {
			var err error
			if value, err = strconv.Unquote(value); err != nil {
				return nil, fmt.Errorf("log field %s: %q: %w", m[1], m[2], err)
			}
		}
		fields[m[1]] = value
		text = text[len(m[0]):]
	}
	return fields, nil
}
