package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const operationPage = "../docs/operation.md"

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(operationPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// tableRows returns the cells of the page's rows whose first cell is code and that have that many cells, by that code.
func tableRows(page string, cells int) map[string][]string {
	rows := map[string][]string{}
	for line := range strings.Lines(page) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if code, ok := strings.CutPrefix(row[0], "`"); ok && len(row) == cells && strings.HasSuffix(code, "`") {
			rows[strings.TrimSuffix(code, "`")] = row
		}
	}
	return rows
}

// parseGo parses the Go files below dir, without tests.
func parseGo(t *testing.T, dir string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		files = append(files, file)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	return files
}

// reasons reads the closed list from its source: each reason, and the status that its comment begins with, if it does.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	status := regexp.MustCompile(`^[245][0-9][0-9]\b`)
	list := map[string]string{}
	for _, file := range parseGo(t, "../contract/httpcache") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Reason" || !isLiteral {
				return true
			}
			reason, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			list[reason] = status.FindString(strings.TrimSpace(spec.Comment.Text()))
			return true
		})
	}
	if len(list) < 20 {
		t.Fatalf("only %d reasons were found in the source: the test does not read it right", len(list))
	}
	return list
}

func TestOperation_ExplainsEveryReasonWithItsStatus(t *testing.T) {
	rows, known := tableRows(readPage(t), 4), reasons(t)
	for reason, status := range known {
		row, ok := rows[reason]
		switch {
		case !ok:
			t.Errorf("%s has no row for the reason %q: reason, status, meaning, what to do", operationPage, reason)
		case slices.Contains(row, ""):
			t.Errorf("the row of %q has an empty cell", reason)
		case status != "" && row[1] != status, status == "" && row[1] != "-":
			t.Errorf("%q: the page says status %s, the source %q", reason, row[1], status)
		}
	}
	for code := range rows {
		if _, ok := known[code]; !ok && !strings.HasPrefix(code, "--") {
			t.Errorf("%s explains %q, which is no reason", operationPage, code)
		}
	}
}

// diagnostics reads from proxyd's source what it says at Warn and Error.
func diagnostics(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, file := range parseGo(t, "../proxyd") {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			level, message := "", call.Args[0]
			if f, ok := call.Fun.(*ast.SelectorExpr); ok {
				switch f.Sel.Name {
				case "Warn", "Error":
					level = strings.ToUpper(f.Sel.Name)
				case "note": // of logfile.Diagnostics: the level comes first
					if l, ok := call.Args[0].(*ast.SelectorExpr); ok && len(call.Args) > 1 {
						level, message = strings.ToUpper(strings.TrimPrefix(l.Sel.Name, "Level")), call.Args[1]
					}
				}
			}
			literal, isLiteral := message.(*ast.BasicLit)
			if level == "" || !isLiteral || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			list[text] = level
			return true
		})
	}
	if len(list) < 8 {
		t.Fatalf("only %d messages were found in the source: the test does not read it right", len(list))
	}
	return list
}

func TestOperation_ExplainsEveryDiagnosticAboveInfo(t *testing.T) {
	_, section, _ := strings.Cut(readPage(t), "\n## What `error.log` says\n")
	rows, known := tableRows(section, 3), diagnostics(t)
	for message, level := range known {
		row, ok := rows[message]
		switch {
		case !ok:
			t.Errorf("%s has no row for the diagnostic %q: msg, level, what to do", operationPage, message)
		case row[1] != level || row[2] == "":
			t.Errorf("%q: the page says level %s and %q, the source %s", message, row[1], row[2], level)
		}
	}
	for message := range rows {
		if _, ok := known[message]; !ok {
			t.Errorf("%s explains %q, which proxyd does not say", operationPage, message)
		}
	}
}

func TestOperation_ExplainsEveryState(t *testing.T) {
	rows := tableRows(readPage(t), 3)
	for _, s := range []state{stateStarting, stateHung, stateFailing, stateUnreachable, stateDenied, stateNotRunning, stateUnknown} {
		if _, ok := rows[string(s)]; !ok {
			t.Errorf("%s has no row for the state %q", operationPage, s)
		}
	}
}

// The examples of the page are the output that other tests hold sectionctl to: a block "```text FILE" is testdata/FILE.
func TestOperation_ShowsRealOutput(t *testing.T) {
	page := readPage(t)
	block := regexp.MustCompile("(?s)```text ([a-z.-]+)\n(.*?)```\n")
	shown := 0
	fresh := block.ReplaceAllStringFunc(page, func(text string) string {
		shown++
		name := block.FindStringSubmatch(text)[1]
		output, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return "```text " + name + "\n" + string(output) + "```\n"
	})
	if shown != 3 {
		t.Errorf("%d examples, want status, config and logs", shown)
	}
	if *update {
		write(t, operationPage, fresh)
		return
	}
	if fresh != page {
		t.Error("the examples are not what sectionctl prints: run this test with -update")
	}
}
