// Package binaries finds the built tools, or builds them, for whoever starts them from outside: the end-to-end tests and the
// demonstration.
package binaries

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// The environment variables that say what to test.
const (
	DirEnv  = "E2E_BIN_DIR" // a directory with finished binaries; unset: they are built from the workspace
	RaceEnv = "E2E_RACE"    // not empty: binaries that are built here carry the race detector
)

// Set hands out paths of the tools. It builds a tool when it is first asked for, unless it was given a directory of finished
// ones. It may be used from several goroutines.
type Set struct {
	dir   string
	given bool
	race  bool

	mu    sync.Mutex // guards done, and lets one build run at a time
	done  map[string]error
	close sync.Once
}

// New returns a Set over the finished binaries in dir; an empty dir means that they are built into a temporary place, which
// Close removes.
func New(dir string) (*Set, error) {
	if dir == "" {
		return building(os.Getenv(RaceEnv) != "")
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	// A test runs in its package's folder, but people write the path as seen from the root of the workspace.
	if !filepath.IsAbs(dir) {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			dir = filepath.Join(root, dir)
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("cannot find the binaries: %w", err)
	}
	return &Set{dir: dir, given: true, done: map[string]error{}}, nil
}

// NewRace returns a Set whose binaries carry the race detector, whatever the environment says of others.
func NewRace() (*Set, error) { return building(true) }

func building(race bool) (*Set, error) {
	made, err := os.MkdirTemp("", "e2e-bin-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a place for binaries: %w", err)
	}
	// Tests run binaries as other users too.
	if err := os.Chmod(made, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make a place for binaries: %w", err)
	}
	return &Set{dir: made, race: race, done: map[string]error{}}, nil
}

// Path returns the path of a tool's binary.
func (s *Set) Path(tool string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.dir, tool)
	if s.given {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("no binary of %s: %w: run 'make build', or unset %s to have it built", tool, err, DirEnv)
		}
		return path, nil
	}
	err, tried := s.done[tool]
	if !tried {
		err = s.build(tool, path)
		s.done[tool] = err
	}
	return path, err
}

// Close removes what was built.
func (s *Set) Close() error {
	var err error
	s.close.Do(func() {
		if !s.given {
			err = os.RemoveAll(s.dir)
		}
	})
	return err
}

func (s *Set) build(tool, path string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	args := []string{"build", "-o", path}
	if s.race {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".")...)
	build.Dir = filepath.Join(root, tool)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", tool, err, out)
	}
	return nil
}

// Root returns the root of the workspace: the nearest folder, from the current one up, that holds go.work.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("cannot find the workspace: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("cannot find the workspace: no go.work in %s or above", start)
		}
	}
}
