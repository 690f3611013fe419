package traffic

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/addrtest"
	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// hello is an origin that answers everything with "hello".
func hello(t *testing.T) string {
	return proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
}

// mustSay checks that a GET of a proxyd's address is answered with text.
func mustSay(t *testing.T, addr, text string) {
	t.Helper()
	client := proxydtest.Client(t)
	resp, err := client.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != text {
		t.Errorf("%s: %q, %v: want %q", resp.Status, body, err, text)
	}
	client.CloseIdleConnections()
}

// mustRefuse checks that proxyd refuses to start: exit code 1, one clear line that names what is wrong.
func mustRefuse(t *testing.T, o proxydtest.Options, words ...string) {
	t.Helper()
	code, stderr := bench.RunToEnd(t, o)
	if code != 1 {
		t.Errorf("exit code %d, want 1; stderr: %s", code, stderr)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "proxyd: ") {
		t.Errorf("stderr %q: want one line that starts with proxyd:", stderr)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			t.Errorf("stderr %q: want it to say %q", stderr, word)
		}
	}
}

func TestStart_MakesItsDirectories(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	dirs.Log = filepath.Join(dirs.Log, "deep", "down")
	dirs.Run = filepath.Join(dirs.Run, "deep")
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t), Dirs: &dirs})
	mustSay(t, proxyd.Addr, "hello")
	for _, path := range []string{place.AccessLog(dirs.Log), place.ErrorLog(dirs.Log), place.Pidfile(dirs.Run), place.ControlSocket(dirs.Run)} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(place.ControlSocket(dirs.Run)); err == nil && info.Mode().Perm() != 0o660 {
		t.Errorf("the control socket has mode %o, want 660", info.Mode().Perm())
	}
	if text, err := os.ReadFile(place.Pidfile(dirs.Run)); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(proxyd.PID) {
		t.Errorf("the pidfile holds %q, %v: want %d", text, err, proxyd.PID)
	}
}

func TestStart_AsAnyOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("this test runs as an ordinary user already, as does every other test here")
	}
	dirs := proxydtest.NewDirs(t)
	root := filepath.Dir(dirs.Config)
	const uid = 54321
	if os.Getuid() == 0 {
		// What the user owns is the place in which the directories are to be made.
		if err := os.Chown(root, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t), Dirs: &dirs, UID: uid})
	mustSay(t, proxyd.Addr, "hello")
}

func TestStart_PortInUse(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	dirs := proxydtest.NewDirs(t)
	mustRefuse(t, proxydtest.Options{NextHop: "127.0.0.1:9", Listen: other.Addr().String(), Dirs: &dirs}, other.Addr().String(), "in use")
	mustBeEmpty(t, dirs.Run)
}

func TestStart_UnwritableDirectory(t *testing.T) {
	for _, which := range []string{"log", "run"} {
		dirs := proxydtest.NewDirs(t)
		// A file in the way stops root as well, whom no permission stops.
		path := filepath.Join(filepath.Dir(dirs.Config), which)
		if err := os.WriteFile(path, []byte("in the way"), 0o644); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, proxydtest.Options{NextHop: "127.0.0.1:9", Dirs: &dirs}, path)
		if text, err := os.ReadFile(path); err != nil || string(text) != "in the way" {
			t.Errorf("the file in the way holds %q, %v", text, err)
		}
		os.Remove(path)
	}
}

func TestStart_InvalidConfigIsRefusedWithItsPlace(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	code, stderr := bench.RunToEnd(t, proxydtest.Options{NextHop: "127.0.0.1:9", Dirs: &dirs, Config: "[client]\nidle_timeout = 5\nmax_heder_size = 1\n"})
	if code != 1 || !strings.Contains(stderr, "proxy.toml:2:") || !strings.Contains(stderr, "proxy.toml:3:1") {
		t.Errorf("exit code %d, stderr %q: want 1 and both lines of proxy.toml", code, stderr)
	}
	mustBeEmpty(t, dirs.Run)
}

func TestStart_SecondOnTheSameRunDirectory(t *testing.T) {
	first := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	mustSay(t, first.Addr, "hello")
	second := first.Dirs
	second.Log = second.Log + "-2"
	mustRefuse(t, proxydtest.Options{NextHop: "127.0.0.1:9", Dirs: &second}, strconv.Itoa(first.PID), place.Pidfile(first.Run))
	// The first notices nothing: its files, its socket and its port are as they were.
	mustSay(t, first.Addr, "hello")
	if got := first.Status().PID; got != first.PID {
		t.Errorf("process %d answers on the control socket, want %d", got, first.PID)
	}
	if text, err := os.ReadFile(place.Pidfile(first.Run)); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(first.PID) {
		t.Errorf("the pidfile holds %q, %v: want %d", text, err, first.PID)
	}
	bench.Silent(t, "deploy", first.Flags(place.ConfigDir, place.RunDir)...)
}

func TestStart_StaleFilesOfAKilledOneAreNoObstacle(t *testing.T) {
	origin := hello(t)
	dirs := proxydtest.NewDirs(t)
	for range 3 {
		proxyd := bench.Start(t, proxydtest.Options{NextHop: origin, Dirs: &dirs})
		mustSay(t, proxyd.Addr, "hello")
		proxyd.Kill()
		for _, path := range []string{place.Pidfile(dirs.Run), place.ControlSocket(dirs.Run)} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("a killed proxyd should have left %v", err)
			}
		}
	}
	proxyd := bench.Start(t, proxydtest.Options{NextHop: origin, Dirs: &dirs})
	mustSay(t, proxyd.Addr, "hello")
	proxyd.Stop()
}

func TestStart_PidfileThatNamesAnotherLivingProcessIsStale(t *testing.T) {
	// After a kill -9 and a restart of the container the old number may be anybody's.
	dirs := proxydtest.NewDirs(t)
	if err := os.Mkdir(dirs.Run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place.Pidfile(dirs.Run), fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		t.Fatal(err)
	}
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t), Dirs: &dirs})
	mustSay(t, proxyd.Addr, "hello")
}

func TestStart_NextHopMayBeUnresolvable(t *testing.T) {
	// .invalid never resolves (RFC 6761), whether or not a nameserver answers. A resolution is given up after 20s, and the request
	// waits for its end.
	proxyd := bench.Start(t, proxydtest.Options{NextHop: "next-hop.invalid:80", Config: "[next_hop]\nconnect_timeout = \"30s\"\n"})
	resp, err := proxydtest.Client(t).Get("http://" + proxyd.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := `proxyd; error=dns_error; details="next_hop_unresolved"`
	if got := resp.Header.Get("Proxy-Status"); resp.StatusCode != http.StatusBadGateway || got != want {
		t.Errorf("%s, Proxy-Status %q: want 502 and %q", resp.Status, got, want)
	}
	if status := proxyd.Status(); status.NextHop.Error == "" || len(status.NextHop.Addresses) != 0 {
		t.Errorf("status says next-hop has addresses %q and error %q", status.NextHop.Addresses, status.NextHop.Error)
	}
}

func TestStart_NextHopComesLater(t *testing.T) {
	addr := addrtest.Nobody(t)
	proxyd := bench.Start(t, proxydtest.Options{NextHop: addr})
	resp, err := proxydtest.Client(t).Get("http://" + proxyd.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("%s, want 502", resp.Status)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })}
	go server.Serve(l)
	defer server.Close()
	mustSay(t, proxyd.Addr, "here")
}

// TestNextHop_ThatTakesNoConnectionIs504 fills the queue of a listener that nobody accepts from, so that further connections
// are neither taken nor refused.
func TestNextHop_ThatTakesNoConnectionIs504(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	proxyd := bench.Start(t, proxydtest.Options{NextHop: addr, Config: "[next_hop]\nconnect_timeout = \"2s\"\n"})
	resp, err := proxydtest.Client(t).Get("http://" + proxyd.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := `proxyd; error=connection_timeout; details="next_hop_connect_timeout"`; resp.StatusCode != 504 || resp.Header.Get("Proxy-Status") != want {
		t.Errorf("%s, Proxy-Status %q: want 504 and %q", resp.Status, resp.Header.Get("Proxy-Status"), want)
	}
}

// TestStart_AllAddressesOfNextHopAreUsed uses localhost, which on most machines has an address of each family: the origin
// listens on one of them only.
func TestStart_AllAddressesOfNextHopAreUsed(t *testing.T) {
	addrs, err := net.LookupHost("localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("localhost has the addresses %q", addrs)
	for _, addr := range addrs {
		l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
		if err != nil {
			t.Logf("%s cannot be listened on here: %v", addr, err)
			continue
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, addr) })}
		go server.Serve(l)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		proxyd := bench.Start(t, proxydtest.Options{NextHop: "localhost:" + port})
		for range 5 {
			mustSay(t, proxyd.Addr, addr)
		}
		if got := proxyd.Status().NextHop.Addresses; len(got) != len(addrs) {
			t.Errorf("proxyd knows the addresses %q of localhost, want %d", got, len(addrs))
		}
		proxyd.Stop()
		server.Close()
	}
}

func TestStart_Misuse(t *testing.T) {
	for _, args := range [][]string{{"--no-such-flag"}, {"--listen", ""}, {"argument"}, {"--drain-timeout", "soon"}} {
		r := bench.Run(t, "proxyd", args...)
		if r.Code != 2 || r.Stderr == "" {
			t.Errorf("proxyd %q: exit code %d, stderr %q: want 2 and a reason", args, r.Code, r.Stderr)
		}
	}
}

func TestSignal_SIGPIPEOfStdoutIsSurvived(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	proxyd.Signal(syscall.SIGPIPE)
	mustSay(t, proxyd.Addr, "hello")
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, e := range entries {
		t.Errorf("proxyd left %s", filepath.Join(dir, e.Name()))
	}
}
