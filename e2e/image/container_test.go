//go:build image

package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// container is a running container of one test, which removes it at its end.
type container struct {
	id   string
	addr string // of port 80, published on the loopback interface; empty when it is not
}

// house is what most tests look at: proxyd on a private network, with an origin whose alias is next-hop.
type house struct {
	network string
	config  string // the folder on this machine that is mounted at /opt/proxy_config
	origin  container
	proxyd  container
}

// newHouse starts a house with the given text of proxy.toml, and further options of docker run for proxyd. It waits until
// requests reach the origin.
func newHouse(t *testing.T, toml string, options ...string) *house {
	t.Helper()
	h := &house{network: newNetwork(t), config: newConfig(t, toml)}
	h.origin = startOrigin(t, h.network, "first", "--network-alias", place.NextHopHost)
	h.proxyd = startProxyd(t, append([]string{"--network", h.network, "--volume", h.config + ":/opt/proxy_config:ro"}, options...)...)
	h.proxyd.awaitOrigin(t)
	return h
}

func newNetwork(t *testing.T) string {
	t.Helper()
	id := must(t)(docker("network", "create", "--label", label+"="+lab.name, lab.name+"-"+unique()))
	t.Cleanup(func() { must(t)(docker("network", "rm", id)) })
	return id
}

// newConfig makes a config directory that any user of a container can read.
func newConfig(t *testing.T, toml string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-config-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if toml != "" {
		writeConfig(t, dir, toml)
	}
	return dir
}

func writeConfig(t *testing.T, dir, toml string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, place.ConfigFileName), []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
}

func startOrigin(t *testing.T, network, name string, options ...string) container {
	t.Helper()
	return start(t, append(append([]string{"--network", network}, options...), lab.origin, name)...)
}

// startProxyd starts a container of the image, with its port published on the loopback interface.
func startProxyd(t *testing.T, options ...string) container {
	t.Helper()
	c := start(t, append(append([]string{"--publish", "127.0.0.1::80"}, options...), lab.image)...)
	// Without a network there is no port to publish.
	if ports, err := docker("port", c.id, "80/tcp"); err == nil {
		c.addr, _, _ = strings.Cut(ports, "\n")
	}
	return c
}

func start(t *testing.T, args ...string) container {
	t.Helper()
	c := container{id: must(t)(docker(append([]string{"run", "--detach", "--label", label + "=" + lab.name}, args...)...))}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("docker logs: %s", c.logs())
		}
		must(t)(docker("rm", "--force", "--volumes", c.id))
	})
	return c
}

// logs returns what a container wrote to stdout and stderr.
func (c container) logs() string {
	out, _ := exec.Command("docker", "logs", c.id).CombinedOutput()
	return string(out)
}

// awaitOrigin waits until a request gets through to the origin.
func (c container) awaitOrigin(t *testing.T) {
	t.Helper()
	proxydtest.Eventually(t, "a request to get through to the origin", func() error {
		if running, err := docker("inspect", "--format", "{{.State.Running}}", c.id); err != nil || running != "true" {
			t.Fatalf("the container has ended: %v\n%s", err, c.logs())
		}
		client, err := dial(c.addr)
		if err != nil {
			return err
		}
		defer client.close()
		a, err := client.do("GET /ready HTTP/1.1\r\nHost: ready\r\n\r\n")
		if err == nil && a.StatusCode != 200 {
			err = fmt.Errorf("%s: %s", a.Status, a.body)
		}
		return err
	})
}

// awaitControl waits until proxyd answers on its control socket.
func (c container) awaitControl(t *testing.T) {
	t.Helper()
	proxydtest.Eventually(t, "proxyd to answer on its control socket", func() error {
		if e := c.exec(t, "/opt/section/messagehandler.sh", "ping"); e.code != 0 {
			return errors.New(e.String())
		}
		return nil
	})
}

// end is how a command ended.
type end struct {
	code           int
	stdout, stderr string
}

func (e end) String() string {
	return fmt.Sprintf("exit code %d, stdout %q, stderr %q", e.code, e.stdout, e.stderr)
}

// exec runs a command in a container as the platform runs the hooks.
func (c container) exec(t *testing.T, args ...string) end {
	t.Helper()
	return run3(t, append([]string{"exec", c.id}, args...)...)
}

// throwAway runs a script of the image in a container of its own that has no network and no proxyd.
func throwAway(t *testing.T, script, config string, options ...string) end {
	t.Helper()
	args := []string{"run", "--rm", "--label", label + "=" + lab.name, "--network", "none", "--entrypoint", "/opt/section/" + script}
	if config != "" {
		args = append(args, "--volume", config+":/opt/proxy_config:ro")
	}
	return run3(t, append(append(args, options...), lab.image)...)
}

func run3(t *testing.T, args ...string) end {
	t.Helper()
	cmd := exec.Command("docker", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return end{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantSilence checks that a hook succeeded without a word.
func wantSilence(t *testing.T, hook string, e end) {
	t.Helper()
	if e != (end{}) {
		t.Errorf("%s: %s: want exit code 0 and not one byte", hook, e)
	}
}

// wantReason checks that a hook failed with exit code 1, an empty stdout, and plain lines on stderr that hold each of words.
func wantReason(t *testing.T, hook string, e end, words ...string) {
	t.Helper()
	if e.code != 1 || e.stdout != "" || e.stderr == "" || strings.ContainsAny(e.stderr, "\x1b\t\r") {
		t.Errorf("%s: %s: want exit code 1, an empty stdout and plain lines on stderr", hook, e)
	}
	for _, w := range words {
		if !strings.Contains(e.stderr, w) {
			t.Errorf("%s: stderr %q: want it to name %q", hook, e.stderr, w)
		}
	}
}

// must returns a function that takes a value and an error, fails the test on an error, and returns the value.
func must(t *testing.T) func(string, error) string {
	return func(value string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
