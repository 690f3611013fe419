package main

import (
	"fmt"
	"strings"

	"section.internal/contract/nearest"
)

// want says what was found where one of the known names was wanted, which these are, and which was probably meant.
func want(found string, known []string) string {
	quoted := make([]string, len(known))
	for i, name := range known {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	last := len(quoted) - 1
	text := fmt.Sprintf("%.80q: want %s or %s", found, strings.Join(quoted[:last], ", "), quoted[last])
	if near := nearest.Of(strings.TrimSpace(found), known); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return text
}

// manual lists the messages for --help.
func manual() string {
	var text strings.Builder
	text.WriteString("NAME is in any case. ARGUMENTS are one string, and may be missing or empty where a message takes none.\n\n")
	for _, m := range messages() {
		fmt.Fprintf(&text, "%-24s %s\n", strings.TrimSpace(m.name+" "+m.arguments), m.sentence)
	}
	text.WriteString("\nExits 0 in silence when it is done; 1 with the reason on stderr when it is not;\n" +
		"2 when the command line is wrong.")
	return text.String()
}
