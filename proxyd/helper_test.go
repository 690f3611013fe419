package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/command/commandtest"
	"section.internal/contract/control"
	"section.internal/contract/leaktest"
	"section.internal/contract/place"
	"section.internal/proxyd/internal/watchtest"
)

// uidEnv makes a proxyd that commandtest starts be another user before anything else.
const uidEnv = "PROXYD_TEST_UID"

func TestMain(m *testing.M) {
	if os.Args[0] != "tool" {
		os.Exit(leaktest.Main(m))
	}
	commandtest.Main(m, func() {
		if uid, err := strconv.Atoi(os.Getenv(uidEnv)); err == nil {
			if err := syscall.Setuid(uid); err != nil {
				panic(err)
			}
		}
		main()
	})
}

// patience bounds what a test waits for and expects to come.
const patience = 10 * time.Second

// scene is where a proxyd runs: directories and ports of its own, and a next-hop that answers, or does not.
type scene struct {
	t       testing.TB
	options options
	hang    chan struct{} // taken from by next-hop for each request of /hang, which it never answers
}

func newScene(t testing.TB) *scene {
	t.Helper()
	before := watchtest.Descriptors(t)
	t.Cleanup(func() {
		watchtest.Eventually(t, "all descriptors are given back", func() bool { return watchtest.Descriptors(t) <= before })
	})
	dir, err := os.MkdirTemp("", "proxyd") // a short path: a socket's is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	s := &scene{t: t, hang: make(chan struct{}, 100)}
	s.options = options{
		listen: freeAddress(t), nextHop: s.nextHop(), drainTimeout: patience,
		configDir: filepath.Join(dir, "config"), logDir: filepath.Join(dir, "log"), runDir: filepath.Join(dir, "run"),
	}
	if err := os.Mkdir(s.options.configDir, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// nextHop starts an origin that answers every request with its path, and returns its address.
func (s *scene) nextHop() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	origin := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			s.hang <- struct{}{}
			<-r.Context().Done()
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.URL.Path)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { origin.Serve(l) })
	s.t.Cleanup(func() {
		origin.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// freeAddress returns where nobody listens, nor will but for the test.
func freeAddress(t testing.TB) string {
	t.Helper()
	l := watchtest.Listen(t)
	defer l.Close()
	return l.Addr().String()
}

// configure writes proxy.toml.
func (s *scene) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(place.ConfigFile(s.options.configDir), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// running is a proxyd in this process.
type running struct {
	*scene
	stdout, stderr *buffer
	stop           func() error // ends it and returns what run returned; more than once is fine
}

// run starts proxyd in this process and returns when it answers.
func (s *scene) run() *running {
	s.t.Helper()
	r := &running{scene: s, stdout: new(buffer), stderr: new(buffer)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s.options, r.stdout, r.stderr) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * patience):
			return fmt.Errorf("run did not return; it said:\n%s", r.stderr)
		}
	})
	s.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			s.t.Error(err)
		}
	})
	s.answers()
	return r
}

// answers waits until a proxyd of the scene answers on its control socket.
func (s *scene) answers() {
	s.t.Helper()
	watchtest.Eventually(s.t, "proxyd answers on "+place.ControlSocket(s.options.runDir), func() bool {
		return s.control(http.MethodGet, control.PingPath, "", nil) == http.StatusNoContent
	})
}

// process starts proxyd as a process of its own.
func (s *scene) process(env ...string) (wait func() commandtest.Result) {
	s.t.Helper()
	o := s.options
	return commandtest.Start(s.t, env, "--listen", o.listen, "--next-hop", o.nextHop, "--config-dir", o.configDir,
		"--log-dir", o.logDir, "--run-dir", o.runDir, "--drain-timeout", o.drainTimeout.String())
}

// control asks the control socket and returns the status, 0 when nobody answers.
func (s *scene) control(method, path, body string, answer any) int {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", place.ControlSocket(s.options.runDir))
		},
	}
	request, err := http.NewRequest(method, "http://proxyd"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if answer != nil {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return response.StatusCode
}

func (s *scene) status() (status control.Status) {
	s.t.Helper()
	if code := s.control(http.MethodGet, control.StatusPath, "", &status); code != http.StatusOK {
		s.t.Fatalf("status: %d", code)
	}
	return status
}

// reload returns the generation, or the problems.
func (s *scene) reload() (control.Generation, []string) {
	s.t.Helper()
	var answer struct {
		control.Generation
		control.Failure
	}
	switch code := s.control(http.MethodPost, control.ReloadPath, "", &answer); code {
	case http.StatusOK:
		return answer.Generation, nil
	case http.StatusUnprocessableEntity:
		return control.Generation{}, answer.Problems
	default:
		s.t.Fatalf("reload: %d", code)
		panic("unreachable")
	}
}

// get sends one request on a connection of its own and returns the answer's status and body.
func (s *scene) get(path string) (int, string) {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	return s.ask(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

func (s *scene) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.options.listen)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func (s *scene) ask(c net.Conn, request string) (int, string) {
	s.t.Helper()
	io.WriteString(c, request)
	all, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(all), "\r\n\r\n")
	var status int
	fmt.Sscanf(head, "HTTP/1.1 %d ", &status)
	return status, body
}

// accessLog returns the lines of the access log that are in its file.
func (s *scene) accessLog() []string { return s.lines(place.AccessLog(s.options.logDir)) }

func (s *scene) lines(path string) []string {
	s.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// inode identifies a file.
func inode(t testing.TB, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// holds says whether this process has the file open.
func holds(t testing.TB, path string) bool {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == path {
			return true
		}
	}
	return false
}

// buffer is a stream that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
