package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

// scene is a log directory and a run directory.
type scene struct {
	t        *testing.T
	log, run string
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene{t: t, log: t.TempDir(), run: t.TempDir()}
	return s
}

// env gives the tool the scene's directories.
func (s scene) env(more ...string) []string {
	return append([]string{place.LogDir.Env + "=" + s.log, place.RunDir.Env + "=" + s.run}, more...)
}

func (s scene) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.log, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// addLine adds a line to a log that nobody else writes to.
func (s scene) addLine(log, line string) {
	s.t.Helper()
	file, err := os.OpenFile(filepath.Join(s.log, log), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(line + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// awaitLine waits until the access log has a line to rotate. Its writer must have been told of the newest rotation.
func (s scene) awaitLine() {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		if info, err := os.Stat(filepath.Join(s.log, place.AccessLogName)); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("nothing is written to the access log; files: %q", s.names())
		}
	}
}

// names returns what is in the log directory.
func (s scene) names() []string {
	s.t.Helper()
	entries, err := os.ReadDir(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// lines returns every line of a log, in the order of its files; which of them are compressed is of no importance.
func (s scene) lines(log string) []string {
	s.t.Helper()
	files, err := listRotated(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	var content strings.Builder
	for i, f := range files {
		if f.log != log || f.kind == halfCopy {
			continue
		}
		if f.kind == copied && i > 0 && files[i-1].stamp == f.stamp && files[i-1].log == log && files[i-1].kind == moved {
			continue // the copy of a file that is still there
		}
		content.WriteString(readFile(s.t, f.path(s.log)))
	}
	if current, err := os.ReadFile(filepath.Join(s.log, log)); err == nil {
		content.Write(current)
	}
	return strings.SplitAfter(content.String(), "\n")
}

// wantNumbered fails unless the lines of access.log are the numbers from 0 to n-1, each once.
func (s scene) wantNumbered(n int) {
	s.t.Helper()
	lines := s.lines(place.AccessLogName)
	for i := range n {
		if i >= len(lines) || lines[i] != strconv.Itoa(i)+"\n" {
			s.t.Fatalf("of %d lines, line %d is %q; files: %q", n, i, lines[min(i, len(lines)-1)], s.names())
		}
	}
	if len(lines) != n+1 || lines[n] != "" {
		s.t.Fatalf("%d lines are there, %d were written", len(lines)-1, n)
	}
}

// wantCompressed fails unless all rotated files are compressed.
func (s scene) wantCompressed() {
	s.t.Helper()
	files, err := listRotated(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if f.kind != copied {
			s.t.Errorf("%s is left", f.path(s.log))
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, string(copied)) {
		if in, err = gzip.NewReader(file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	content, err := io.ReadAll(in)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(content)
}

// writer is a process that logs as proxyd does.
type writer struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	done bool
}

// startWriter starts a writer of numbered lines and returns when it has claimed the pidfile and written the first.
func startWriter(s scene) *writer {
	s.t.Helper()
	w := &writer{t: s.t, cmd: part("writer", s.log, s.run)}
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	w.out = bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if !w.done {
			w.cmd.Process.Kill()
			w.cmd.Wait()
		}
	})
	if line, err := w.out.ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("the writer says %q: %v", line, err)
	}
	return w
}

// stop ends the writer and returns how many lines it has written.
func (w *writer) stop() int {
	w.t.Helper()
	w.in.Close()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	w.done = true
	if err := w.cmd.Wait(); err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *writer) signal(sig syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(sig); err != nil {
		w.t.Fatal(err)
	}
}

// part starts this test binary for another process's part; see TestMain.
func part(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "LOGROTATOR_TEST_PART="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// writeLines is the writer's part: it keeps proxyd's promises to the rotator, with as little as they take.
func writeLines(logDir, runDir string) error {
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGUSR1)
	pid, err := pidfile.Claim(place.Pidfile(runDir))
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	path := place.AccessLog(logDir)
	file, err := openLog(path)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if _, err := file.WriteString(strconv.Itoa(n) + "\n"); err != nil {
			return err
		}
		if n == 0 {
			fmt.Println("ready")
		}
		select {
		case <-stop:
			fmt.Println(n + 1)
			return pid.Release()
		case <-reopen:
			newFile, err := openLog(path)
			if err != nil {
				return err
			}
			if err := file.Close(); err != nil {
				return err
			}
			file = newFile
		default:
			if n%10 == 0 {
				syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 500}) // some ten thousand lines a second are enough
			}
		}
	}
}

func openLog(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
			opened, err := file.Stat()
			if err != nil {
				return nil, err
			}
			if there, err := os.Stat(path); err == nil && os.SameFile(opened, there) {
				return file, nil
			}
		}
		file.Close()
	}
}
