package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that we have started. Its stdout and stderr go to files, or stdout to us.
type process struct {
	name   string
	cmd    *exec.Cmd
	stderr string // the file
	ended  chan struct{}
	err    error // how it ended; to be read once ended is closed
}

// stopPatience is how long a process may take to end before it is killed.
const stopPatience = 10 * time.Second

// start runs a program on one core. A nil stdout is a file of the process's name in dir.
func start(dir string, core int, name string, argv []string, stdin io.Reader, stdout io.Writer) (*process, error) {
	if stdout == nil {
		file, err := os.Create(stdoutFile(dir, name))
		if err != nil {
			return nil, fmt.Errorf("cannot start %s: %w", name, err)
		}
		defer file.Close()
		stdout = file
	}
	stderr, err := os.Create(filepath.Join(dir, name+".stderr"))
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	defer stderr.Close()
	p := &process{name: name, stderr: stderr.Name(), ended: make(chan struct{})}
	p.cmd = exec.Command("taskset", append([]string{"-c", strconv.Itoa(core)}, argv...)...) // which becomes the program
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = stdin, stdout, stderr, dir
	// A group of its own: Ctrl-C reaches only us, and we end what we started. If we are killed, the kernel does.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w (taskset is in the package util-linux)", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stdoutFile is where the stdout of a server goes.
func stdoutFile(dir, name string) string { return filepath.Join(dir, name+".stdout") }

// pid is the process's id, and its group's.
func (p *process) pid() int { return p.cmd.Process.Pid }

// running returns an error, with the process's last words, when it has ended.
func (p *process) running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended (%v)%s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

// stop ends the process and what it has started. It must still be running then.
func (p *process) stop() error {
	if err := p.running(); err != nil {
		return err
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil // how it ends on a signal differs from one to the other
	case <-time.After(stopPatience):
	}
	syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.ended
	return fmt.Errorf("%s did not end within %s of TERM and was killed%s", p.name, stopPatience, p.lastWords())
}

// kill ends the process, however it is, and what it has started.
func (p *process) kill() {
	select {
	case <-p.ended:
	default:
		syscall.Kill(-p.pid(), syscall.SIGKILL)
		<-p.ended
	}
}

// wait waits until the process has ended by itself, and returns what was wrong with its end.
func (p *process) wait(patience time.Duration) error {
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s did not end within %s", p.name, patience)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w%s", p.name, p.err, p.lastWords())
	}
	return nil
}

// lastWords returns the end of what the process wrote to stderr, on lines of their own.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.stderr)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ": " + err.Error()
	}
	words := strings.TrimSpace(string(text[max(0, len(text)-1000):]))
	if words == "" {
		return ": it said nothing"
	}
	return ":\n" + words
}
