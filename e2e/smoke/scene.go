package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"section.internal/contract/place"
	"section.internal/e2e/binaries"
	"section.internal/e2e/controlsocket"
)

// patience bounds every wait for something that normally takes milliseconds.
const patience = 20 * time.Second

// scene is what the tools work on: scratch directories, an origin, and one proxyd between them. It belongs to one goroutine.
type scene struct {
	ctx     context.Context
	set     *binaries.Set
	root    string
	origin  *httptest.Server
	client  *http.Client
	proxyd  *exec.Cmd     // nil until it has been started
	ended   chan error    // gets what Wait of proxyd returned
	said    *bytes.Buffer // stderr of proxyd; to be read once it has ended
	address string        // on which proxyd takes requests
}

func newScene(ctx context.Context, set *binaries.Set) (*scene, error) {
	root, err := os.MkdirTemp("", "smoke-")
	if err != nil {
		return nil, fmt.Errorf("cannot make scratch directories: %w", err)
	}
	s := &scene{
		ctx: ctx, set: set, root: root, client: &http.Client{Timeout: patience},
		origin: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "origin saw %s", r.URL.Path)
		})),
	}
	if err := os.Mkdir(s.configDir(), 0o755); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *scene) configDir() string { return filepath.Join(s.root, "config") }
func (s *scene) logDir() string    { return filepath.Join(s.root, "log") }
func (s *scene) runDir() string    { return filepath.Join(s.root, "run") }
func (s *scene) pid() string       { return strconv.Itoa(s.proxyd.Process.Pid) }

// environment returns the shared settings as the environment of a tool, so that each takes those it knows.
func (s *scene) environment() []string {
	return append(os.Environ(),
		place.ConfigDir.Env+"="+s.configDir(), place.LogDir.Env+"="+s.logDir(), place.RunDir.Env+"="+s.runDir(),
		place.Listen.Env+"="+s.listen(), place.NextHop.Env+"="+s.origin.Listener.Addr().String())
}

// listen returns the address that proxyd has, or shall choose a port of.
func (s *scene) listen() string {
	if s.address != "" {
		return s.address
	}
	return "127.0.0.1:0"
}

// config writes proxy.toml.
func (s *scene) config(text string) error {
	return os.WriteFile(place.ConfigFile(s.configDir()), []byte(text), 0o644)
}

// start starts proxyd and waits until it answers.
func (s *scene) start() error {
	path, err := s.set.Path("proxyd")
	if err != nil {
		return err
	}
	s.said = &bytes.Buffer{}
	s.proxyd = exec.Command(path)
	s.proxyd.Env, s.proxyd.Stderr = s.environment(), s.said
	s.proxyd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.proxyd.Start(); err != nil {
		s.proxyd = nil
		return err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.proxyd.Wait() }()

	return s.until("it is ready", func() error {
		status, err := controlsocket.Status(s.ctx, s.runDir())
		s.address = status.Listen
		return err
	})
}

// until waits until check returns nil. It gives up when proxyd ends, or after patience.
func (s *scene) until(what string, check func() error) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case end := <-s.ended:
			s.ended <- end // for stop
			return fmt.Errorf("proxyd ended before %s: %w", what, err)
		case <-ctx.Done():
			return fmt.Errorf("waited %s until %s: %w", patience, what, err)
		}
	}
}

// introduces checks --version and --help.
func (s *scene) introduces(tool string) error {
	version, err := s.tool(tool, "--version")
	if err != nil {
		return err
	}
	if want := tool + " version "; !strings.HasPrefix(version, want) || len(version) == len(want) {
		return fmt.Errorf("--version prints %q: want it to start with %q", version, want)
	}
	help, err := s.tool(tool, "--help")
	if err != nil {
		return err
	}
	if !strings.Contains(help, tool) || !strings.Contains(help, "--version") {
		return fmt.Errorf("--help names neither the tool nor its options: %q", help)
	}
	return nil
}

// tool runs a tool that must succeed with an empty stderr, and returns its stdout.
func (s *scene) tool(name string, args ...string) (string, error) {
	code, stdout, stderr, err := s.end(name, args...)
	if err == nil && (code != 0 || stderr != "") {
		err = fmt.Errorf("%q ended with exit code %d, stderr %q: want 0 and nothing", line(name, args), code, stderr)
	}
	return stdout, err
}

// silent runs a tool that must succeed without a word.
func (s *scene) silent(name string, args ...string) error {
	stdout, err := s.tool(name, args...)
	if err == nil && stdout != "" {
		err = fmt.Errorf("%q wrote %q to stdout: want nothing", line(name, args), stdout)
	}
	return err
}

// refused runs a tool that must fail with exit code 1, an empty stdout, and a reason that holds the given words.
func (s *scene) refused(words, name string, args ...string) error {
	code, stdout, stderr, err := s.end(name, args...)
	if err == nil && (code != 1 || stdout != "" || !strings.Contains(stderr, words)) {
		err = fmt.Errorf("%q ended with exit code %d, stdout %q, stderr %q: want 1, nothing, and a reason that names %q",
			line(name, args), code, stdout, stderr, words)
	}
	return err
}

func (s *scene) end(name string, args ...string) (code int, stdout, stderr string, err error) {
	path, err := s.set.Path(name)
	if err != nil {
		return 0, "", "", err
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environment(), &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		return 0, "", "", fmt.Errorf("%q did not end within %s", line(name, args), patience)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String(), err
}

// line returns a command line, for a report.
func line(name string, args []string) string {
	return strings.Join(append([]string{name}, args...), " ")
}

// lastWords ends proxyd, if it runs, and returns what it wrote to stderr, for the report of a failure.
func (s *scene) lastWords() string {
	if s.proxyd == nil {
		return ""
	}
	stopped := s.stop()
	text := "\nproxyd wrote to stderr: " + s.said.String()
	if stopped != nil {
		text = "\n" + stopped.Error() + text
	}
	return text
}

// stop ends proxyd with TERM and checks that it went well.
func (s *scene) stop() error {
	defer func() { s.proxyd = nil }()
	s.proxyd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already, which is seen next
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("proxyd: TERM must end it with exit code 0: %w", err)
		}
		return nil
	case <-time.After(patience):
		s.proxyd.Process.Kill()
		<-s.ended
		return fmt.Errorf("proxyd: did not end within %s of TERM", patience)
	}
}

// close ends what runs and removes what was made.
func (s *scene) close() error {
	s.client.CloseIdleConnections() // or proxyd would have to wait for nobody's next request
	var err error
	if s.proxyd != nil {
		err = s.stop()
	}
	s.origin.Close()
	return errors.Join(err, os.RemoveAll(s.root))
}
