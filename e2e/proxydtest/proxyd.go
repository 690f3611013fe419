package proxydtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/place"
	"section.internal/e2e/controlsocket"
)

// Dirs are the three directories of one proxyd.
type Dirs struct{ Config, Log, Run string }

// NewDirs returns directories below a fresh temporary one. Only the config directory exists: the others are proxyd's to make.
func NewDirs(tb testing.TB) Dirs {
	tb.Helper()
	// The path of a Unix socket is at most 107 bytes long: tb.TempDir, which holds the test's name, would not do.
	root, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			tb.Error(err)
		}
	})
	d := Dirs{Config: filepath.Join(root, "config"), Log: filepath.Join(root, "log"), Run: filepath.Join(root, "run")}
	if err := os.Mkdir(d.Config, 0o755); err != nil {
		tb.Fatal(err)
	}
	return d
}

// AddExample puts the example that shows every action into the config directory. It is called by tests in a folder of e2e.
func (d Dirs) AddExample(tb testing.TB) {
	tb.Helper()
	if err := os.CopyFS(d.Config, os.DirFS("../../contract/config/testdata/good/example")); err != nil {
		tb.Fatal(err)
	}
}

// Flags returns the shared flags that name the directories, for any tool.
func (d Dirs) Flags(settings ...place.Setting) []string {
	var flags []string
	for _, s := range settings {
		dir := map[string]string{place.ConfigDir.Flag: d.Config, place.LogDir.Flag: d.Log, place.RunDir.Flag: d.Run}[s.Flag]
		flags = append(flags, "--"+s.Flag, dir)
	}
	return flags
}

// WriteConfig replaces proxy.toml.
func (d Dirs) WriteConfig(tb testing.TB, text string) {
	tb.Helper()
	d.WriteFile(tb, place.ConfigFileName, text)
}

// WriteFile replaces a file of the config directory, or a directory below it.
func (d Dirs) WriteFile(tb testing.TB, name, text string) {
	tb.Helper()
	path := filepath.Join(d.Config, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
}

// Options says how to start proxyd.
type Options struct {
	NextHop string            // HOST:PORT
	Dirs    *Dirs             // nil: fresh ones
	Listen  string            // empty: a free loopback port
	Config  string            // the text of proxy.toml; empty: no file is written
	Files   map[string]string // what else is written into the config directory, by name
	Flags   []string          // further flags
	UID     int               // not 0, and the test runs as root: proxyd runs as this user
}

// Proxyd is a running proxyd.
type Proxyd struct {
	Dirs
	Addr string // on which it takes requests
	PID  int

	tb     testing.TB
	cmd    *exec.Cmd
	stdout *lockedBuffer
	stderr *lockedBuffer
	ended  chan struct{} // closed when the process has been waited for
	base   Descriptors   // when it had just started
	over   bool          // the test has ended it and looked at how it ended
}

// Start starts proxyd and waits until it is ready. When the test ends, proxyd is stopped as Stop does, unless the test has
// done that.
func (b *Bench) Start(tb testing.TB, o Options) *Proxyd {
	tb.Helper()
	p := b.Launch(tb, o)
	p.AwaitReady()
	return p
}

// Launch starts proxyd and does not wait for anything. Addr is empty.
func (b *Bench) Launch(tb testing.TB, o Options) *Proxyd {
	tb.Helper()
	if o.Dirs == nil {
		dirs := NewDirs(tb)
		o.Dirs = &dirs
	}
	if o.Config != "" {
		o.Dirs.WriteConfig(tb, o.Config)
	}
	for name, text := range o.Files {
		o.Dirs.WriteFile(tb, name, text)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	args := o.Dirs.Flags(place.ConfigDir, place.LogDir, place.RunDir)
	args = append(args, "--"+place.Listen.Flag, o.Listen, "--"+place.NextHop.Flag, o.NextHop)
	cmd := b.Command(tb, "proxyd", append(args, o.Flags...)...)
	p := &Proxyd{Dirs: *o.Dirs, tb: tb, cmd: cmd, stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	// If the test process is killed, its proxyd must not outlive it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if o.UID != 0 && os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.PID = cmd.Process.Pid
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	tb.Cleanup(func() {
		if !p.over {
			p.Stop()
		}
	})
	return p
}

// AwaitReady waits until a launched proxyd answers on its control socket, and fills in Addr.
func (p *Proxyd) AwaitReady() {
	p.tb.Helper()
	var status control.Status
	err := poll(Patience, func() (err error) {
		select {
		case <-p.ended:
			return nil
		default:
		}
		status, err = p.status()
		return err
	})
	if !p.running() {
		p.over = true
		p.tb.Fatalf("proxyd ended before it was ready: %s\n%s", p.cmd.ProcessState, p.Stderr())
	}
	if err != nil {
		p.cmd.Process.Kill()
		<-p.ended
		p.over = true
		p.tb.Fatalf("proxyd was not ready after %s: %v\n%s", Patience, err, p.Stderr())
	}
	p.Addr = status.Listen
	p.base = p.Descriptors()
}

// Status asks proxyd over its control socket.
func (p *Proxyd) Status() control.Status {
	p.tb.Helper()
	status, err := p.status()
	if err != nil {
		p.tb.Fatalf("cannot ask proxyd: %v\n%s", err, p.Stderr())
	}
	return status
}

func (p *Proxyd) status() (control.Status, error) {
	return controlsocket.Status(context.Background(), p.Run)
}

// ConfigInForce asks proxyd for the configuration in force.
func (p *Proxyd) ConfigInForce() control.Config {
	p.tb.Helper()
	config, err := controlsocket.Config(context.Background(), p.Run)
	if err != nil {
		p.tb.Fatalf("cannot ask proxyd: %v\n%s", err, p.Stderr())
	}
	return config
}

// Signal sends a signal to proxyd.
func (p *Proxyd) Signal(sig syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.tb.Fatalf("cannot signal proxyd: %v\n%s", err, p.Stderr())
	}
}

// Pause stops proxyd in the middle of whatever it does, until Continue; the kernel goes on taking connections for it.
func (p *Proxyd) Pause() {
	p.tb.Helper()
	p.Signal(syscall.SIGSTOP)
	Eventually(p.tb, "proxyd to stand still", func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			return err
		}
		if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
			return fmt.Errorf("its state is %.1s", state)
		}
		return nil
	})
}

// Continue lets a paused proxyd go on.
func (p *Proxyd) Continue() {
	p.tb.Helper()
	p.Signal(syscall.SIGCONT)
}

// Wait waits until proxyd has ended and returns its exit code, -1 when a signal ended it.
func (p *Proxyd) Wait() int {
	p.tb.Helper()
	p.over = true
	select {
	case <-p.ended:
	case <-time.After(Patience):
		p.cmd.Process.Signal(syscall.SIGQUIT) // so that stderr shows where it hangs
		select {
		case <-p.ended:
		case <-time.After(Patience):
			p.cmd.Process.Kill()
			<-p.ended
		}
		p.tb.Fatalf("proxyd did not end within %s\n%s", Patience, p.Stderr())
	}
	if strings.Contains(p.Stderr(), "DATA RACE") {
		p.tb.Errorf("the race detector speaks\n%s", p.Stderr())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop ends proxyd with TERM and checks that it went as promised: exit code 0, pidfile and socket removed, no file where
// none belongs, no BUG reported.
func (p *Proxyd) Stop() {
	p.tb.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already, which Wait reports
	p.AwaitStop()
}

// AwaitStop is Stop for a proxyd that has been sent TERM. A second one would cut off what it still serves, or kill it in its last
// moment, when it does not catch signals any more.
func (p *Proxyd) AwaitStop() {
	p.tb.Helper()
	if code := p.Wait(); code != 0 {
		p.tb.Errorf("proxyd ended with %d on TERM, want 0\n%s", code, p.Stderr())
	}
	p.CheckFiles()
}

// Kill ends proxyd with KILL.
func (p *Proxyd) Kill() {
	p.tb.Helper()
	p.Signal(syscall.SIGKILL)
	p.Wait()
}

// CheckFiles checks that a proxyd that has ended left nothing but its logs, and did not complain of itself.
func (p *Proxyd) CheckFiles() {
	p.tb.Helper()
	for _, name := range list(p.tb, p.Run) {
		p.tb.Errorf("proxyd left %s in its run directory", name)
	}
	for _, name := range list(p.tb, p.Log) {
		if !strings.HasPrefix(name, place.AccessLogName) && !strings.HasPrefix(name, place.ErrorLogName) {
			p.tb.Errorf("proxyd left %s in its log directory", name)
		}
	}
	for _, word := range []string{"BUG: ", "panic: ", "goroutine "} {
		if strings.Contains(p.Stderr(), word) {
			p.tb.Errorf("proxyd speaks of %q on stderr\n%s", word, p.Stderr())
		}
	}
}

// Stderr returns what proxyd has written to stderr so far.
func (p *Proxyd) Stderr() string { return p.stderr.String() }

// Stdout returns what proxyd has written to stdout so far.
func (p *Proxyd) Stdout() string { return p.stdout.String() }

func (p *Proxyd) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// RunToEnd starts proxyd where it must refuse to run, and returns its exit code and stderr.
func (b *Bench) RunToEnd(tb testing.TB, o Options) (code int, stderr string) {
	tb.Helper()
	p := b.Launch(tb, o)
	code = p.Wait()
	return code, p.Stderr()
}

func list(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Error(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// lockedBuffer takes what a process writes while a test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
