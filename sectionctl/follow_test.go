package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tailed is a follower of a file in a directory of its own, with what it has passed on.
type tailed struct {
	*follower
	t     *testing.T
	dir   string
	lines []string
	notes []string
}

func newTailed(t *testing.T) *tailed {
	tl := &tailed{t: t, dir: t.TempDir()}
	tl.follower = newFollower(filepath.Join(tl.dir, "access.log"),
		func(line []byte) error { tl.lines = append(tl.lines, string(line)); return nil },
		func(format string, args ...any) { tl.notes = append(tl.notes, fmt.Sprintf(format, args...)) })
	t.Cleanup(tl.Close)
	return tl
}

// open opens a file of the directory for appending, as proxyd does.
func (tl *tailed) open(name string) *os.File {
	tl.t.Helper()
	f, err := os.OpenFile(filepath.Join(tl.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		tl.t.Fatal(err)
	}
	tl.t.Cleanup(func() { f.Close() })
	return f
}

func (tl *tailed) rename(from, to string) {
	tl.t.Helper()
	if err := os.Rename(filepath.Join(tl.dir, from), filepath.Join(tl.dir, to)); err != nil {
		tl.t.Fatal(err)
	}
}

// poll looks once, as every pollEvery, and compares all lines so far, which are letters.
func (tl *tailed) poll(want string) {
	tl.t.Helper()
	if err := tl.look(); err != nil {
		tl.t.Fatal(err)
	}
	if err := tl.read(); err != nil {
		tl.t.Fatal(err)
	}
	if got := strings.Join(tl.lines, ""); got != want {
		tl.t.Errorf("lines %q, want %q", got, want)
	}
}

func put(t *testing.T, f *os.File, text string) {
	t.Helper()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestFollower_RotationLosesNothingAndRepeatsNothing(t *testing.T) {
	tl := newTailed(t)
	tl.poll("") // no file yet
	old := tl.open("access.log")
	put(t, old, "a\nb\n")
	tl.poll("ab")
	tl.rename("access.log", "access.log.1")
	put(t, old, "c\n") // proxyd has not been told yet
	tl.poll("abc")
	fresh := tl.open("access.log")
	put(t, old, "d\n") // it has opened the new file, but a batch is still on its way to the old one
	tl.poll("abcd")
	put(t, old, "e\n")
	put(t, fresh, "f\n")
	tl.poll("abcdef") // both in one look
	put(t, fresh, "g\n")
	tl.poll("abcdefg")
	if len(tl.files) != 1 || len(tl.notes) != 0 {
		t.Errorf("%d files are open; notes %q", len(tl.files), tl.notes)
	}
}

func TestFollower_FileThatIsCompressedAwayIsReadToItsEnd(t *testing.T) {
	tl := newTailed(t)
	old := tl.open("access.log")
	put(t, old, "a\n")
	tl.poll("a")
	tl.rename("access.log", "access.log.1")
	put(t, old, "b\n")
	if err := os.Remove(filepath.Join(tl.dir, "access.log.1")); err != nil {
		t.Fatal(err)
	}
	put(t, tl.open("access.log"), "c\n")
	tl.poll("abc")
}

func TestFollower_RotationsWhileNothingIsReadAreAllRead(t *testing.T) {
	tl := newTailed(t)
	want := ""
	for i := range 5 {
		letter := string(rune('a' + i))
		file := tl.open("access.log")
		if i != 2 { // an hour without a request
			put(t, file, letter+"\n")
			want += letter
		}
		if err := tl.look(); err != nil { // as while the reader of stdout is slow
			t.Fatal(err)
		}
		tl.rename("access.log", "access.log."+letter)
	}
	tl.poll(want)
}

func TestFollower_WaitsForTheEndOfATornLine(t *testing.T) {
	tl := newTailed(t)
	file := tl.open("access.log")
	put(t, file, "a\nb")
	tl.poll("a")
	put(t, file, "c")
	tl.poll("a")
	put(t, file, "d\ne\n")
	tl.poll("abcde")
	if !slices.Equal(tl.lines, []string{"a", "bcd", "e"}) {
		t.Errorf("lines %q", tl.lines)
	}
}

// A full disk takes the first half of a line; proxyd takes it back, so that what follows is not glued to it.
func TestFollower_HalfALineThatIsTakenBackNeverWas(t *testing.T) {
	tl := newTailed(t)
	file := tl.open("access.log")
	put(t, file, "a\nhalf")
	tl.poll("a")
	if err := file.Truncate(2); err != nil {
		t.Fatal(err)
	}
	tl.poll("a")
	put(t, file, "half")
	tl.poll("a")
	if err := file.Truncate(2); err != nil {
		t.Fatal(err)
	}
	put(t, file, "b\ncdefgh\n") // longer than what was there
	tl.poll("abcdefgh")
	if len(tl.notes) != 0 {
		t.Errorf("notes %q", tl.notes)
	}
}

func TestFollower_LineTornForeverIsTold(t *testing.T) {
	tl := newTailed(t)
	put(t, tl.open("access.log"), "a\ntorn")
	tl.poll("a")
	tl.rename("access.log", "access.log.1")
	put(t, tl.open("access.log"), "b\n")
	tl.poll("ab")
	if want := []string{"the last line of the rotated file is not complete: 4 bytes are skipped"}; !slices.Equal(tl.notes, want) {
		t.Errorf("notes %q, want %q", tl.notes, want)
	}
}

func TestFollower_TruncatedFileIsReadFromItsStart(t *testing.T) {
	tl := newTailed(t)
	file := tl.open("access.log")
	put(t, file, "a\nb\ntorn")
	tl.poll("ab")
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	put(t, file, "c\n")
	tl.poll("abc")
	if want := []string{"access.log was cut to 2 bytes: lines may be missing; reading on from its start"}; !slices.Equal(tl.notes, want) {
		t.Errorf("notes %q, want %q", tl.notes, want)
	}
}

func TestFollower_EndlessLineIsSkippedAndTold(t *testing.T) {
	tl := newTailed(t)
	file := tl.open("access.log")
	put(t, file, "a\n"+strings.Repeat("x", maxLine+1))
	tl.poll("a")
	put(t, file, strings.Repeat("x", maxLine+1))
	tl.poll("a")
	put(t, file, "x\nb\n")
	tl.poll("ab")
	if len(tl.notes) != 1 || cap(tl.partial) > 2*maxLine {
		t.Errorf("notes %q, %d bytes kept", tl.notes, cap(tl.partial))
	}
}

func TestFollower_StartsAtTheLastWholeLines(t *testing.T) {
	long := strings.Repeat("x", tailBlock+17)
	f := func(text string, n int, want ...string) {
		t.Helper()
		tl := newTailed(t)
		put(t, tl.open("access.log"), text)
		if err := tl.look(); err != nil {
			t.Fatal(err)
		}
		if err := tl.startAtLast(n); err != nil {
			t.Fatal(err)
		}
		if err := tl.read(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tl.lines, want) {
			t.Errorf("the last %d of %.40q: %.200q, want %.200q", n, text, tl.lines, want)
		}
	}
	f("", 3)
	f("a\n", 0)
	f("a\nb\nc\n", 2, "b", "c")
	f("a\nb\n", 20, "a", "b")
	f("a\nb\ntorn", 1, "b") // the torn line is one that is being written: it does not count
	f("torn", 1)
	f("\n\n\n", 2, "", "")
	f("a\n"+long+"\nb\n", 2, long, "b")
	f("a\n"+strings.Repeat("x", tailBlock-3)+"\nb\n", 2, strings.Repeat("x", tailBlock-3), "b") // a line end at a block's edge
}

func FuzzFollower_ChunksDoNotMatter(f *testing.F) {
	f.Add([]byte("a\nbc\n\ntorn"), uint(2))
	f.Fuzz(func(t *testing.T, text []byte, chunk uint) {
		var got [][]byte
		fl := newFollower("access.log", func(line []byte) error { got = append(got, bytes.Clone(line)); return nil }, t.Logf)
		size := int(chunk%7) + 1
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			if err := fl.split(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		want := bytes.Split(text, []byte("\n"))
		if !slices.EqualFunc(got, want[:len(want)-1], bytes.Equal) || !bytes.Equal(fl.partial, want[len(want)-1]) {
			t.Errorf("%q in chunks of %d: lines %q, rest %q", text, size, got, fl.partial)
		}
		whole, rest := want[:len(want)-1], want[len(want)-1]
		for n := range 4 {
			from, err := lastLines(bytes.NewReader(text), int64(len(text)), n)
			var tail []byte
			for _, line := range whole[max(0, len(whole)-n):] {
				tail = append(append(tail, line...), '\n')
			}
			if err != nil || !bytes.Equal(text[from:], append(tail, rest...)) {
				t.Errorf("the last %d lines of %q begin at %d, %v", n, text, from, err)
			}
		}
	})
}
