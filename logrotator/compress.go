package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// compress replaces the file at path, which it has open and locked, by its compressed copy. Until the copy is safely on the
// disk under its name the original is the truth; on an error it stays, and nothing else does.
func (r rotation) compress(ctx context.Context, file *os.File, path string) error {
	half, whole := path+string(halfCopy), path+string(copied)
	if err := r.writeCopy(ctx, file, half); err != nil {
		os.Remove(half) // a remainder is removed by the next run
		return err
	}
	r.at()
	if err := os.Rename(half, whole); err != nil {
		os.Remove(half)
		return err
	}
	r.at()
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return err
	}
	r.at()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.at()
	return nil
}

// writeCopy writes the compressed content of the file to a new file, with the mode, the time and, where that is allowed, the
// owner of the original, and waits until the disk has it.
func (r rotation) writeCopy(ctx context.Context, file *os.File, path string) (err error) {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	r.at()
	// The fastest level, since the processor is the proxy's: 220 MB/s and a tenth of the size on access log lines, against
	// 82 MB/s and a twelfth at the default level.
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	zip.ModTime = info.ModTime()
	if _, err := io.Copy(zip, &interruptible{ctx, file}); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	r.at()
	// A stranger who holds no lock may have written meanwhile.
	if after, err := file.Stat(); err != nil {
		return err
	} else if after.Size() != info.Size() {
		return fmt.Errorf("it grew meanwhile: a process that is no proxyd writes to it")
	}
	if err := out.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	// Last, because root without the capability FOWNER may not do the above to the file of another.
	owner := info.Sys().(*syscall.Stat_t)
	_ = out.Chown(int(owner.Uid), int(owner.Gid)) // the next run needs rights in the directory only, whoever owns the copy
	return out.Sync()
}

// interruptible is a reader that ends with an error when its context does.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, errors.New("interrupted")
	}
	return r.in.Read(p)
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
