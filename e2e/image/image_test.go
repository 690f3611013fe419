//go:build image

package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// inspected is what a registry and an engine know of the image without running it.
type inspected struct {
	Config struct {
		User         string
		ExposedPorts map[string]struct{}
		Volumes      map[string]struct{}
		Cmd          []string
		Entrypoint   []string
		StopSignal   string
		Labels       map[string]string
		Healthcheck  struct{ Test []string }
	}
}

func TestImage_SaysWhatItIs(t *testing.T) {
	t.Parallel()
	var images []inspected
	if err := json.Unmarshal([]byte(must(t)(docker("image", "inspect", lab.image))), &images); err != nil {
		t.Fatal(err)
	}
	got := images[0].Config
	same := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v: want %v", what, got, want)
		}
	}
	same("EXPOSE", got.ExposedPorts, map[string]struct{}{"80/tcp": {}})
	same("ENTRYPOINT", got.Entrypoint, []string{"/usr/local/bin/proxyd"})
	same("CMD", got.Cmd, []string(nil))
	same("VOLUME", got.Volumes, map[string]struct{}(nil))
	same("STOPSIGNAL", got.StopSignal, "SIGTERM")
	same("HEALTHCHECK", got.Healthcheck.Test, []string{"CMD", "/opt/section/sectionctl.sh", "check"})
	same("USER", got.User, "0:0")
	for name, want := range map[string]string{"version": version, "revision": revision, "created": created, "title": "proxyd"} {
		same("the label "+name, got.Labels["org.opencontainers.image."+name], want)
	}
	e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", lab.image, "--version")
	if e != (end{stdout: "proxyd version " + version + "\n"}) {
		t.Errorf("proxyd --version: %s: want the version %s", e, version)
	}
}

func TestImage_BinariesAreStaticAndTogetherAtMost45MB(t *testing.T) {
	t.Parallel()
	id := must(t)(docker("create", "--label", label+"="+lab.name, lab.image))
	t.Cleanup(func() { must(t)(docker("rm", id)) })
	cp := exec.Command("docker", "cp", id+":/usr/local/bin", "-")
	stream, err := cp.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cp.Start(); err != nil {
		t.Fatal(err)
	}
	sizes, dir := map[string]int64{}, t.TempDir()
	in := tar.NewReader(stream)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.Base(header.Name)
		sizes[name] = header.Size
		if got := header.FileInfo().Mode().Perm(); got != 0o755 {
			t.Errorf("%s has the mode %o: want 755", name, got)
		}
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(file, in); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if !static(file.Name()) {
			t.Errorf("%s is not a static executable", name)
		}
	}
	if err := cp.Wait(); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, tool := range []string{"proxyd", "validator", "deploy", "logrotator", "msghandler", "sectionctl"} {
		if sizes[tool] == 0 {
			t.Errorf("there is no %s", tool)
		}
		sum += sizes[tool]
	}
	if len(sizes) != 6 {
		t.Errorf("/usr/local/bin holds %v: want the six binaries and nothing else", sizes)
	}
	if limit := int64(45e6); sum > limit {
		t.Errorf("the six binaries have %d bytes: want at most %d", sum, limit)
	}
}

// A base that brings the user along, or an image built on an older one of itself, gets no second line for it.
func TestImage_BuildsOnABaseThatHasTheUser(t *testing.T) {
	t.Parallel()
	tag := lab.name + ":twice"
	if err := lab.build(tag, lab.image); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", "--entrypoint", "cat", tag, file)
		if n := strings.Count("\n"+e.stdout, "\nproxyd:"); e.code != 0 || n != 1 {
			t.Errorf("%s names the user in %d lines: want one: %s", file, n, e)
		}
	}
}
