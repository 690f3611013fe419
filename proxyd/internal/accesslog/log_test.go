package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"section.internal/contract/config"
)

// TestMain fails when a test leaves a writer behind.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(2 * time.Second); code == 0; runtime.Gosched() {
		left := stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(left, []byte("accesslog.(*queue).run")) {
			break
		}
		if time.Now().After(deadline) {
			fmt.Printf("goroutines are left:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// destination of the tests: a writer that does what the test says.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

var (
	toStdout = config.Log{To: config.LogToStdout, ClientAddress: config.AddressMasked}
	toFiles  = config.Log{To: config.LogToFiles, ClientAddress: config.AddressMasked}
	toBoth   = config.Log{To: config.LogToBoth, ClientAddress: config.AddressMasked}
)

func newLog(t testing.TB, o Options) *Log {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// pass lets time pass in the bubble of synctest, and everything happen that then happens.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// seqs returns the numbers of the lines, each of which must be whole.
func seqs(t testing.TB, lines []byte) []int {
	t.Helper()
	var all []int
	for line := range bytes.Lines(lines) {
		_, seq, ok := bytes.Cut(line, []byte(`","seq":"`))
		n, err := strconv.Atoi(strings.TrimSuffix(string(seq), "\"}\n"))
		if !ok || err != nil || line[0] != '{' {
			t.Fatalf("not a line: %q", line)
		}
		all = append(all, n)
	}
	return all
}

// wantSeqs fails unless the lines are those from first to last.
func wantSeqs(t testing.TB, lines []byte, first, last int) {
	t.Helper()
	all := seqs(t, lines)
	for i, n := range all {
		if n != first+i {
			t.Fatalf("line %d has seq %d, want %d", i, n, first+i)
		}
	}
	if len(all) != last-first+1 {
		t.Fatalf("%d lines from %d, want %d", len(all), first, last-first+1)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestLog_WritesEveryLineOnceInOrderWhileRotated(t *testing.T) {
	const writers, each = 8, 2000
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l := newLog(t, Options{Path: path, Stdout: io.Discard, Config: toFiles})
	var work, rotator sync.WaitGroup
	for range writers {
		work.Go(func() {
			r := example()
			for range each {
				l.Append(r)
			}
		})
	}
	stop, rotations := make(chan struct{}), 0
	rotator.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := os.Rename(path, filepath.Join(dir, fmt.Sprintf("rotated-%06d", rotations))); err != nil {
					t.Error(err)
					return
				}
				if err := l.Reopen(); err != nil {
					t.Error(err)
					return
				}
				rotations++
			}
		}
	})
	work.Wait()
	close(stop)
	rotator.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for i := range rotations {
		all = append(all, read(t, filepath.Join(dir, fmt.Sprintf("rotated-%06d", i)))...)
	}
	wantSeqs(t, append(all, read(t, path)...), 1, writers*each)
	if lines, dropped := l.Stats(); lines != writers*each || dropped != 0 {
		t.Errorf("Stats: %d lines, %d dropped", lines, dropped)
	}
}

func TestLog_LineIsWrittenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := make(chan time.Time, 1)
		l := newLog(t, Options{Stdout: writerFunc(func(p []byte) (int, error) {
			written <- time.Now()
			return len(p), nil
		}), Config: toStdout})
		for range 3 { // the third after the queue has been idle twice
			appended := time.Now()
			l.Append(example())
			if late := (<-written).Sub(appended); late > time.Second {
				t.Errorf("written %v late", late)
			}
		}
		l.Close()
	})
}

func TestLog_LargeBatchIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, size := time.Now(), 0
		l := newLog(t, Options{Stdout: writerFunc(func(p []byte) (int, error) {
			size += len(p)
			return len(p), nil
		}), Config: toStdout})
		r := example()
		r.Request = bytes.Repeat([]byte("x"), largeBatch)
		l.Append(r)
		synctest.Wait()
		if size < largeBatch || time.Since(start) != 0 {
			t.Errorf("%d bytes written after %v", size, time.Since(start))
		}
		l.Close()
	})
}

func TestLog_AppendWaitsForASlowDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		open := make(chan struct{})
		l := newLog(t, Options{Stdout: writerFunc(func(p []byte) (int, error) {
			<-open
			return got.Write(p)
		}), Config: toStdout})
		const lines = 3 * maxPending / 10_000
		appended := make(chan struct{})
		go func() {
			defer close(appended)
			r := example()
			r.Request = bytes.Repeat([]byte("x"), 10_000)
			for range lines {
				l.Append(r)
			}
		}()
		synctest.Wait()
		if n, _ := l.Stats(); n == 0 || n >= lines*2/3 {
			t.Errorf("%d of %d lines were taken with a destination that takes none", n, lines)
		}
		close(open)
		<-appended
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wantSeqs(t, got.Bytes(), 1, lines)
		if _, dropped := l.Stats(); dropped != 0 {
			t.Errorf("%d lines dropped", dropped)
		}
	})
}

func TestLog_RefusedLinesAreKeptThenDroppedCountedAndReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got, reports bytes.Buffer
		var full atomic.Bool
		full.Store(true)
		l := newLog(t, Options{Stdout: writerFunc(func(p []byte) (int, error) {
			if full.Load() {
				return 0, syscall.ENOSPC
			}
			return got.Write(p)
		}), Config: toStdout, Logger: slog.New(slog.NewTextHandler(&reports, nil))})
		r := example()
		r.Request = bytes.Repeat([]byte("x"), 10_000)
		const lines = 2 * maxPending / 10_000
		for range lines {
			l.Append(r)
		}
		pass(time.Minute)
		if n := strings.Count(reports.String(), "access log cannot be written"); n != 1 {
			t.Errorf("the failure is reported %d times", n)
		}
		_, dropped := l.Stats()
		if dropped < lines/4 || dropped > lines*3/4 {
			t.Errorf("%d of %d lines dropped", dropped, lines)
		}
		full.Store(false)
		pass(time.Second)
		if want := fmt.Sprintf("level=WARN msg=\"access log is written again\" to=stdout dropped_lines=%d\n", dropped); !strings.HasSuffix(reports.String(), want) {
			t.Errorf("reports are\n%swant at the end\n%s", reports.String(), want)
		}
		kept := lines - int(dropped)
		wantSeqs(t, got.Bytes(), 1, kept)
		l.Append(r)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if all := seqs(t, got.Bytes()); all[kept] != lines+1 {
			t.Errorf("the line after the gap has seq %d, want %d", all[kept], lines+1)
		}
	})
}

func TestLog_PartialWritesGoOnWhereTheyStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		random := rand.New(rand.NewPCG(1, 2))
		l := newLog(t, Options{Stdout: writerFunc(func(p []byte) (int, error) {
			n := random.IntN(len(p) + 1)
			got.Write(p[:n])
			if n < len(p) {
				return n, syscall.ENOSPC
			}
			return n, nil
		}), Config: toStdout})
		for range 500 {
			l.Append(example())
			pass(100 * time.Millisecond)
		}
		pass(time.Minute)
		wantSeqs(t, got.Bytes(), 1, 500)
		l.Close()
	})
}

func TestLog_ReopenOnAFullDiskTakesTheLinesAlong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	l := newLog(t, Options{Path: path, Stdout: io.Discard, Config: toFiles})
	for range 10 {
		l.Append(example())
	}
	if err := l.Reopen(); err != nil { // still full
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Append(example())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, read(t, path), 1, 11)
}

func TestLog_FailedReopenKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := newLog(t, Options{Path: filepath.Join(dir, "access.log"), Stdout: io.Discard, Config: toFiles})
	l.Append(example())
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("Reopen has opened a file in a directory that is not there")
	}
	l.Append(example())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, read(t, filepath.Join(dir+"-moved", "access.log")), 1, 2)
}

func TestLog_ApplyChangesDestinationsBetweenTwoLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	var stdout bytes.Buffer // written by one goroutine, read after Close
	l := newLog(t, Options{Path: path, Stdout: &stdout, Config: toFiles})
	apply := func(c config.Log) {
		t.Helper()
		if err := l.Apply(c); err != nil {
			t.Fatal(err)
		}
		l.Append(example())
	}
	l.Append(example()) // 1: to the file
	apply(toBoth)       // 2: to both
	apply(toStdout)     // 3: to stdout, and the file is let go of
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the file is still locked: %v", err)
	}
	wantSeqs(t, read(t, path), 1, 2)
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	apply(toBoth) // 4: to both
	hidden := toFiles
	hidden.ClientAddress = config.AddressNone
	apply(hidden) // 5: to the file, without the client
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, stdout.Bytes(), 2, 4)
	if got := seqs(t, read(t, path)); fmt.Sprint(got) != "[1 2 4 5]" {
		t.Errorf("the file has the lines %v", got)
	}
	for i, line := range bytes.SplitAfter(read(t, path), newline)[:4] {
		if got, want := decode(t, line)["client"], []string{"198.51.100.0", "198.51.100.0", "198.51.100.0", ""}[i]; got != want {
			t.Errorf("line %d shows the client %q, want %q", i, got, want)
		}
	}
}

func TestLog_FailedApplyChangesNothing(t *testing.T) {
	var stdout bytes.Buffer
	l := newLog(t, Options{Path: filepath.Join(t.TempDir(), "missing", "access.log"), Stdout: &stdout, Config: toStdout})
	full := toFiles
	full.ClientAddress = config.AddressFull
	if err := l.Apply(full); err == nil {
		t.Error("Apply has opened a file in a directory that is not there")
	}
	l.Append(example())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, stdout.Bytes())["client"]; got != "198.51.100.0" {
		t.Errorf("the client is shown as %s after a failed Apply", got)
	}
}

func TestLog_OneFailingDestinationHoldsNotTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := newLog(t, Options{Path: path, Stdout: writerFunc(func([]byte) (int, error) { return 0, syscall.EPIPE }), Config: toBoth})
	r := example()
	r.Request = bytes.Repeat([]byte("x"), 100_000)
	const lines = 2 * maxPending / 100_000
	for range lines {
		l.Append(r)
	}
	err := l.Close()
	_, dropped := l.Stats()
	if want := fmt.Sprintf("cannot write the last %d lines of the access log: broken pipe", lines); dropped == 0 || err == nil {
		t.Errorf("Close: %v with %d dropped, want an error like %q", err, dropped, want)
	}
	if dropped != lines {
		t.Errorf("%d lines are counted as dropped, want all %d", dropped, lines)
	}
	wantSeqs(t, read(t, path), 1, lines)
}

func TestLog_CountsWhatComesAfterClose(t *testing.T) {
	l := newLog(t, Options{Stdout: io.Discard, Config: toStdout})
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	l.Append(example())
	if lines, dropped := l.Stats(); lines != 1 || dropped != 1 {
		t.Errorf("%d lines, %d dropped", lines, dropped)
	}
	if err := l.Apply(toStdout); !errors.Is(err, ErrClosed) {
		t.Errorf("Apply: %v, want %v", err, ErrClosed)
	}
	if err := l.Reopen(); err != nil {
		t.Errorf("Reopen: %v", err)
	}
}

func TestLog_AppendNeedsNoMemoryOfItsOwn(t *testing.T) {
	l := newLog(t, Options{Stdout: io.Discard, Config: toStdout})
	r := example()
	r.UserAgent = []byte("\u00fc\xff\x00") // what needs escapes as well
	append1000 := func() {
		for range 1000 {
			l.Append(r)
		}
	}
	append1000() // the buffers find their size
	// Under the race detector a sync.Pool forgets one in four, which costs two allocations.
	if n := testing.AllocsPerRun(20, append1000); n >= 700 {
		t.Errorf("%v allocations for 1000 lines", n)
	}
}

func BenchmarkLog_Append(b *testing.B) {
	l := newLog(b, Options{Path: filepath.Join(b.TempDir(), "access.log"), Stdout: io.Discard, Config: toFiles})
	r := example()
	b.ReportAllocs()
	for b.Loop() {
		l.Append(r)
	}
}

func BenchmarkLog_AppendParallel(b *testing.B) {
	l := newLog(b, Options{Stdout: io.Discard, Config: toStdout})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := example()
		for pb.Next() {
			l.Append(r)
		}
	})
}
