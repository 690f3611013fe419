package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"section.internal/e2e/binaries"
)

// The page that lists clause, test and code is only worth something as long as it is true.
func TestContractPage_NamesTestsAndFilesThatExist(t *testing.T) {
	root, page := contractPage(t)
	there := testNames(t, root)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page, -1)
	if len(named) == 0 {
		t.Fatal("the page names no test")
	}
	for _, m := range named {
		if there[m[1]] == "" {
			t.Errorf("the page names %s, which does not exist", m[1])
		}
	}
	for row := range strings.Lines(page) {
		columns := strings.Split(row, "|")
		if len(columns) < 4 || strings.HasPrefix(columns[1], "---") || strings.Contains(columns[1], " clause ") {
			continue
		}
		if !strings.Contains(columns[2], "`TestContract_") {
			t.Errorf("the clause %q has no test of the image", strings.TrimSpace(columns[1]))
		}
		files := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(columns[3], -1)
		if len(files) == 0 {
			t.Errorf("the clause %q names no code", strings.TrimSpace(columns[1]))
		}
		for _, m := range files {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("the page names a file that is not there: %v", err)
			}
		}
	}
}

func TestContractPage_ListsEveryTestOfAClause(t *testing.T) {
	root, page := contractPage(t)
	for name, file := range testNames(t, root) {
		if strings.HasPrefix(name, "TestContract_") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s: %s is not on the page", file, name)
		}
	}
}

func contractPage(t *testing.T) (root, page string) {
	t.Helper()
	root, err := binaries.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	return root, string(text)
}

// testNames returns the tests of the workspace, each with the file that it is in.
func testNames(t *testing.T, root string) map[string]string {
	t.Helper()
	head := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ \*testing\.[TF]\)`)
	names := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range head.FindAllSubmatch(text, -1) {
			names[string(m[1])] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
