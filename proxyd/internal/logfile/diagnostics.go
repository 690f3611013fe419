package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"section.internal/contract/config"
)

// Diagnostics is where log/slog's lines go: to stderr always, and to error.log beside it while the configuration asks for
// files. All methods may be called from any goroutine.
//
// A file that cannot be written never costs the line on stderr; that the file lacks lines is said there once, and so is the
// end of it.
type Diagnostics struct {
	path   string
	stderr io.Writer
	level  slog.LevelVar

	mu      sync.Mutex // keeps lines whole and guards the rest; taken before File's own lock
	file    *File      // nil while there is none
	missing int        // lines that the file lacks since it could last be written
}

// NewDiagnostics returns diagnostics on stderr alone, at level info; path is where Apply puts error.log.
func NewDiagnostics(stderr io.Writer, path string) *Diagnostics {
	return &Diagnostics{path: path, stderr: stderr}
}

// Handler returns a handler that writes one line of text a record, with the time in UTC.
func (d *Diagnostics) Handler() slog.Handler { return textHandler(diagnosticsWriter{d}, &d.level) }

// SetLevel sets the least level that is written: debug, info, warn or error.
func (d *Diagnostics) SetLevel(name string) error {
	level, err := parseLevel(name)
	if err != nil {
		return err
	}
	d.level.Set(level)
	return nil
}

// Level returns the name of the least level that is written.
func (d *Diagnostics) Level() string {
	for name, level := range levels {
		if level == d.level.Level() {
			return name
		}
	}
	panic("BUG: the level of diagnostics has no name")
}

// Apply takes over a configuration: opens or closes the file, and sets the level. On an error nothing has changed.
func (d *Diagnostics) Apply(c config.Log) error {
	level, err := parseLevel(c.Level)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if wanted := c.To != config.LogToStdout; wanted && d.file == nil {
		if d.file, err = Open(d.path); err != nil {
			d.file = nil
			return err
		}
		d.missing = 0
	} else if !wanted {
		d.closeFile() // a close that fails loses no line: each is written as it comes
	}
	d.level.Set(level)
	return nil
}

// Reopen re-opens the file, where there is one; see File.Reopen.
func (d *Diagnostics) Reopen() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	return d.file.Reopen()
}

// Close closes the file. What is logged afterwards goes to stderr alone.
func (d *Diagnostics) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closeFile()
}

func (d *Diagnostics) closeFile() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// diagnosticsWriter is the io.Writer behind the handler, which calls it once a line.
type diagnosticsWriter struct{ d *Diagnostics }

func (w diagnosticsWriter) Write(line []byte) (int, error) {
	d := w.d
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.stderr.Write(line)
	if d.file == nil {
		return len(line), err
	}
	_, fileErr := d.file.Write(line)
	switch {
	case fileErr != nil && d.missing == 0:
		d.missing = 1
		d.note(slog.LevelError, "error log cannot be written", slog.Any("error", fileErr))
	case fileErr != nil:
		d.missing++
	case d.missing > 0:
		d.note(slog.LevelWarn, "error log is written again", slog.String("path", d.path), slog.Int("missing_lines", d.missing))
		d.missing = 0
	}
	return len(line), errors.Join(err, fileErr)
}

// note writes to stderr alone, from where d.mu is held.
func (d *Diagnostics) note(level slog.Level, msg string, attrs ...slog.Attr) {
	slog.New(textHandler(d.stderr, nil)).LogAttrs(context.Background(), level, msg, attrs...)
}

func textHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
				a.Value = slog.TimeValue(a.Value.Time().UTC())
			}
			return a
		},
	})
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func parseLevel(name string) (slog.Level, error) {
	level, ok := levels[name]
	if !ok {
		return 0, fmt.Errorf("unknown log level %q: want debug, info, warn or error", name)
	}
	return level, nil
}
