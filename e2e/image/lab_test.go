//go:build image

package image

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"section.internal/e2e/binaries"
)

// label marks the containers and networks of all runs; its value is the run's name.
const label = "internal.section.e2e"

// The build arguments of the image, which its labels must show.
const (
	version  = "v0.0.0-e2e"
	revision = "0123456789abcdef0123456789abcdef01234567"
	created  = "2020-02-20T20:20:20Z"
)

// Lab owns everything that a run creates in the Docker engine. Its fields are set by Open and then only read.
type Lab struct {
	name   string // of this run; the prefix of all that it creates
	image  string // the product
	origin string // the image of the origin
	base   string // the stand-in for the small base
	golang string // the stand-in for the Go base

	mu     sync.Mutex
	images []string // to be removed, each once, the newest last; guarded by mu
}

// Open builds the image.
func (l *Lab) Open() error {
	l.name = "proxyd-e2e-" + unique()
	l.image, l.origin = l.name+":image", l.name+":origin"
	l.base, l.golang = l.name+":base", l.name+":go"
	scratch, err := os.MkdirTemp("", "e2e-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := l.importStandIns(scratch); err != nil {
		return err
	}
	return l.build(l.image, l.base)
}

// build builds the real Dockerfile on the given small base. The host's network is there for the module proxy, in case the
// machine's own module cache lacks something.
func (l *Lab) build(tag, base string) error {
	root, err := binaries.Root()
	if err != nil {
		return err
	}
	cmd := exec.Command("docker", "build", "--force-rm", "--network", "host", "--tag", tag,
		"--build-arg", "GO_IMAGE="+l.golang, "--build-arg", "BASE_IMAGE="+base,
		"--build-arg", "VERSION="+version, "--build-arg", "REVISION="+revision, "--build-arg", "CREATED="+created, ".")
	cmd.Dir = root
	// The legacy builder is what every engine has; BuildKit may be missing.
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	out, err := cmd.CombinedOutput()
	// Each step leaves an image; those of the first stage hang on no name, so nothing but this list knows them.
	for _, step := range regexp.MustCompile(`(?m)^ ---> ([0-9a-f]{12})$`).FindAllSubmatch(out, -1) {
		l.remember(string(step[1]))
	}
	l.remember(tag)
	if err != nil {
		return fmt.Errorf("docker build: %w\n%s", err, out)
	}
	return nil
}

func (l *Lab) remember(image string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.images, image) { // a later build starts from steps of an earlier one
		l.images = append(l.images, image)
	}
}

// Close removes the containers, networks and images of this run, whatever became of them.
func (l *Lab) Close() error {
	if l.name == "" {
		return nil
	}
	mine := "label=" + label + "=" + l.name
	var errs []error
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "--all", "--quiet", "--filter", mine}, []string{"rm", "--force", "--volumes"}},
		{[]string{"network", "ls", "--quiet", "--filter", mine}, []string{"network", "rm"}},
	} {
		ids, err := docker(kind.list...)
		if err == nil && ids != "" {
			_, err = docker(append(kind.remove, strings.Fields(ids)...)...)
		}
		errs = append(errs, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Reverse(l.images)
	for _, image := range l.images {
		// A step's image is gone when the last image on top of it went; only what is still there must be removable.
		if _, err := docker("image", "inspect", "--format", "{{.Id}}", image); err != nil {
			continue
		}
		_, err := docker("rmi", "--force", image)
		errs = append(errs, err)
	}
	l.images = nil
	return errors.Join(errs...)
}

// docker runs a docker command and returns its stdout without the last line end.
func docker(args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimRight(string(out), "\n"), err
}

// goTool runs the go command in a folder and returns its stdout.
func goTool(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// buildOrigin builds the origin's binary into a folder and returns its path.
func buildOrigin(scratch string) (string, error) {
	root, err := binaries.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "origin")
	_, err = goTool(filepath.Join(root, "e2e"), "build", "-o", path, "./image/origin")
	return path, err
}

// unique returns a name that nothing else has.
func unique() string { return strings.ToLower(rand.Text()[:8]) }
