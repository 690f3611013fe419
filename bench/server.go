package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"section.internal/bench/internal/proc"
)

// server is one of those that are measured: how it is found, configured and started. Each has one worker, keeps connections
// open on both sides, logs each request into a file, and does its task.
type server struct {
	name    string // on the command line
	ours    bool   // it is proxyd, or proxyd as it was before a change
	title   string // in the table
	program string // looked for in the PATH, and where Debian has servers
	version []string
	pkg     string // Debian's package
	tuned   bool   // it moves bodies in a better way than by default; measured where there are bodies, and beside the goal

	// configure writes into place.dir what the server needs and returns what is started, in this order.
	configure func(p *placement) ([]part, error)
	accessLog func(dir string) string
}

// before says whether it is proxyd as it was before a change.
func (s *server) before() bool { return s.ours && s.name != "proxyd" }

// task is what a server is set up for.
type task int

const (
	passOn  task = iota // pass everything on
	answer              // answer for origin.Storable without asking the origin: from a cache, or by a rule
	rewrite             // pass everything on, with ten rules that change headers; proxyd's alone
)

// part is one process of a server.
type part struct {
	name string
	argv []string
}

// placement is where a server is to run.
type placement struct {
	task           task
	program        string // the path of the program
	dir            string // for all that it writes, empty
	listen, origin netip.AddrPort
	connections    int // that it must be able to have
	descriptors    int
}

func (p *placement) file(name string) string { return filepath.Join(p.dir, name) }

// write writes a configuration file and returns its path.
func (p *placement) write(name, text string) (string, error) {
	path := p.file(name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("cannot write a configuration: %w", err)
	}
	return path, nil
}

// servers returns all servers but proxyd as it was before; proxyd is the first.
func servers() []*server {
	return []*server{
		proxydServer(), nginxServer(), nginxBuffersServer(), haproxyServer(), haproxySpliceServer(), varnishServer(),
	}
}

func serverNames() (names []string) {
	for _, s := range servers() {
		names = append(names, s.name)
	}
	return names
}

// find returns the path of a program, or an error that says what to do.
func find(program, pkg string) (string, error) {
	if strings.Contains(program, "/") { // proxyd, as the command line names it
		path, err := filepath.Abs(program)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return "", fmt.Errorf("no %s: %w: run 'make build'", program, err)
		}
		return path, nil
	}
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} { // not in everybody's PATH
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s on this machine: run 'make bench-setup', or install the package %s", program, pkg)
}

// describe returns what a program says of its version, the first line of it.
func describe(path string, args ...string) string {
	out, err := exec.Command(path, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil && line == "" {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// instance is a server that runs.
type instance struct {
	server       *server
	task         task
	addr, origin netip.AddrPort
	dir          string
	parts        []*process
	pids         []int
}

// launch starts a server and waits until it answers a request rightly. Whoever gets an instance stops or kills it.
func launch(ctx context.Context, s *server, p *placement, core int) (_ *instance, err error) {
	if p.listen, err = freePort(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make a place for %s: %w", s.title, err)
	}
	parts, err := s.configure(p)
	if err != nil {
		return nil, err
	}
	i := &instance{server: s, task: p.task, addr: p.listen, origin: p.origin, dir: p.dir}
	for _, part := range parts {
		started, err := start(p.dir, core, part.name, part.argv, nil, nil)
		if err != nil {
			i.kill()
			return nil, err
		}
		i.parts, i.pids = append(i.parts, started), append(i.pids, started.pid())
		if err := i.ready(ctx); err != nil {
			i.kill()
			return nil, err
		}
	}
	return i, nil
}

// ready waits until the server answers. It is asked after each part: the later ones need the first.
func (i *instance) ready(ctx context.Context) error {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe(ctx, i.addr, "/1k")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer as it should, after up to %s: %w", i.server.title, patience, err)
		case <-tick.C:
			if err := i.running(); err != nil {
				return err
			}
		}
	}
}

// running returns an error when a process of the server has ended.
func (i *instance) running() error {
	for _, p := range i.parts {
		if err := p.running(); err != nil {
			return err
		}
	}
	return nil
}

// tree returns all processes of the server.
func (i *instance) tree() ([]proc.Stat, error) { return proc.Tree(i.pids) }

// stop ends the server, the last part first, and removes what it has written.
func (i *instance) stop() error {
	var errs []error
	for n := len(i.parts) - 1; n >= 0; n-- {
		errs = append(errs, i.parts[n].stop())
	}
	i.parts = nil
	return errors.Join(append(errs, os.RemoveAll(i.dir))...)
}

// kill does the same when something went wrong already.
func (i *instance) kill() {
	for n := len(i.parts) - 1; n >= 0; n-- {
		i.parts[n].kill()
	}
	i.parts = nil
	os.RemoveAll(i.dir)
}

// freePort returns a port of the loopback interface that nobody uses at the moment.
func freePort() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("cannot find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}
