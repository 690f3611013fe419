package proxydtest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/place"
)

// Line is one line of the access log: every value is a string.
type Line map[string]string

// AccessLog returns the lines of the live access log.
func (d Dirs) AccessLog(tb testing.TB) []Line {
	tb.Helper()
	var lines []Line
	readLog(tb, place.AccessLog(d.Log), true, func(l Line) { lines = append(lines, l) })
	return lines
}

// EachLogged calls f with every line of the live access log and of all rotated ones.
func (d Dirs) EachLogged(tb testing.TB, f func(Line)) {
	tb.Helper()
	paths, err := filepath.Glob(place.AccessLog(d.Log) + "*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range paths {
		readLog(tb, path, true, f)
	}
}

// AwaitLogged waits until the live access log holds at least n lines and returns them.
func (d Dirs) AwaitLogged(tb testing.TB, n int) []Line {
	tb.Helper()
	var lines []Line
	Eventually(tb, fmt.Sprintf("%d lines in the access log", n), func() error {
		lines = nil
		readLog(tb, place.AccessLog(d.Log), false, func(l Line) { lines = append(lines, l) })
		if len(lines) < n {
			return fmt.Errorf("there are %d", len(lines))
		}
		return nil
	})
	return lines
}

// readLog calls f with each line of a log. A last line without its end is fine only while proxyd may be writing it, which is
// when the log is not whole.
func readLog(tb testing.TB, path string, whole bool, f func(Line)) {
	tb.Helper()
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
	}
	lines := bufio.NewReaderSize(from, 256<<10)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		switch {
		case err == io.EOF && len(text) == 0, err == io.EOF && !whole:
			return
		case err == io.EOF:
			tb.Fatalf("%s:%d: the line has no end: %q", path, n, text)
		case err != nil:
			tb.Fatalf("%s:%d: %v", path, n, err)
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			tb.Fatalf("%s:%d: %v: want one JSON object whose values are strings: %q", path, n, err, text)
		}
		f(l)
	}
}
