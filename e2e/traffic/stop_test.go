package traffic

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, proxydtest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(proxydtest.Patience))
	return c
}

// TestStop_DrainIsBounded: a response that never ends does not keep proxyd from stopping.
func TestStop_DrainIsBounded(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	origin := proxydtest.Origin(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	t.Cleanup(func() { close(release) }) // before the origin is closed, which waits for its handlers
	proxyd := bench.Start(t, proxydtest.Options{NextHop: origin, Flags: []string{"--drain-timeout", "1s"}})
	c := dial(t, proxyd.Addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	begin := time.Now()
	proxyd.Signal(syscall.SIGTERM)
	code := proxyd.Wait()
	if took := time.Since(begin); took < 900*time.Millisecond || took > 6*time.Second {
		t.Errorf("proxyd ended after %s, want about the 1s of --drain-timeout", took)
	}
	if code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, proxyd.Stderr())
	}
	proxyd.CheckFiles()
	if lines := proxyd.AccessLog(t); len(lines) != 1 {
		t.Errorf("the access log has %d lines, want the request that was cut off as well", len(lines))
	}
}

// TestStop_NothingNewIsAccepted: once proxyd drains, its port is closed for others, while the one in flight is served.
func TestStop_NothingNewIsAccepted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		arrived, release := make(chan struct{}), make(chan struct{})
		origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-release
			io.WriteString(w, "late")
		}))
		proxyd := bench.Start(t, proxydtest.Options{NextHop: origin})
		c := dial(t, proxyd.Addr)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-arrived
		proxyd.Signal(sig)
		proxydtest.Eventually(t, "the port to be closed", func() error {
			extra, err := net.DialTimeout("tcp", proxyd.Addr, time.Second)
			if err != nil {
				return nil
			}
			extra.Close()
			return fmt.Errorf("%s still takes connections", proxyd.Addr)
		})
		if !proxyd.Status().Draining {
			t.Error("the status does not say that proxyd drains")
		}
		close(release)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "late" || !resp.Close {
			t.Errorf("%s %q %v, close %v: want late and close", resp.Status, body, err, resp.Close)
		}
		c.Close()
		if code := proxyd.Wait(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		proxyd.CheckFiles()
	}
}

// TestStop_EveryLineIsWritten: the access log is complete when proxyd has ended, and at most a second late before.
func TestStop_EveryLineIsWritten(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	client := proxydtest.Client(t)
	for range 300 {
		resp, err := client.Get("http://" + proxyd.Addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	client.CloseIdleConnections()
	proxyd.Stop()
	lines := proxyd.AccessLog(t)
	if len(lines) != 300 {
		t.Fatalf("the access log has %d lines, want 300", len(lines))
	}
	for i, l := range lines {
		if l["seq"] != fmt.Sprint(i+1) {
			t.Fatalf("line %d has seq %s", i+1, l["seq"])
		}
	}
}

func TestLog_IsAtMostASecondLate(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	mustSay(t, proxyd.Addr, "hello")
	begin := time.Now()
	proxyd.AwaitLogged(t, 1)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the line came after %s, want at most 1s (and some for a busy machine)", took)
	}
}

// TestLog_GoesWhereTheConfigSays: to files, to stdout, to both; the same line in each, and a reload changes it.
func TestLog_GoesWhereTheConfigSays(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t), Config: "[log]\nto = \"stdout\"\n"})
	if _, err := os.Stat(place.AccessLog(proxyd.Log)); !os.IsNotExist(err) {
		t.Errorf("there is an access log although it goes to stdout: %v", err)
	}
	mustSay(t, proxyd.Addr, "hello")
	proxydtest.Eventually(t, "the line on stdout", func() error {
		if !strings.Contains(proxyd.Stdout(), `"seq":"1"`) {
			return fmt.Errorf("stdout is %q", proxyd.Stdout())
		}
		return nil
	})
	proxyd.WriteConfig(t, "[log]\nto = \"both\"\n")
	bench.Silent(t, "deploy", proxyd.Flags(place.ConfigDir, place.RunDir)...)
	mustSay(t, proxyd.Addr, "hello")
	proxyd.AwaitLogged(t, 1)
	proxyd.WriteConfig(t, "[log]\nto = \"files\"\n")
	bench.Silent(t, "deploy", proxyd.Flags(place.ConfigDir, place.RunDir)...)
	mustSay(t, proxyd.Addr, "hello")
	proxyd.Stop()
	if n := strings.Count(proxyd.Stdout(), "\n"); n != 2 {
		t.Errorf("stdout has %d lines, want the first two\n%s", n, proxyd.Stdout())
	}
	lines := proxyd.AccessLog(t)
	if len(lines) != 2 || lines[0]["seq"] != "2" || lines[1]["seq"] != "3" {
		t.Errorf("the file holds %v, want seq 2 and 3", lines)
	}
}

// TestSignal_USR1ReopensTheLogs: what is written after the signal is in a new file.
func TestSignal_USR1ReopensTheLogs(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	mustSay(t, proxyd.Addr, "hello")
	proxyd.AwaitLogged(t, 1)
	path := place.AccessLog(proxyd.Log)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(place.ErrorLog(proxyd.Log), place.ErrorLog(proxyd.Log)+".old"); err != nil {
		t.Fatal(err)
	}
	proxyd.Signal(syscall.SIGUSR1)
	for _, p := range []string{path, place.ErrorLog(proxyd.Log)} {
		proxydtest.Eventually(t, "a new "+p, func() error { _, err := os.Stat(p); return err })
	}
	mustSay(t, proxyd.Addr, "hello")
	if lines := proxyd.AwaitLogged(t, 1); lines[0]["seq"] != "2" {
		t.Errorf("the new file begins with seq %s, want 2", lines[0]["seq"])
	}
}

// TestSignal_HUPAppliesTheConfig: a changed file is applied; a broken one leaves the old in force and is complained of.
func TestSignal_HUPAppliesTheConfig(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t), Config: "[client]\nmax_body_size = 10\n"})
	mustAccept := func(size, status int) {
		t.Helper()
		client := proxydtest.Client(t)
		resp, err := client.Post("http://"+proxyd.Addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("a body of %d bytes: %s, want %d", size, resp.Status, status)
		}
		client.CloseIdleConnections()
	}
	awaitGeneration := func(n uint64) {
		t.Helper()
		proxydtest.Eventually(t, fmt.Sprintf("generation %d", n), func() error {
			if got := proxyd.Status().Generation.Number; got != n {
				return fmt.Errorf("generation %d", got)
			}
			return nil
		})
	}
	mustAccept(11, 413)
	proxyd.WriteConfig(t, "[client]\nmax_body_size = 20\n")
	proxyd.Signal(syscall.SIGHUP)
	awaitGeneration(2)
	mustAccept(11, 200)
	mustAccept(21, 413)
	proxyd.WriteConfig(t, "[client]\nmax_body_size = \"12 parsecs\"\n")
	proxyd.Signal(syscall.SIGHUP)
	proxydtest.Eventually(t, "a complaint on stderr", func() error {
		if !strings.Contains(proxyd.Stderr(), "12 parsecs") {
			return fmt.Errorf("stderr is %q", proxyd.Stderr())
		}
		return nil
	})
	awaitGeneration(2)
	mustAccept(20, 200)
	mustAccept(21, 413)
	proxyd.WriteConfig(t, "")
	proxyd.Signal(syscall.SIGHUP)
	awaitGeneration(3)
	mustAccept(21, 200)
}
