package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// otherScenarios are those that show no clause of HTTP but what another manual page tells of.
var otherScenarios = map[string]string{
	"access-log":                           "operation.md",
	"access-log-client-from-forwarded-for": "operation.md",
	"access-log-ipv6-is-masked":            "operation.md",
	"health-check":                         "contract.md",
	"reload-keeps-connections":             "configuration.md",
}

func TestHTTPPage_NamesScenariosAndTestsThatExist(t *testing.T) {
	root, rows := httpPage(t)
	there := testNames(t, root)
	for _, scenario := range scenarioNames(t, root) {
		there[scenario] = scenario
	}
	for _, row := range rows {
		if len(row.tests) == 0 {
			t.Errorf("line %d: %q has no test", row.line, row.clause)
		}
		for _, name := range row.tests {
			if there[name] == "" {
				t.Errorf("line %d: %s does not exist", row.line, name)
			}
		}
	}
}

func TestHTTPPage_ListsEveryScenario(t *testing.T) {
	root, rows := httpPage(t)
	named := map[string]bool{}
	for _, row := range rows {
		for _, name := range row.tests {
			named[name] = true
		}
	}
	scenarios := scenarioNames(t, root)
	for _, name := range scenarios {
		rule := strings.HasPrefix(name, "rule-") // what rules do: configuration.md
		if other := otherScenarios[name]; !named[name] && other == "" && !rule {
			t.Errorf("e2e/scenario/testdata/%s.txt is not on the page: name it at the clause that it shows, or in otherScenarios", name)
		}
	}
	for name, page := range otherScenarios {
		if !slices.Contains(scenarios, name) {
			t.Errorf("otherScenarios names %s, which does not exist", name)
		}
		if _, err := os.Stat(filepath.Join(root, "docs", page)); err != nil {
			t.Error(err)
		}
	}
}

func TestHTTPPage_SectionsAscend(t *testing.T) {
	_, rows := httpPage(t)
	numbers := regexp.MustCompile(`^\d+(\.\d+)*`)
	var before []int
	tables := 0
	for i, row := range rows {
		if row.header != "clause" {
			continue
		}
		if i == 0 || row.table != rows[i-1].table {
			before, tables = nil, tables+1
		}
		var section []int
		for number := range strings.SplitSeq(numbers.FindString(row.clause), ".") {
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("line %d: %q does not begin with a section", row.line, row.clause)
			}
			section = append(section, n)
		}
		if slices.Compare(before, section) > 0 {
			t.Errorf("line %d: section %v comes behind %v", row.line, section, before)
		}
		before = section
	}
	if tables != 2 {
		t.Errorf("%d tables of clauses, want one of RFC 9112 and one of RFC 9110", tables)
	}
}

// pageRow is one row of a table of docs/http.md.
type pageRow struct {
	line   int
	table  int
	header string // of the first column
	clause string
	tests  []string // the names in the last column
}

func httpPage(t *testing.T) (root string, rows []pageRow) {
	t.Helper()
	root, _ = contractPage(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "http.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`([^`]+)`")
	header, table := "", 0
	for i, line := range strings.Split(string(text), "\n") {
		columns := strings.Split(strings.ReplaceAll(line, `\|`, ""), "|")
		switch {
		case len(columns) < 5:
			header = ""
			continue
		case header == "":
			header = strings.TrimSpace(columns[1])
			table++
			continue
		case strings.HasPrefix(columns[1], "---"):
			continue
		}
		row := pageRow{line: i + 1, table: table, header: header, clause: strings.TrimSpace(columns[1])}
		for _, m := range name.FindAllStringSubmatch(columns[len(columns)-2], -1) {
			row.tests = append(row.tests, m[1])
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatal("the page has no table")
	}
	return root, rows
}

func scenarioNames(t *testing.T, root string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "e2e", "scenario", "testdata", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".txt"))
	}
	return names
}
