// Command demo is what "make run" runs: proxyd on a loopback port in front of a small origin of its own, with everything it
// writes in a temporary place. Ctrl-C ends both and removes the place.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"section.internal/contract/place"
	"section.internal/e2e/binaries"
)

func main() {
	bin := flag.String("bin", "", "directory of the built binaries; empty: proxyd is built for this run")
	listen := flag.String("listen", "127.0.0.1:8080", "address on which proxyd takes requests; when its port is in use, a free one is taken")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *listen, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// run starts origin and proxyd, tells what can be tried, and ends both when ctx ends.
func run(ctx context.Context, bin, listen string, stdout, stderr io.Writer) (err error) {
	set, err := binaries.New(bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	var path string
	for _, tool := range []string{"deploy", "sectionctl", "proxyd"} { // the first two for those who try what tell says
		if path, err = set.Path(tool); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "proxyd-demo-")
	if err != nil {
		return fmt.Errorf("cannot make a temporary place: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config, logs, sockets := filepath.Join(dir, "config"), filepath.Join(dir, "log"), filepath.Join(dir, "run")
	if err := writeConfig(config); err != nil {
		return err
	}
	origin, err := startOrigin()
	if err != nil {
		return err
	}
	defer origin.Close()

	proxyd := exec.Command(path,
		"--"+place.Listen.Flag, firstFree(listen), "--"+place.NextHop.Flag, origin.addr,
		"--"+place.ConfigDir.Flag, config, "--"+place.LogDir.Flag, logs, "--"+place.RunDir.Flag, sockets,
		"--drain-timeout", "2s") // whoever presses Ctrl-C during a large download wants it to end
	proxyd.Stdout, proxyd.Stderr = stdout, stderr
	// A group of its own: Ctrl-C of the terminal reaches only us, so that there is one order in which things end. If we are
	// killed, the kernel ends proxyd too.
	proxyd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := proxyd.Start(); err != nil {
		return fmt.Errorf("cannot start proxyd: %w", err)
	}
	p := &process{cmd: proxyd, ended: make(chan struct{})}
	go p.wait()

	addr, err := awaitReady(ctx, sockets, p)
	switch {
	case ctx.Err() != nil:
		return p.stop()
	case err != nil:
		return errors.Join(err, p.stop())
	}
	tell(stdout, addr, config, logs, sockets, filepath.Dir(path))
	select {
	case <-ctx.Done():
		fmt.Fprintln(stdout)
		return p.stop()
	case <-p.ended:
		return fmt.Errorf("proxyd has ended by itself (%s): its last words are above", p.cmd.ProcessState)
	}
}

// process is the running proxyd.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and err is good
	err   error
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// stop ends the process, if it has not ended yet, and waits for its end.
func (p *process) stop() error {
	select {
	case <-p.ended:
		return nil // how it ended by itself has been said
	default:
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if <-p.ended; p.err != nil {
		return fmt.Errorf("proxyd did not stop as it should: %w", p.err)
	}
	return nil
}

// writeConfig makes a configuration to play with: the defaults, except that addresses are logged whole.
func writeConfig(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the config directory: %w", err)
	}
	text := "# Change something and run deploy, or misspell something and run validator.\n[log]\nclient_address = \"full\"\n"
	if err := os.WriteFile(place.ConfigFile(dir), []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	return nil
}

// tell says what can be tried.
func tell(out io.Writer, addr, config, logs, sockets, bin string) {
	fmt.Fprintf(out, `
proxyd takes requests on http://%[1]s/ and passes them on to a demonstration origin. Try, in another terminal:

  curl -i http://%[1]s/
  curl -i http://%[1]s/headers -H 'X-Forwarded-For: 203.0.113.7'
  curl -N http://%[1]s/slow
  curl -o /dev/null http://%[1]s/big
  curl http://%[1]s/echo --data-binary 'any body'
  curl -i http://%[1]s/ -X TRACE

  tail -f %[2]s
  %[5]s/sectionctl --run-dir %[4]s --log-dir %[6]s status
  %[5]s/deploy --run-dir %[4]s --config-dir %[3]s      # after a change of %[7]s

Ctrl-C ends it and removes all this.
`, addr, place.AccessLog(logs), config, sockets, bin, logs, place.ConfigFile(config))
}

// patience is how long proxyd may take to be ready.
const patience = 20 * time.Second
