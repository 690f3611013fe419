package logfile

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"section.internal/contract/config"
)

var anyTime = regexp.MustCompile(`time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// plain takes out the times, after it has held them against the form that they must have.
func plain(s string) string { return anyTime.ReplaceAllString(s, "time=T") }

func TestDiagnostics_GoToStderrAndTheFileAlike(t *testing.T) {
	var stderr bytes.Buffer
	path := filepath.Join(t.TempDir(), "error.log")
	d := NewDiagnostics(&stderr, path)
	log := slog.New(d.Handler())
	log.Info("before")
	mustApply(t, d, config.Log{To: config.LogToBoth, Level: "info"})
	log.Info("listening", "address", "127.0.0.1:80", "note", "two\nlines")
	mustApply(t, d, config.Log{To: config.LogToStdout, Level: "info"})
	log.Info("after")
	const line = "time=T level=INFO msg=listening address=127.0.0.1:80 note=\"two\\nlines\"\n"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := plain(string(content)); got != line {
		t.Errorf("error.log holds\n%s", got)
	}
	if got := plain(stderr.String()); got != "time=T level=INFO msg=before\n"+line+"time=T level=INFO msg=after\n" {
		t.Errorf("stderr got\n%s", got)
	}
}

func TestDiagnostics_LevelChangesAtRunTime(t *testing.T) {
	var stderr bytes.Buffer
	d := NewDiagnostics(&stderr, "")
	log := slog.New(d.Handler())
	log.Debug("hidden")
	if err := d.SetLevel("debug"); err != nil {
		t.Fatal(err)
	}
	log.Debug("seen")
	if got := plain(stderr.String()); got != "time=T level=DEBUG msg=seen\n" || d.Level() != "debug" {
		t.Errorf("at level %s stderr got %q", d.Level(), got)
	}
	if err := d.SetLevel("loud"); err == nil || err.Error() != `unknown log level "loud": want debug, info, warn or error` {
		t.Errorf("SetLevel(loud): %v", err)
	}
	if d.Level() != "debug" {
		t.Errorf("a wrong level changed it to %s", d.Level())
	}
}

func TestDiagnostics_FailedApplyChangesNothing(t *testing.T) {
	d := NewDiagnostics(&bytes.Buffer{}, filepath.Join(t.TempDir(), "missing", "error.log"))
	if err := d.Apply(config.Log{To: config.LogToFiles, Level: "debug"}); err == nil {
		t.Error("Apply has opened a file in a directory that is not there")
	}
	if d.Level() != "info" {
		t.Errorf("level is %s, want info as before", d.Level())
	}
}

func TestDiagnostics_FullDiskKeepsTheCopyOnStderr(t *testing.T) {
	var stderr bytes.Buffer
	path := filepath.Join(t.TempDir(), "error.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	d := NewDiagnostics(&stderr, path)
	mustApply(t, d, config.Log{To: config.LogToFiles, Level: "info"})
	log := slog.New(d.Handler())
	log.Warn("one")
	log.Warn("two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := d.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.Warn("three")
	want := "time=T level=WARN msg=one\n" +
		"time=T level=ERROR msg=\"error log cannot be written\" error=\"write PATH: no space left on device\"\n" +
		"time=T level=WARN msg=two\n" +
		"time=T level=WARN msg=three\n" +
		"time=T level=WARN msg=\"error log is written again\" path=PATH missing_lines=2\n"
	if got := strings.ReplaceAll(plain(stderr.String()), path, "PATH"); got != want {
		t.Errorf("stderr got\n%swant\n%s", got, want)
	}
	content, err := os.ReadFile(path)
	if err != nil || plain(string(content)) != "time=T level=WARN msg=three\n" {
		t.Errorf("error.log holds %q, %v", content, err)
	}
}

func mustApply(t *testing.T, d *Diagnostics, c config.Log) {
	t.Helper()
	if err := d.Apply(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
}
