//go:build image

package image

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// importStandIns makes the images that the build and the tests start from, out of what is on this machine: nothing is pulled.
func (l *Lab) importStandIns(scratch string) error {
	busybox, err := staticBusybox(scratch)
	if err != nil {
		return err
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("cannot list the applets of %s: %w", busybox, err)
	}
	base := func(w *tree) {
		w.file("bin/busybox", busybox)
		for _, applet := range strings.Fields(string(applets)) {
			if applet != "busybox" {
				w.link("bin/"+applet, "busybox")
			}
		}
		w.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
		w.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
		w.folder("root", 0o700)
		w.folder("tmp", 0o1777)
	}
	// busybox:stable-musl starts a shell; the Dockerfile must undo that.
	if err := l.importTree(l.base, base, `CMD ["sh"]`); err != nil {
		return err
	}

	goroot, err := goTool("", "env", "GOROOT")
	if err != nil {
		return err
	}
	modcache, err := goTool("", "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	proxy, err := goTool("", "env", "GOPROXY")
	if err != nil {
		return err
	}
	golang := func(w *tree) {
		base(w)
		w.copy("usr/local/go", goroot, func(name string, entry fs.DirEntry) bool {
			switch name {
			case "api", "doc", "misc", "test":
				return false
			}
			return entry.Name() != "testdata" && !strings.HasSuffix(name, "_test.go")
		})
		// The machine's own module cache has the form of a module proxy.
		w.copy("goproxy", filepath.Join(modcache, "cache", "download"), func(name string, _ fs.DirEntry) bool {
			return name != "sumdb" && name != "golang.org/toolchain" && !strings.HasSuffix(name, ".lock")
		})
		w.fileIfAny("etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	}
	err = l.importTree(l.golang, golang,
		"ENV PATH=/usr/local/go/bin:/bin", "ENV GOPATH=/go", "ENV GOTOOLCHAIN=local", "ENV GOPROXY=file:///goproxy,"+proxy)
	if err != nil {
		return err
	}

	origin, err := buildOrigin(scratch)
	if err != nil {
		return err
	}
	return l.importTree(l.origin, func(w *tree) { w.file("origin", origin) }, `ENTRYPOINT ["/origin"]`)
}

// importTree makes an image of what fill writes.
func (l *Lab) importTree(name string, fill func(*tree), changes ...string) error {
	args := []string{"import"}
	for _, change := range changes {
		args = append(args, "--change", change)
	}
	cmd := exec.Command("docker", append(args, "-", name)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return err
	}
	l.remember(name)
	w := &tree{tar: tar.NewWriter(in)}
	fill(w)
	filled := errors.Join(w.err, w.tar.Close(), in.Close())
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("docker import %s: %w: %s", name, errors.Join(err, filled), said.String())
	}
	return filled
}

// staticBusybox returns the path of a busybox without dynamic libraries: the machine's own, or the one of Debian's package,
// which is unpacked into scratch and not installed.
func staticBusybox(scratch string) (string, error) {
	if path, err := exec.LookPath("busybox"); err == nil && static(path) {
		return path, nil
	}
	fetch := exec.Command("sh", "-c", "apt-get download -q busybox-static && dpkg-deb -x busybox-static_*.deb .")
	fetch.Dir = scratch
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("no static busybox for the stand-ins of the base images: %w: %s\n"+
			"install one: apt-get update && apt-get install busybox-static", err, out)
	}
	return filepath.Join(scratch, "bin", "busybox"), nil
}

// static says whether a file is an executable that needs no dynamic loader.
func static(path string) bool {
	binary, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}

// tree writes a root file system as a tar stream. After the first error, which it keeps, it does nothing.
type tree struct {
	tar *tar.Writer
	err error
}

func (w *tree) header(h *tar.Header) bool {
	if w.err == nil {
		h.Format = tar.FormatPAX
		w.err = w.tar.WriteHeader(h)
	}
	return w.err == nil
}

func (w *tree) folder(name string, mode int64) {
	w.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

func (w *tree) link(name, target string) {
	w.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

func (w *tree) text(name, text string) {
	if w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}) {
		_, w.err = io.WriteString(w.tar, text)
	}
}

func (w *tree) file(name, from string) {
	f, err := os.Open(from)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	if w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}) {
		_, w.err = io.Copy(w.tar, f)
	}
}

func (w *tree) fileIfAny(name, from string) {
	if _, err := os.Stat(from); err == nil {
		w.file(name, from)
	}
}

// copy writes the regular files below a folder for whose names, seen from there, keep returns true. A folder that is not kept
// is left out with all that is in it. A folder that does not exist has nothing in it.
func (w *tree) copy(name, from string, keep func(name string, entry fs.DirEntry) bool) {
	if real, err := filepath.EvalSymlinks(from); err == nil {
		from = real
	}
	err := filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && file == from {
				return nil
			}
			return err
		}
		inside, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		switch {
		case inside != "." && !keep(filepath.ToSlash(inside), entry) && entry.IsDir():
			return fs.SkipDir
		case entry.Type().IsRegular() && keep(filepath.ToSlash(inside), entry):
			w.file(path.Join(name, filepath.ToSlash(inside)), file)
		}
		return w.err
	})
	if w.err == nil {
		w.err = err
	}
}
