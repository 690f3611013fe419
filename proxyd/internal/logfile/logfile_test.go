package logfile

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the test binary as another process's part when a test has started it for that.
func TestMain(m *testing.M) {
	switch os.Getenv("LOGFILE_TEST_PART") {
	case "hold":
		hold(os.Getenv("LOGFILE_TEST_PATH"))
	case "full disk":
		fullDisk(os.Getenv("LOGFILE_TEST_PATH"))
	default:
		os.Exit(m.Run())
	}
}

func part(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOGFILE_TEST_PART="+name, "LOGFILE_TEST_PATH="+path, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

func TestOpen_CreatesWithMode0644AndAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	for _, line := range []string{"one\n", "two\n"} {
		f := mustOpen(t, path)
		mustWrite(t, f, line)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantContent(t, path, "one\ntwo\n")
	if info, _ := os.Stat(path); info.Mode() != 0o644 {
		t.Errorf("mode is %v, want -rw-r--r--", info.Mode())
	}
}

func TestOpen_EndsATornLastLine(t *testing.T) {
	for before, want := range map[string]string{
		"":            "next\n",
		"whole\n":     "whole\nnext\n",
		"whole\ntorn": "whole\ntorn\nnext\n",
	} {
		path := filepath.Join(t.TempDir(), "access.log")
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, path)
		mustWrite(t, f, "next\n")
		wantContent(t, path, want)
	}
}

func TestOpen_RefusesAFileThatIsLockedExclusively(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	locked, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if !lockExclusive(t, locked) {
		t.Fatal("cannot lock")
	}
	if _, err := Open(path); !errors.Is(err, errLocked) {
		t.Errorf("Open: %v, want %v", err, errLocked)
	}
}

func TestFile_HoldsItsLockUntilItHasReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f := mustOpen(t, path)
	mustWrite(t, f, "one\n")
	renamed := path + "-1"
	if err := os.Rename(path, renamed); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(renamed)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	mustWrite(t, f, "two\n")
	if lockExclusive(t, old) {
		t.Fatal("the renamed file can be locked while it is written")
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	if !lockExclusive(t, old) {
		t.Error("the renamed file is still locked after Reopen")
	}
	mustWrite(t, f, "three\n")
	wantContent(t, renamed, "one\ntwo\n")
	wantContent(t, path, "three\n")
}

func TestFile_KeepsTheOldFileWhenItCannotReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, filepath.Join(dir, "access.log"))
	mustWrite(t, f, "one\n")
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	err := f.Reopen()
	if err == nil || !strings.Contains(err.Error(), "the old file stays in use") {
		t.Errorf("Reopen: %v, want it to say that the old file stays in use", err)
	}
	mustWrite(t, f, "two\n")
	wantContent(t, filepath.Join(dir+"-moved", "access.log"), "one\ntwo\n")
}

func TestFile_RefusesWhatComesAfterClose(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "access.log"))
	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := f.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v, want %v", err, os.ErrClosed)
	}
	if err := f.Reopen(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Reopen: %v, want %v", err, os.ErrClosed)
	}
}

// The rotator here is as quick as can be, so that it often renames between open and lock.
func TestFile_LosesNoLineToARotator(t *testing.T) {
	const minLines, minRotations = 20_000, 10
	path := filepath.Join(t.TempDir(), "access.log")
	f := mustOpen(t, path)
	var collected strings.Builder
	stop := make(chan struct{})
	var rotations atomic.Int64
	var rotator sync.WaitGroup
	rotator.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			renamed := fmt.Sprintf("%s-%d", path, rotations.Load())
			if os.Rename(path, renamed) != nil {
				continue // not re-opened yet
			}
			old, err := os.Open(renamed)
			if err != nil {
				t.Error(err)
				return
			}
			if err := syscall.Flock(int(old.Fd()), syscall.LOCK_EX); err != nil {
				t.Error(err)
				return
			}
			content, _ := os.ReadFile(renamed)
			collected.Write(content)
			os.Remove(renamed)
			old.Close()
			rotations.Add(1)
		}
	})
	written := 0
	end := time.Now().Add(10 * time.Second)
	for ; written < minLines || rotations.Load() < minRotations && time.Now().Before(end); written++ {
		mustWrite(t, f, fmt.Sprintf("%d\n", written))
		switch written % 10 {
		case 0: // as at a signal
			if err := f.Reopen(); err != nil {
				t.Fatal(err)
			}
		case 5: // as at a restart: nothing holds the file that the rotator meets meanwhile
			f.Close()
			var err error
			if f, err = Open(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The rotator may wait for the lock of what it has renamed last.
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	rotator.Wait()
	if rest, err := os.ReadFile(path); err == nil {
		collected.Write(rest)
	}
	next := 0
	for line := range strings.Lines(collected.String()) {
		if line != fmt.Sprintf("%d\n", next) {
			t.Fatalf("line %d is %q, after %d rotations", next, line, rotations.Load())
		}
		next++
	}
	if n := rotations.Load(); next != written || n < minRotations {
		t.Errorf("%d lines in %d rotations, want %d lines and at least %d rotations", next, n, written, minRotations)
	}
}

func TestFile_LockFallsWhenItsProcessIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	cmd := part(t, "hold", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if lockExclusive(t, file) {
		t.Error("not locked while its process lives")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if !lockExclusive(t, file) {
		t.Error("still locked after its process was killed")
	}
}

// hold opens the file, says so, and waits to be killed.
func hold(path string) {
	if _, err := Open(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("open")
	select {}
}

func TestFile_TakesAPartOfALineBackFromAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	out, err := part(t, "full disk", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "first write: 15 bytes, file too large\nmeanwhile: \"line one\\nline \\n\"\nsecond write: 20 bytes, <nil>\n"; string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	wantContent(t, path, "line one\nline \nline two\nline three\n")
}

// fullDisk writes to a file that may have 20 bytes, then to the same that may have more.
func fullDisk(path string) {
	limit := syscall.Rlimit{Cur: 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	f, err := Open(path)
	if err != nil {
		panic(err)
	}
	lines := []byte("line one\nline \nline two\nline three\n")
	n, err := f.Write(lines)
	var errno syscall.Errno
	errors.As(err, &errno)
	fmt.Printf("first write: %d bytes, %v\n", n, errno)
	content, _ := os.ReadFile(path)
	fmt.Printf("meanwhile: %q\n", content)
	limit.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	m, err := f.Write(lines[n:])
	fmt.Printf("second write: %d bytes, %v\n", m, err)
}

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustWrite(t *testing.T, f *File, line string) {
	t.Helper()
	if n, err := f.Write([]byte(line)); err != nil || n != len(line) {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(content) != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), content, want)
	}
}

// lockExclusive says whether the file could be locked as a rotator does it.
func lockExclusive(t *testing.T, file *os.File) bool {
	t.Helper()
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatal(err)
	}
	return err == nil
}
