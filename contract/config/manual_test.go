package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const manual = "../../docs/configuration.md"

// block returns what stands between two marks of the manual.
func block(t *testing.T, text, start, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, start)
	inside, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the manual has nothing between %q and %q", start, end)
	}
	return inside
}

func TestManual_ItsExampleIsTaken(t *testing.T) {
	text, err := os.ReadFile(manual)
	must(t, err)
	loaded, err := Load(dirWith(t, []byte(block(t, string(text), "```toml\n", "```"))))
	must(t, err)
	set := 0
	for _, v := range loaded.Values {
		if v.Source != SourceDefault {
			set++
		}
	}
	if set != 7 {
		t.Errorf("the example sets %d keys", set)
	}
}

// TestManual_TellsTheTruth holds the two generated parts of the manual against the code: the table of keys, and what is said about
// its file with mistakes.
func TestManual_TellsTheTruth(t *testing.T) {
	old, err := os.ReadFile(manual)
	must(t, err)
	text := string(old)

	_, err = Load(dirWith(t, []byte(block(t, text, "```toml mistakes\n", "```"))))
	if problems, ok := err.(Problems); !ok || len(problems) != 4 {
		t.Fatalf("the manual's mistakes give %v", err)
	}
	const mistakes, keys, endOfKeys = "```text\n", "<!-- keys -->\n", "<!-- end of keys -->"
	text = strings.Replace(text, mistakes+block(t, text, mistakes, "```"), mistakes+err.Error()+"\n", 1)
	text = strings.Replace(text, keys+block(t, text, keys, endOfKeys), keys+tableOfKeys(), 1)
	golden(t, manual, []byte(text))
}

// tableOfKeys returns the table of keys in Markdown.
func tableOfKeys() string {
	var b strings.Builder
	d := Default()
	for _, table := range tables() {
		fmt.Fprintf(&b, "\n### `[%s]`\n\n| key | kind | default | accepted | meaning |\n|---|---|---|---|---|\n", table)
		for _, k := range keys {
			if k.table() != table {
				continue
			}
			kind := [...]string{kindDuration: "duration", kindSize: "size", kindCount: "count", kindChoice: "choice"}[k.kind]
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", strings.TrimPrefix(k.name, table+"."), kind, k.value(&d), k.accepted(), k.doc)
		}
	}
	b.WriteString("\n")
	return b.String()
}
