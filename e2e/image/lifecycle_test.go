//go:build image

package image

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"section.internal/e2e/proxydtest"
)

func TestImage_StopAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	slow := connect(t, h.proxyd)
	if _, err := io.WriteString(slow.conn, "GET /slow HTTP/1.1\r\nHost: www.example.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(slow.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	stopping := exec.Command("docker", "stop", "--time", "40", h.proxyd.id)
	if err := stopping.Start(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	if err != nil || int64(len(rest)+1) != resp.ContentLength {
		t.Errorf("the rest of the slow response is %d bytes, %v: want all of %d", len(rest), err, resp.ContentLength-1)
	}
	if err := stopping.Wait(); err != nil {
		t.Error(err)
	}
	stop(t, h.proxyd)
	lines := accessLog(t, h.proxyd)
	if len(lines) == 0 || lines[len(lines)-1]["uri_path"] != "/slow" || lines[len(lines)-1]["status"] != "200" {
		t.Errorf("the access log is %v: want /slow with 200 at its end", lines)
	}
}

func TestImage_ProxydReapsOrphans(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	// The shell ends first, so its child becomes one of PID 1.
	e := h.proxyd.exec(t, "sh", "-c", "sleep 0.2 >/dev/null 2>&1 & echo $!")
	pid := strings.TrimSpace(e.stdout)
	if e.code != 0 || pid == "" {
		t.Fatal(e)
	}
	proxydtest.Eventually(t, "the orphan to be reaped", func() error {
		if e := h.proxyd.exec(t, "cat", "/proc/"+pid+"/stat"); e.code == 0 {
			return errors.New(e.stdout)
		}
		return nil
	})
	connect(t, h.proxyd).get(t, "/after")
}

func TestImage_RestartsAfterKill(t *testing.T) {
	t.Parallel()
	// The same container again: the pidfile and the socket of the killed process are still there.
	h := newHouse(t, "")
	must(t)(docker("kill", "--signal", "KILL", h.proxyd.id))
	must(t)(docker("start", h.proxyd.id))
	ports := must(t)(docker("port", h.proxyd.id, "80/tcp"))
	h.proxyd.addr, _, _ = strings.Cut(ports, "\n")
	h.proxyd.awaitOrigin(t)
	wantSilence(t, "update.sh", h.proxyd.exec(t, "/opt/section/update.sh"))
	stop(t, h.proxyd)
}

// The container in the ways in which a platform may confine it. Everything must work in each: the hooks, a request, an end.
func TestImage_WorksConfined(t *testing.T) {
	readOnly := []string{"--read-only", "--tmpfs", "/run", "--tmpfs", "/var/log"}
	dropped := []string{"--cap-drop", "ALL", "--security-opt", "no-new-privileges"}
	// What proxyd needs to bind its port, hand its directories to its user and become that user, and the hooks to signal it.
	asRoot := append(append([]string{}, dropped...), "--cap-add", "CHOWN", "--cap-add", "SETUID", "--cap-add", "SETGID",
		"--cap-add", "NET_BIND_SERVICE", "--cap-add", "KILL")
	anyUser := []string{"--user", "12345:12345"}
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"ReadOnlyRootFileSystem", readOnly},
		{"RootWithNeededCapabilities", asRoot},
		{"RootReadOnlyWithNeededCapabilities", append(asRoot, readOnly...)},
		{"AnyUser", anyUser},
		{"AnyUserWithoutCapabilities", append(append(anyUser, dropped...), readOnly...)},
		{"UserProxyd", append([]string{"--user", "proxyd"}, dropped...)},
		{"MemoryLimit", []string{"--memory", "20m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, valid, c.options...)
			worksWhole(t, h)
		})
	}
}

// worksWhole checks the hooks, a request and an end.
func worksWhole(t *testing.T, h *house) {
	t.Helper()
	connect(t, h.proxyd).get(t, "/before")
	wantSilence(t, "validate.sh", h.proxyd.exec(t, "/opt/section/validate.sh"))
	wantSilence(t, "update.sh", h.proxyd.exec(t, "/opt/section/update.sh"))
	awaitLogged(t, h.proxyd, "/before", 1)
	wantSilence(t, "logrotate.sh", h.proxyd.exec(t, "/opt/section/logrotate.sh"))
	wantSilence(t, "messagehandler.sh", h.proxyd.exec(t, "/opt/section/messagehandler.sh", "ping", ""))
	wantSilence(t, "prepare.sh", h.proxyd.exec(t, "/opt/section/prepare.sh"))
	for _, command := range []string{"check", "status", "config"} {
		if e := h.proxyd.exec(t, "/opt/section/sectionctl.sh", command); e.code != 0 || e.stderr != "" {
			t.Errorf("sectionctl.sh %s: %s: want exit code 0 and an empty stderr", command, e)
		}
	}
	if e := h.proxyd.exec(t, "sh", "-c", `for f in /var/log/proxyd/access.log*; do [ "$f" = /var/log/proxyd/access.log ] || echo "$f"; done`); e.stdout == "" {
		t.Errorf("after logrotate.sh: %s: want a rotated access log", e)
	}
	connect(t, h.proxyd).get(t, "/after")
	stop(t, h.proxyd)
}

func TestImage_StartedAsRootServesAsAnUnprivilegedUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	status := h.proxyd.exec(t, "cat", "/proc/1/status")
	want := strings.TrimSpace(h.proxyd.exec(t, "id", "-u", "proxyd").stdout)
	for line := range strings.Lines(status.stdout) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "Uid", "Gid":
			for _, id := range strings.Fields(value) {
				if id != want {
					t.Errorf("PID 1 has %s %s: want %s in all places", name, value, want)
				}
			}
		case "CapEff", "CapPrm", "CapAmb":
			if strings.Trim(strings.TrimSpace(value), "0") != "" {
				t.Errorf("PID 1 has %s %s: want none", name, value)
			}
		}
	}
}

func TestImage_HealthCheckFollowsTheProxy(t *testing.T) {
	t.Parallel()
	// A start period of nought would mean that of the image, in which a failure does not count.
	quick := []string{"--health-interval", "500ms", "--health-retries", "1", "--health-start-period", "1ms"}
	h := newHouse(t, "", quick...)
	proxydtest.Eventually(t, "the health check to say healthy", func() error { return health(h.proxyd, "healthy") })
	// Without a network the port answers, but next-hop cannot be resolved.
	alone := startProxyd(t, append([]string{"--network", "none"}, quick...)...)
	proxydtest.Eventually(t, "the health check to say unhealthy", func() error { return health(alone, "unhealthy") })
}

func health(c container, want string) error {
	got, err := docker("inspect", "--format", "{{.State.Health.Status}}", c.id)
	if err == nil && got != want {
		err = fmt.Errorf("it says %s", got)
	}
	return err
}
