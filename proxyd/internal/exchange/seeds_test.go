package exchange

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Said returns what the clients, or the origins, of the end-to-end scenarios say, one text a file: the seeds of the fuzz targets.
// Only the format's escapes and ends of lines are understood here; package scenario owns it.
func Said(t testing.TB, who string) (texts [][]byte) {
	t.Helper()
	files, err := filepath.Glob("../../../e2e/scenario/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios to take seeds from: %v", err)
	}
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var text []byte
		speaks := false
		for line := range strings.Lines(string(file)) {
			line = strings.TrimSuffix(line, "\n")
			if block, ok := strings.CutPrefix(line, "|"); ok {
				if speaks {
					text = append(text, unescaped(strings.TrimPrefix(block, " "))...)
				}
				continue
			}
			speaks = strings.HasPrefix(line, who+" ") && strings.HasSuffix(line, "says")
		}
		if len(text) > 0 && len(text) < 8<<10 {
			texts = append(texts, text)
		}
	}
	return texts
}

var escape = regexp.MustCompile(`\\([rnt\\{}]|x[0-9a-fA-F]{2})|\{([0-9]+)\*([^}]*)\}`)

func unescaped(line string) []byte {
	line, open := strings.CutSuffix(line, `\`)
	out := escape.ReplaceAllFunc([]byte(line), func(b []byte) []byte {
		m := escape.FindSubmatch(b)
		switch {
		case len(m[2]) > 0:
			n, _ := strconv.Atoi(string(m[2]))
			return bytes.Repeat(m[3], min(n, 1<<20))
		case m[1][0] == 'x':
			n, _ := strconv.ParseUint(string(m[1][1:]), 16, 8)
			return []byte{byte(n)}
		}
		return []byte{map[byte]byte{'r': '\r', 'n': '\n', 't': '\t'}[m[1][0]] | map[byte]byte{'\\': '\\', '{': '{', '}': '}'}[m[1][0]]}
	})
	if !open {
		out = append(out, "\r\n"...)
	}
	return out
}
