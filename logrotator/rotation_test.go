package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/command/commandtest"
	"section.internal/contract/place"
)

// TestMain is the tool, or another process's part, when a test has started this binary for that.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("LOGROTATOR_TEST_PART") {
	case "writer":
		err = writeLines(os.Args[1], os.Args[2])
	case "killed":
		err = killedAt(os.Args[1], os.Args[2], os.Args[3])
	case "tool":
		main()
	case "full disk":
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096})
		if err == nil {
			main()
		}
	default:
		os.Exit(commandtest.Main(m, main))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rotate runs the tool and fails unless it succeeds in silence.
func rotate(s scene, args ...string) {
	s.t.Helper()
	if got := commandtest.Start(s.t, s.env(), args...)(); got != (commandtest.Result{}) {
		s.t.Fatalf("got %+v, want silence and exit code 0", got)
	}
}

// refuse runs the tool and fails unless it exits with 1 and nothing but the reason on stderr.
func refuse(s scene, reason string, args ...string) {
	s.t.Helper()
	wantRefused(s.t, commandtest.Start(s.t, s.env(), args...)(), reason)
}

func wantRefused(t *testing.T, got commandtest.Result, reason string) {
	t.Helper()
	if got.Code != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "logrotator: ") || !strings.Contains(got.Stderr, reason) {
		t.Fatalf("got %+v, want exit code 1 and %q on stderr", got, reason)
	}
}

func TestRotation_LosesNoLineWhileProxydWrites(t *testing.T) {
	s := newScene(t)
	w := startWriter(s)
	for range 15 {
		s.awaitLine()
		rotate(s)
	}
	n := w.stop()
	s.wantNumbered(n)
	s.wantCompressed()
	if files, _ := listRotated(s.log); len(files) != 15 {
		t.Errorf("%d lines in %d rotated files: want one of each run", n, len(files))
	}
}

func TestRotation_KilledAnywhereIsHealedByTheNextRun(t *testing.T) {
	s := newScene(t)
	w := startWriter(s)
	errorLines := 0
	kill := func(step int) (killed bool) {
		errorLines++
		s.addLine(place.ErrorLogName, strconv.Itoa(errorLines))
		s.write("access.log-20200101T000000.000000Z.gz.tmp", "half a copy")
		cmd := part("killed", s.log, s.run, strconv.Itoa(step))
		if err := cmd.Run(); err == nil {
			return false
		}
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			t.Fatalf("at step %d it ended with %v", step, status)
		}
		return true
	}
	steps := 1
	for s.awaitLine(); kill(steps); s.awaitLine() { // so that each run has both logs to rotate, and with them all steps
		rotate(s, "--keep", "1000")
		s.wantCompressed()
		steps++
	}
	if steps-1 < 16 {
		t.Errorf("it was killed at %d steps: where are the others", steps-1)
	}
	for step := range steps { // and now again and again before one comes through
		kill(step + 1)
	}
	rotate(s, "--keep", "1000")
	s.wantNumbered(w.stop())
	s.wantCompressed()
	for i, line := range s.lines(place.ErrorLogName) {
		if want := strconv.Itoa(i+1) + "\n"; line != want && (i != errorLines || line != "") {
			t.Fatalf("line %d of the error log is %q", i+1, line)
		}
	}
}

// killedAt is a run that is killed at the given step. It keeps all access logs, so that they can be counted.
func killedAt(logDir, runDir, step string) error {
	left, err := strconv.Atoi(step)
	if err != nil {
		return err
	}
	return rotation{
		logDir: logDir, pidfile: place.Pidfile(runDir), timeout: 10 * time.Second, keep: 1000, maxSize: 1 << 30,
		step: func() {
			if left--; left == 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	}.run(context.Background())
}

func TestRotation_NeedsNoProxyd(t *testing.T) {
	s := newScene(t)
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	access := s.write(place.AccessLogName, "0\n1\n")
	if err := os.Chmod(access, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(access, when, when); err != nil {
		t.Fatal(err)
	}
	s.write(place.ErrorLogName, "error\n")
	rotate(s)
	s.wantNumbered(2)
	s.wantCompressed()
	files, err := listRotated(s.log)
	if err != nil || len(files) != 2 || len(s.names()) != 2 {
		t.Fatalf("%q, %v", s.names(), err)
	}
	info, err := os.Stat(files[0].path(s.log))
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(when) {
		t.Errorf("the copy has mode %v and time %v, %v", info.Mode(), info.ModTime(), err)
	}
}

func TestRotation_NothingToRotateIsASuccess(t *testing.T) {
	s := newScene(t)
	rotate(s)
	s.write(place.AccessLogName, "")
	rotate(s)
	if names := s.names(); !slices.Equal(names, []string{place.AccessLogName}) {
		t.Errorf("it left %q of an empty log", names)
	}
	s.log = filepath.Join(s.log, "missing")
	rotate(s)
	if _, err := os.Stat(s.log); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing log directory: %v", err)
	}
}

func TestRotation_HealsWhatAKilledRunLeft(t *testing.T) {
	s := newScene(t)
	s.write("access.log-20260101T000000.000000Z", "0\n")
	s.write("access.log-20260102T000000.000000Z", "1\n") // with a copy that was complete, but is not the truth
	s.write("access.log-20260102T000000.000000Z.gz", "no gzip")
	s.write("access.log-20260103T000000.000000Z", "2\n")
	s.write("access.log-20260103T000000.000000Z.gz.tmp", "half a c")
	s.write("access.log-20260104T000000.000000Z.gz.tmp", "half a c")
	s.write(place.AccessLogName, "3\n")
	rotate(s)
	s.wantCompressed()
	s.wantNumbered(4)
}

func TestRotation_ClockThatWentBackKeepsTheOrder(t *testing.T) {
	s := newScene(t)
	s.write("access.log-20990101T000000.000000Z", "0\n")
	s.write(place.AccessLogName, "1\n")
	rotate(s)
	s.write(place.AccessLogName, "2\n")
	rotate(s)
	s.wantNumbered(3)
}

func TestRotation_ForeignPidStopsItBeforeAnythingIsMoved(t *testing.T) {
	s := newScene(t)
	s.write(place.AccessLogName, "0\n")
	if err := os.WriteFile(place.Pidfile(s.run), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		t.Fatal(err)
	}
	refuse(s, "foreign pid")
	if names := s.names(); !slices.Equal(names, []string{place.AccessLogName}) {
		t.Errorf("it left %q", names)
	}
}

func TestRotation_StoppedProxydIsNamedAndLosesNothing(t *testing.T) {
	s := newScene(t)
	w := startWriter(s)
	w.signal(syscall.SIGSTOP)
	reason := fmt.Sprintf("proxyd, process %d, has not re-opened its logs within", w.cmd.Process.Pid)
	refuse(s, reason, "--timeout", "100ms")
	refuse(s, reason, "--timeout", "100ms") // with nothing new to move
	if files, _ := listRotated(s.log); len(files) != 1 || files[0].kind != moved {
		t.Errorf("it left %q", s.names())
	}
	w.signal(syscall.SIGCONT)
	rotate(s)
	s.wantNumbered(w.stop())
	s.wantCompressed()
}

// A signal that came when nobody listened is as good as none: proxyd is told again.
func TestRotation_SignalIsRepeatedUntilItIsHeard(t *testing.T) {
	s := newScene(t)
	w := startWriter(s)
	moved := filepath.Join(s.log, "access.log-20260101T000000.000000Z")
	if err := os.Rename(filepath.Join(s.log, place.AccessLogName), moved); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(moved)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := process{pidfile: place.Pidfile(s.run)} // which has sent no signal yet
	if waited, err := p.waitUntilUnused(t.Context(), file, time.Now().Add(10*time.Second)); !waited || err != nil {
		t.Errorf("waitUntilUnused: %v, %v", waited, err)
	}
	file.Close()
	rotate(s)
	s.wantNumbered(w.stop())
}

func TestRotation_ProxydKilledMeanwhileHoldsNothing(t *testing.T) {
	s := newScene(t)
	w := startWriter(s)
	w.signal(syscall.SIGSTOP)
	wait := commandtest.Start(t, s.env())
	for len(s.names()) == 1 && !strings.Contains(s.names()[0], "-") { // until it has moved the log
		select {
		case <-t.Context().Done():
			t.Fatal("it moves nothing")
		case <-time.After(time.Millisecond):
		}
	}
	w.signal(syscall.SIGKILL)
	w.cmd.Wait()
	w.done = true
	if got := wait(); got != (commandtest.Result{}) {
		t.Errorf("got %+v, want silence and exit code 0", got)
	}
	s.wantCompressed()
}

func TestRotation_SecondOneAtOnceFailsAndHarmsNothing(t *testing.T) {
	s := newScene(t)
	s.write(place.AccessLogName, "0\n")
	dir, err := lockDirectory(s.log)
	if err != nil {
		t.Fatal(err)
	}
	refuse(s, "another logrotator is at work there")
	dir.Close()

	s = newScene(t)
	w := startWriter(s)
	var results []commandtest.Result
	for range 3 {
		var started []func() commandtest.Result
		for range 4 {
			started = append(started, commandtest.Start(t, s.env()))
		}
		for _, wait := range started {
			results = append(results, wait())
		}
	}
	for _, got := range results {
		if got.Code != 0 {
			wantRefused(t, got, "another logrotator is at work there")
		}
	}
	rotate(s)
	s.wantNumbered(w.stop())
	s.wantCompressed()
}

func TestRotation_FullDiskKeepsTheOriginal(t *testing.T) {
	s := newScene(t)
	random := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder
	for range 10_000 { // too random to be compressed into the 4 KiB that a file may have
		fmt.Fprintf(&lines, "%016x\n", random.Uint64())
	}
	s.write(place.AccessLogName, lines.String())
	cmd := part("full disk")
	cmd.Env = append(cmd.Env, s.env()...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	wantRefused(t, commandtest.Result{Code: cmd.ProcessState.ExitCode(), Stderr: stderr.String()}, "file too large: make room in "+s.log)
	if files, _ := listRotated(s.log); len(s.names()) != 1 || len(files) != 1 || files[0].kind != moved {
		t.Errorf("it ended with %v and left %q", err, s.names())
	}
	rotate(s)
	s.wantCompressed()
	if got := strings.Join(s.lines(place.AccessLogName), ""); got != lines.String() {
		t.Errorf("%d bytes are left of %d", len(got), lines.Len())
	}
}

func TestRotation_TouchesNothingElse(t *testing.T) {
	s := newScene(t)
	others := []string{
		"access.log.1", "access.log-20260101", "access.log-20260101T000000.000000Z.bz2", "access.log-20261301T000000.000000Z",
		"error.log-20260101T000000Z.gz", "other.log", "other.log-20260101T000000.000000Z", "access.log-20260101T000000.000000Z.gz.tmp.gz",
	}
	for _, name := range others {
		s.write(name, "other\n")
	}
	if err := os.Mkdir(filepath.Join(s.log, "access.log-20260101T000000.000000Z"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other.log", filepath.Join(s.log, "access.log-20260102T000000.000000Z")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other.log", filepath.Join(s.log, place.AccessLogName)); err != nil {
		t.Fatal(err)
	}
	before := s.names()
	rotate(s, "--keep", "1", "--max-size", "1B")
	if after := s.names(); !slices.Equal(before, after) {
		t.Errorf("of %q it left %q", before, after)
	}
	for _, name := range others {
		if got := readPlain(t, filepath.Join(s.log, name)); got != "other\n" {
			t.Errorf("%s now holds %q", name, got)
		}
	}
}

func readPlain(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestRotation_KeepsTheNewestOfEachLog(t *testing.T) {
	s := newScene(t)
	for i := range 5 {
		s.write(place.AccessLogName, strconv.Itoa(i)+"\n")
		if i < 2 {
			s.write(place.ErrorLogName, "error\n")
		}
		rotate(s, "--keep", "3")
	}
	if got := strings.Join(s.lines(place.AccessLogName), ""); got != "2\n3\n4\n" {
		t.Errorf("the access log holds %q", got)
	}
	if got := strings.Join(s.lines(place.ErrorLogName), ""); got != "error\nerror\n" {
		t.Errorf("the error log holds %q", got)
	}
}

func TestRotation_SaysWhichRightIsMissing(t *testing.T) {
	s := newScene(t)
	s.write(place.AccessLogName, "0\n")
	if os.Getuid() != 0 {
		if err := os.Chmod(s.log, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(s.log, 0o755) })
		refuse(s, fmt.Sprintf("permission denied: this runs as uid %d without rights in %s", os.Getuid(), s.log))
		return
	}
	wantRefused(t, rotateAsStranger(s), "run it as its owner, uid 0, or with the capability DAC_OVERRIDE")

	if err := os.Chmod(s.log, 0o777); err != nil {
		t.Fatal(err)
	}
	w := startWriter(s)
	wantRefused(t, rotateAsStranger(s), "this runs as uid 65534: run it as the user of proxyd, uid 0, or with the capability KILL")
	if names := s.names(); !slices.Equal(names, []string{place.AccessLogName}) {
		t.Errorf("it left %q", names)
	}
	w.stop()
}

// rotateAsStranger runs the tool as a user with no rights, to whom it opens the directories on the way.
func rotateAsStranger(s scene) commandtest.Result {
	s.t.Helper()
	bin := s.t.TempDir()
	for _, dir := range []string{s.log, s.run, bin} {
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	tool := filepath.Join(bin, "logrotator")
	if err := os.WriteFile(tool, self, 0o755); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(tool)
	cmd.Dir = "/"
	cmd.Env = append(part("tool").Env, s.env()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return commandtest.Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

func TestTool_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	s := newScene(t)
	f := func(reason string, args ...string) {
		t.Helper()
		got := commandtest.Start(t, s.env(), args...)()
		if got.Code != 2 || got.Stdout != "" || !strings.Contains(got.Stderr, reason) {
			t.Errorf("%q: got %+v, want exit code 2 and %q", args, got, reason)
		}
	}
	f("want 1 or more", "--keep", "0")
	f(`want a size above 0 such as "512MiB"`, "--max-size", "1 GiB")
	f(`want a size above 0 such as "512MiB"`, "--max-size", "0")
	f("want a length of time above 0", "--timeout", "0s")
	f("unexpected argument", "now")
	f("flag provided but not defined", "--force")
}

func TestTool_Help(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"logrotator", "--help"}, &stdout, &stderr); code != 0 || stderr.String() != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	commandtest.Golden(t, "help.txt", stdout.String())
}

func TestRotation_InterruptedLeavesTheRestToTheNextRun(t *testing.T) {
	s := newScene(t)
	s.write(place.AccessLogName, "0\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr strings.Builder
	code := run(ctx, []string{"logrotator", "--log-dir", s.log, "--run-dir", s.run}, io.Discard, &stderr)
	wantRefused(t, commandtest.Result{Code: code, Stderr: stderr.String()}, "interrupted")
	rotate(s)
	s.wantNumbered(1)
	s.wantCompressed()
}

// Two runs in one process are two as well: the lock belongs to the open directory.
func TestLockDirectory_IsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	held := make(chan *os.File, 8)
	for range cap(held) {
		group.Go(func() {
			if file, err := lockDirectory(dir); err == nil {
				held <- file
			}
		})
	}
	group.Wait()
	close(held)
	n := 0
	for file := range held {
		file.Close()
		n++
	}
	if n != 1 {
		t.Errorf("%d hold the lock", n)
	}
}
