package config

import (
	"fmt"
	"os"
	"slices"
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

// tableOfKeys returns the tables of keys in Markdown.
func tableOfKeys() string {
	var b strings.Builder
	d := Default()
	heading := func(title, doc string) {
		fmt.Fprintf(&b, "\n### %s\n\n", title)
		if doc != "" {
			fmt.Fprintf(&b, "%s.\n\n", strings.ToUpper(doc[:1])+doc[1:])
		}
		b.WriteString("| key | kind | default | accepted | meaning |\n|---|---|---|---|---|\n")
	}
	row := func(k key, name, without string) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, manualKind(k), without, manualAccepted(k), k.doc)
	}
	for _, table := range append([]string{""}, tables()...) {
		title := "`[" + table + "]`"
		if table == "" {
			title = "At the top of the file"
		}
		heading(title, "")
		for _, k := range keys {
			if k.table() == table {
				row(k, strings.TrimPrefix(k.name, table+"."), "`"+k.value(&d)+"`")
			}
		}
	}
	for _, t := range slices.Concat(nested, tested) {
		title := "`" + t.name + "`"
		if t.name == "rule" || t.name == "test" {
			title = "`[[" + t.name + "]]`"
		}
		heading(title, t.doc)
		for _, k := range t.keys {
			without := k.without
			switch {
			case k.required:
				without = "required"
			case without == "":
				without = "–"
			case strings.HasPrefix(without, `"`):
				without = "`" + without + "`"
			}
			row(k, k.name, without)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func manualKind(k key) string {
	kind := k.word()
	switch {
	case k.kind == kindTable:
		return fmt.Sprintf("table [`%s`](#%s)", k.of, strings.ReplaceAll(k.of, ".", ""))
	case k.many && k.names != "":
		kind += ", or list, by name"
	case k.many:
		kind += ", or list"
	case k.names != "":
		kind += ", by name"
	}
	return kind
}

func manualAccepted(k key) string {
	switch k.kind {
	case kindDuration, kindSize, kindCount, kindChoice, kindSwitch, kindBy:
		return k.accepted()
	}
	return "such as `" + strings.ReplaceAll(k.sample(), "|", `\|`) + "`"
}
