package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/e2e/binaries"
)

func TestSmoke_EachBinaryPassesWithOneLine(t *testing.T) {
	dir := finished(t)
	var out bytes.Buffer
	if err := run(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(jobs) {
		t.Fatalf("%d lines for %d binaries:\n%s", len(lines), len(jobs), out.String())
	}
	for i, job := range jobs {
		if !strings.HasPrefix(lines[i], job.tool) || !strings.Contains(lines[i], " ok: ") {
			t.Errorf("line %d is %q: want it to say that %s is ok", i+1, lines[i], job.tool)
		}
	}
}

func TestSmoke_NamesTheBinaryThatFails(t *testing.T) {
	good, dir := finished(t), t.TempDir()
	for _, job := range jobs {
		if err := os.Symlink(filepath.Join(good, job.tool), filepath.Join(dir, job.tool)); err != nil {
			t.Fatal(err)
		}
	}
	broken := filepath.Join(dir, "deploy")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	// It introduces itself well, and then does nothing: only its main job tells.
	script := "#!/bin/sh\ncase \"$1\" in -*) exec " + filepath.Join(good, "deploy") + " \"$@\" ;; esac\n"
	if err := os.WriteFile(broken, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), dir, &out)
	if err == nil || !strings.HasPrefix(err.Error(), "deploy: ") {
		t.Errorf("the error is %v: want one that names deploy", err)
	}
	if strings.Contains(out.String(), "deploy") || strings.Contains(out.String(), "logrotator") {
		t.Errorf("a line for deploy or for what comes after it:\n%s", out.String())
	}
}

// The container is pulled often, so all six binaries together stay small, built as `make build` does.
func TestBinaries_TogetherAtMost45MB(t *testing.T) {
	var dir string
	if os.Getenv(binaries.DirEnv) != "" {
		dir = finished(t)
	} else {
		root, err := binaries.Root()
		if err != nil {
			t.Fatal(err)
		}
		dir = t.TempDir()
		if out, err := exec.Command("make", "-C", root, "build", "BIN="+dir).CombinedOutput(); err != nil {
			t.Fatalf("make build: %v\n%s", err, out)
		}
	}
	var sum int64
	for _, job := range jobs {
		info, err := os.Stat(filepath.Join(dir, job.tool))
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	if limit := int64(45e6); sum > limit {
		t.Errorf("the six binaries have %d bytes: want at most %d", sum, limit)
	}
}

// finished returns a directory that holds all binaries.
func finished(t *testing.T) string {
	t.Helper()
	set, err := binaries.New(os.Getenv(binaries.DirEnv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	var dir string
	for _, job := range jobs {
		path, err := set.Path(job.tool)
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Dir(path)
	}
	return dir
}
