package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"section.internal/contract/control"
	"section.internal/contract/place"
)

// logLine is a line of the access log as proxyd writes it.
func logLine(seq int) string {
	return fmt.Sprintf(`{"time":"2025-11-21T12:00:00.%03dZ","client":"203.0.113.0","status":"200","cache":"pass","reason":"passed",`+
		`"time_taken_ms":"12","bytes":"5120","hostname":"www.example.com","request":"GET /%d HTTP/1.1","seq":"%d"}`+"\n", seq%1000, seq, seq)
}

func logLines(from, to int) string {
	var b strings.Builder
	for seq := from; seq <= to; seq++ {
		b.WriteString(logLine(seq))
	}
	return b.String()
}

// writeLog makes a log directory whose access log has that text.
func writeLog(t testing.TB, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, place.AccessLog(dir), text)
	return dir
}

func TestLogs_ShowsTheLastLinesInColumnsAndEnds(t *testing.T) {
	dir := writeLog(t, logLines(1, 30)+`{"time":"torn`)
	run := runDir(t)
	code, stdout, stderr := call(t, fixed(), "--run-dir", run, "--log-dir", dir, "logs", "-n", "3")
	if code != 0 || stderr != "" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	golden(t, "logs.txt", stdout, run, 0)
	_, stdout, _ = call(t, fixed(), "--run-dir", run, "--log-dir", dir, "logs")
	if n := strings.Count(stdout, "\n"); n != 21 {
		t.Errorf("%d lines, want the head and 20:\n%s", n, stdout)
	}
}

func TestLogs_JSONIsTheFileByteByByte(t *testing.T) {
	text := logLines(1, 2) + "no JSON \x1b\xff\n" + logLine(3)
	dir := writeLog(t, text)
	code, stdout, stderr := call(t, fixed(), "--run-dir", runDir(t), "--log-dir", dir, "logs", "--json")
	if code != 0 || stdout != text || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestLogs_TellsOfMissingLinesOnStderr(t *testing.T) {
	dir := writeLog(t, logLine(7)+logLine(10)+logLine(1))
	for _, args := range [][]string{{"logs"}, {"logs", "--json"}} {
		code, _, stderr := call(t, fixed(), append([]string{"--run-dir", runDir(t), "--log-dir", dir}, args...)...)
		want := "sectionctl: 2 lines are missing: seq goes from 7 to 10\nsectionctl: proxyd was restarted after seq 10\n"
		if code != 0 || stderr != want {
			t.Errorf("%q: exit %d, stderr %q, want %q", args, code, stderr, want)
		}
	}
}

func TestLogs_WithoutAFileSaysWhy(t *testing.T) {
	f := func(run, dir, want string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, fixed(), append([]string{"--run-dir", run, "--log-dir", dir, "logs"}, args...)...)
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "sectionctl: "+want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("exit %d, stdout %q, stderr %q; want exit 1 and %q", code, stdout, stderr, want)
		}
	}
	run, dir := runDir(t), t.TempDir()
	f(run, dir, "there is no access log "+dir+"/access.log (--log-dir): proxyd is not running: no pidfile at ")
	serve(t, run, healthy(1), control.Config{})
	f(run, dir, "there is no access log "+dir+"/access.log, but proxyd runs: ")

	status := healthy(1)
	status.Log.To = "stdout"
	toStdout := runDir(t)
	serve(t, toStdout, status, control.Config{})
	const goes = `the access log goes to proxyd's stdout (log.to = "stdout"), which the container's engine keeps`
	f(toStdout, dir, goes+": there is no file to read")
	f(toStdout, dir, goes+": there is no file to read", "-f")

	write(t, place.AccessLog(dir), logLine(1))
	code, stdout, stderr := call(t, fixed(), "--run-dir", toStdout, "--log-dir", dir, "logs", "--json")
	if code != 0 || stdout != logLine(1) || stderr != "sectionctl: "+goes+": "+dir+"/access.log holds older lines\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	f(run, filepath.Join(dir, "access.log"), "cannot read the access log: ")
}

// following is a sectionctl logs -f that runs.
type following struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	pipe   *os.File // the reading end of its stdout
	stderr bytes.Buffer
}

func follow(t *testing.T, logDir string, args ...string) *following {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	f := &following{t: t, pipe: read, stdout: bufio.NewReader(read)}
	f.cmd = sectionctl(append([]string{"--run-dir", runDir(t), "--log-dir", logDir, "logs", "-f"}, args...)...)
	f.cmd.Stdout, f.cmd.Stderr = write, &f.stderr
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { f.cmd.Process.Kill() })
	return f
}

// next returns the next line that it prints.
func (f *following) next() string {
	f.t.Helper()
	f.pipe.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := f.stdout.ReadString('\n')
	if err != nil {
		f.t.Fatalf("after %q: %v", line, err)
	}
	return line
}

// want compares the next lines with those of the log.
func (f *following) want(from, to int) {
	f.t.Helper()
	for seq := from; seq <= to; seq++ {
		if got := f.next(); got != logLine(seq) {
			f.t.Fatalf("got %q, want line %d", got, seq)
		}
	}
}

// end waits for its end, which must be a good one.
func (f *following) end(stderr string) {
	f.t.Helper()
	if err := f.cmd.Wait(); err != nil || f.stderr.String() != stderr {
		f.t.Errorf("ended with %v, stderr %q, want %q", err, &f.stderr, stderr)
	}
}

func TestLogsFollow_RotationsUnderAWriterLoseAndRepeatNothing(t *testing.T) {
	dir := writeLog(t, logLines(1, 5))
	f := follow(t, dir, "-n", "2", "--json")
	f.want(4, 5)
	open := func() *os.File {
		file, err := os.OpenFile(place.AccessLog(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	current, seq := open(), 5
	batch := func(n int) { put(t, current, logLines(seq+1, seq+n)); seq += n }
	for i := range 8 {
		from := seq + 1
		batch(300)
		if err := os.Rename(place.AccessLog(dir), place.AccessLog(dir)+".1"); err != nil {
			t.Fatal(err)
		}
		batch(200) // before proxyd is told
		fresh := open()
		batch(100) // what was under way
		current.Close()
		if i%2 == 0 {
			os.Remove(place.AccessLog(dir) + ".1")
		}
		current = fresh
		half := logLine(seq + 1)
		put(t, current, half[:20])
		put(t, current, half[20:])
		seq++
		f.want(from, seq)
	}
	current.Close()
	f.cmd.Process.Signal(syscall.SIGTERM)
	f.end("")
}

func TestLogsFollow_WaitsForAFileThatIsNotThereYet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	f := follow(t, dir)
	if head := f.next(); !strings.HasPrefix(head, "TIME ") {
		t.Errorf("the first line is %q", head)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, place.AccessLog(dir), logLine(1))
	if line := f.next(); !strings.HasSuffix(line, "  GET /1 HTTP/1.1\n") {
		t.Errorf("got %q", line)
	}
	f.cmd.Process.Signal(os.Interrupt)
	f.cmd.Wait()
	waiting := regexp.MustCompile(`^sectionctl: waiting for ` + regexp.QuoteMeta(place.AccessLog(dir)) + `: proxyd is not running: [^\n]*\n$`)
	if code := f.cmd.ProcessState.ExitCode(); code != 0 || !waiting.Match(f.stderr.Bytes()) {
		t.Errorf("exit %d, stderr %q", code, &f.stderr)
	}
}

func TestLogsFollow_EndsWhenNobodyReadsAnyMore(t *testing.T) {
	dir := writeLog(t, logLine(1))
	f := follow(t, dir, "--json")
	f.want(1, 1)
	f.pipe.Close() // and no line comes that would show it
	f.end("")
}

func TestLogs_ReaderThatHasSeenEnoughIsNoFailure(t *testing.T) {
	dir := writeLog(t, logLines(1, 5000))
	for _, verb := range [][]string{{"logs", "-n", "5000"}, {"--help"}} {
		cmd := sectionctl(append([]string{"--run-dir", runDir(t), "--log-dir", dir}, verb...)...)
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = write, &stderr
		err = cmd.Run()
		write.Close()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("%q: %v, stderr %q", verb, err, &stderr)
		}
	}
}

func TestLogs_StdoutThatTakesNothingIsAFailure(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd := sectionctl("--run-dir", runDir(t), "--log-dir", writeLog(t, logLine(1)), "logs")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &stderr
	cmd.Run()
	want := "sectionctl: cannot write to stdout: write /dev/stdout: no space left on device\n"
	if code := cmd.ProcessState.ExitCode(); code != 1 || stderr.String() != want {
		t.Errorf("exit %d, stderr %q, want %q", code, &stderr, want)
	}
}

// A pager that waits for a key does not read. The follower must end when it is told to, and must not lose a file that is rotated
// and compressed away in the meantime.
func TestLogsFollow_SlowReaderLosesNothingAndDoesNotHoldUpTheEnd(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	tl := newTailed(t)
	old := tl.open("access.log")
	lines := pipeSize(t, write)/len(logLine(1)) + 100 // more than the pipe takes
	put(t, old, logLines(1, lines))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &logView{ctx: ctx, out: &output{w: write}, json: true, note: t.Errorf}
	l.follower = newFollower(tl.path, l.line, l.note)
	defer l.follower.Close()
	if err := l.follower.look(); err != nil {
		t.Fatal(err)
	}
	// While it is stuck: two rotations, and the file between them is compressed away. The reader of the pipe begins only when the
	// follower holds all three.
	steps, copied := 0, make(chan error)
	l.idle = func() error {
		steps++
		switch steps {
		case 1:
			tl.rename("access.log", "access.log.1")
			put(t, tl.open("access.log"), logLine(lines+1))
		case 2:
			if err := os.Remove(tl.path); err != nil {
				return err
			}
			put(t, tl.open("access.log"), logLine(lines+2))
		}
		if err := l.follower.look(); err != nil {
			return err
		}
		if steps == 2 {
			go func() {
				_, err := io.CopyN(io.Discard, read, int64(len(logLines(1, lines+2))))
				copied <- err
			}()
		}
		return nil
	}
	if err := l.follower.startAtLast(lines); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what it held open while it was stuck it reads in the next round
		if err := l.follower.read(); err != nil {
			t.Fatal(err)
		}
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-copied; err != nil {
		t.Fatal(err)
	}
	if steps < 2 || l.sequence.newest != uint64(lines+2) {
		t.Errorf("stuck %d times; the newest line is %d of %d", steps, l.sequence.newest, lines+2)
	}
	// Nobody reads now.
	l.idle = func() error { cancel(); return nil }
	for range lines {
		l.pending.WriteString(logLine(1))
	}
	if err := l.flush(); err != context.Canceled {
		t.Errorf("the end of a follower that is stuck: %v", err)
	}
}

func pipeSize(t *testing.T, pipe *os.File) int {
	t.Helper()
	n, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
