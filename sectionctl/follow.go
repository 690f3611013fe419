package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLine is far above the longest line that proxyd writes. What is longer is no line of an access log, and must not fill the
// memory.
const maxLine = 4 << 20

// tailBlock is how much is read at once when the last lines of a file are looked for from its end.
const tailBlock = 64 << 10

// follower reads the lines of a log file whose name moves from file to file: logrotator renames the file, proxyd goes on to
// write to it for a moment and then creates a new one under the name. No line may be lost or come twice.
//
// proxyd is the one writer, and it writes to one file after the other. So a file is complete once a later one has a byte in it,
// and not before: not when it is renamed, and not when the new one is created. Until then both are held open, so that it does
// not matter what becomes of their names.
type follower struct {
	path string
	line func([]byte) error            // takes each whole line, without its end; the bytes are gone after the call
	note func(format string, a ...any) // takes what the reader must know

	files   []*os.File // what path has named, oldest first; the first is being read
	offset  int64      // in the first: where the first line begins that has not been passed on
	partial []byte     // the beginning of that line, while drain reads
	tooLong bool       // the rest of the line before offset is skipped
	buffer  []byte
}

func newFollower(path string, line func([]byte) error, note func(string, ...any)) *follower {
	return &follower{path: path, line: line, note: note, buffer: make([]byte, 64<<10)}
}

func (f *follower) Close() {
	for _, file := range f.files {
		file.Close()
	}
	f.files = nil
}

// look opens what path names now, unless it is open already. No file there is no error: one may come.
func (f *follower) look() error {
	there, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not permitted to read the access log: %s", denied(f.path))
	case err != nil:
		return fmt.Errorf("cannot read the access log: %w", err)
	}
	if len(f.files) > 0 {
		newest, err := f.files[len(f.files)-1].Stat()
		if err != nil {
			return fmt.Errorf("cannot read the access log: %w", err)
		}
		if os.SameFile(there, newest) {
			return nil
		}
	}
	file, err := os.Open(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // renamed since
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not permitted to read the access log: %s", denied(f.path))
	case err != nil:
		return fmt.Errorf("cannot read the access log: %w", err)
	}
	f.files = append(f.files, file)
	return nil
}

// read passes on all lines that are there, and moves on to later files as far as they have come.
func (f *follower) read() error {
	for len(f.files) > 0 {
		complete := f.laterHasBytes() // asked first: what is read after it is all there is
		torn, err := f.drain()
		if err != nil {
			return err
		}
		if !complete {
			return nil
		}
		if torn > 0 {
			f.note("the last line of the rotated file is not complete: %d bytes are skipped", torn)
		}
		f.files[0].Close()
		f.files, f.offset, f.tooLong = f.files[1:], 0, false
	}
	return nil
}

// laterHasBytes says whether proxyd has begun to write to a later file than the first.
func (f *follower) laterHasBytes() bool {
	for _, file := range f.files[1:] {
		if info, err := file.Stat(); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// drain reads the first file to its present end, and returns how many bytes of a line without an end are there. These are read
// anew the next time: proxyd takes the part of a line back when a full disk let it write no more.
func (f *follower) drain() (torn int, err error) {
	file := f.files[0]
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("cannot read the access log: %w", err)
	}
	if info.Size() < f.offset {
		f.note("%s was cut to %d bytes: lines may be missing; reading on from its start", filepath.Base(f.path), info.Size())
		f.offset, f.tooLong = 0, false
	}
	for {
		n, err := file.ReadAt(f.buffer, f.offset)
		f.offset += int64(n)
		if err := f.split(f.buffer[:n]); err != nil {
			return 0, err
		}
		switch {
		case err == io.EOF:
			torn = len(f.partial)
			f.offset -= int64(torn)
			f.partial = f.partial[:0]
			return torn, nil
		case err != nil:
			return 0, fmt.Errorf("cannot read the access log: %w", err)
		}
	}
}

// split passes on the whole lines of text, of which the first may have begun earlier, and keeps the rest.
func (f *follower) split(text []byte) error {
	for {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			break
		}
		line, skip := text[:end], f.tooLong
		if len(f.partial) > 0 {
			f.partial = append(f.partial, line...)
			line = f.partial
		}
		text, f.tooLong = text[end+1:], false
		if !skip {
			if err := f.line(line); err != nil {
				return err
			}
		}
		f.partial = f.partial[:0]
	}
	if f.tooLong {
		return nil
	}
	f.partial = append(f.partial, text...)
	if len(f.partial) > maxLine {
		f.note("a line of more than %d bytes is skipped: %s is no access log of proxyd", maxLine, f.path)
		f.partial, f.tooLong = nil, true
	}
	return nil
}

// startAtLast makes the first file be read from the beginning of its last n whole lines.
func (f *follower) startAtLast(n int) error {
	file := f.files[0]
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("cannot read the access log: %w", err)
	}
	f.offset, err = lastLines(file, info.Size(), n)
	if err != nil {
		return fmt.Errorf("cannot read the access log: %w", err)
	}
	return nil
}

// lastLines returns where the last n whole lines of the first size bytes begin. A last line without an end does not count: it is
// still being written.
func lastLines(r io.ReaderAt, size int64, n int) (int64, error) {
	buffer := make([]byte, tailBlock)
	ends := 0 // line ends seen from the back; the one before the n-th line is number n+1
	for end := size; end > 0; {
		begin := max(0, end-tailBlock)
		block := buffer[:end-begin]
		if _, err := r.ReadAt(block, begin); err != nil && err != io.EOF {
			return 0, err
		}
		for i := len(block) - 1; i >= 0; i-- {
			if block[i] != '\n' {
				continue
			}
			if ends++; ends > n {
				return begin + int64(i) + 1, nil
			}
		}
		end = begin
	}
	return 0, nil
}
