package main

import (
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

	"section.internal/contract/control"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
	"section.internal/proxyd/internal/watchtest"
)

func TestRun_ServesUntilItIsStoppedAndLeavesNothingButLogs(t *testing.T) {
	s := newScene(t)
	p := s.run()
	pid, err := os.ReadFile(place.Pidfile(s.options.runDir))
	if err != nil || string(pid) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("pidfile: %q, %v", pid, err)
	}
	for range 3 {
		if status, body := s.get("/hello"); status != 200 || body != "/hello" {
			t.Errorf("answered %d %q", status, body)
		}
	}
	status := s.status()
	if status.PID != os.Getpid() || status.Listen != s.options.listen || status.Generation.Number != 1 ||
		status.Requests.Total != 3 || status.NextHop.Name != s.options.nextHop || status.NextHop.Connections.Total != 1 ||
		status.Draining || status.Descriptors == 0 || status.Goroutines == 0 {
		t.Errorf("%+v", status)
	}
	idle := s.dial() // it costs the stop no time
	start := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("the stop took %v", took)
	}
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle client reads %v; want EOF", err)
	}
	if lines := s.accessLog(); len(lines) != 3 || !strings.Contains(lines[2], `"seq":"3"`) && !strings.Contains(lines[2], `"seq":3`) {
		t.Errorf("the access log holds:\n%s", strings.Join(lines, "\n"))
	}
	for _, path := range []string{place.Pidfile(s.options.runDir), place.ControlSocket(s.options.runDir)} {
		if exists(path) {
			t.Errorf("%s is left behind", path)
		}
	}
	if left, err := os.ReadDir(s.options.runDir); err != nil || len(left) > 0 {
		t.Errorf("left in the run directory: %v, %v", left, err)
	}
	if p.stdout.String() != "" {
		t.Errorf("stdout: %s", p.stdout)
	}
	if log := p.stderr.String(); !strings.Contains(log, "proxyd has started") || !strings.Contains(log, "proxyd has stopped") ||
		strings.Join(s.lines(place.ErrorLog(s.options.logDir)), "\n")+"\n" != log {
		t.Errorf("stderr and error.log differ, or lack something:\n%s", log)
	}
}

func TestRun_SignalsReloadReopenAndStop(t *testing.T) {
	s := newScene(t)
	wait := s.process()
	s.answers()
	signal := func(sig syscall.Signal) {
		t.Helper()
		if pid, err := pidfile.Signal(place.Pidfile(s.options.runDir), sig); err != nil || pid == 0 {
			t.Fatalf("%v: %d, %v", sig, pid, err)
		}
	}
	s.configure("[client]\nmax_body_size = 3\n")
	signal(syscall.SIGHUP)
	watchtest.Eventually(t, "HUP applies the configuration", func() bool { return s.status().Generation.Number == 2 })
	s.get("/before")
	rotated := place.AccessLog(s.options.logDir) + ".1"
	if err := os.Rename(place.AccessLog(s.options.logDir), rotated); err != nil {
		t.Fatal(err)
	}
	signal(syscall.SIGUSR1)
	watchtest.Eventually(t, "USR1 re-opens the log", func() bool { return exists(place.AccessLog(s.options.logDir)) })
	s.get("/after")
	signal(syscall.SIGTERM)
	if r := wait(); r.Code != 0 || r.Stdout != "" {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", r.Code, r.Stdout, r.Stderr)
	}
	before, after := s.lines(rotated), s.accessLog()
	if len(before) != 1 || !strings.Contains(before[0], "/before") || len(after) != 1 || !strings.Contains(after[0], "/after") {
		t.Errorf("before the rotation: %q; after: %q", before, after)
	}
}

func TestRun_StopAnswersWhatIsInFlight(t *testing.T) {
	s := newScene(t)
	p := s.run()
	busy := s.dial()
	io.WriteString(busy, "PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh")
	watchtest.Eventually(t, "it is in flight", func() bool { return s.status().Requests.InFlight == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	watchtest.Eventually(t, "it drains", func() bool { return s.status().Draining })
	if status, body := s.ask(busy, "i"); status != 200 || body != "/slow" {
		t.Errorf("answered %d %q", status, body)
	}
	busy.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestRun_StopEndsAtTheDrainTimeoutWhateverNextHopDoes(t *testing.T) {
	s := newScene(t)
	s.options.drainTimeout = 20 * time.Millisecond
	p := s.run()
	c := s.dial()
	io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
	<-s.hang
	start := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("the stop took %v", took)
	}
	if log := p.stderr.String(); !strings.Contains(log, "connections were cut off") {
		t.Errorf("not said:\n%s", log)
	}
	if lines := s.accessLog(); len(lines) != 1 || !strings.Contains(lines[0], "/hang") {
		t.Errorf("the access log lacks what was cut off:\n%s", strings.Join(lines, "\n"))
	}
}

func TestRun_SecondTermStopsAtOnce(t *testing.T) {
	s := newScene(t)
	s.options.drainTimeout = time.Hour
	wait := s.process()
	s.answers()
	c := s.dial()
	io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
	<-s.hang
	pid := s.status().PID
	syscall.Kill(pid, syscall.SIGTERM)
	watchtest.Eventually(t, "it drains", func() bool { return s.status().Draining })
	syscall.Kill(pid, syscall.SIGTERM)
	if r := wait(); r.Code != 0 || !strings.Contains(r.Stderr, "connections were cut off") {
		t.Errorf("exit code %d, stderr:\n%s", r.Code, r.Stderr)
	}
}

// refuses expects that a proxyd of the scene does not start, says so in this one line, and that the first one is unharmed.
func (s *scene) refuses(t *testing.T, want string, env ...string) {
	t.Helper()
	if r := s.process(env...)(); r.Code != 1 || r.Stdout != "" || r.Stderr != want+"\n" {
		t.Errorf("exit code %d, stdout %q, stderr\n%swant\n%s", r.Code, r.Stdout, r.Stderr, want)
	}
}

func TestRun_SecondProxydOnTheSameRunDirectoryHarmsNothing(t *testing.T) {
	s := newScene(t)
	first := s.process() // its own process, as the pidfile's lock is the process's
	s.answers()
	pid := s.status().PID
	pidfileBefore, socketBefore := inode(t, place.Pidfile(s.options.runDir)), inode(t, place.ControlSocket(s.options.runDir))
	second := *s
	second.options.listen = freeAddress(t)
	second.refuses(t, "proxyd: another proxyd runs: pid "+strconv.Itoa(pid)+" holds "+place.Pidfile(s.options.runDir))
	if inode(t, place.Pidfile(s.options.runDir)) != pidfileBefore || inode(t, place.ControlSocket(s.options.runDir)) != socketBefore {
		t.Error("its pidfile or control socket was replaced")
	}
	if got, err := pidfile.Read(place.Pidfile(s.options.runDir)); err != nil || got != pid {
		t.Errorf("the pidfile names %d, %v; want %d", got, err, pid)
	}
	if status, _ := s.get("/still"); status != 200 || s.status().PID != pid {
		t.Error("the first one no longer serves")
	}
	if c, err := net.Dial("tcp", second.options.listen); err == nil {
		c.Close()
		t.Error("the second one listens")
	}
	syscall.Kill(pid, syscall.SIGTERM)
	first()
}

func TestRun_PortInUseHarmsNothing(t *testing.T) {
	second, s := newScene(t), newScene(t)
	s.run()
	second.options.listen = s.options.listen
	second.refuses(t, "proxyd: cannot listen on "+s.options.listen+": the port is in use by another process")
	if exists(place.Pidfile(second.options.runDir)) || exists(place.ControlSocket(second.options.runDir)) {
		t.Error("the second one left files")
	}
	if status, _ := s.get("/still"); status != 200 {
		t.Error("the first one no longer serves")
	}
}

func TestRun_DirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	s := newScene(t)
	file := filepath.Join(filepath.Dir(s.options.runDir), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	inTheWay := *s
	inTheWay.options.runDir = filepath.Join(file, "run")
	inTheWay.refuses(t, "proxyd: cannot create the directory "+inTheWay.options.runDir+": mkdir "+file+": not a directory")

	uid := ""
	if os.Getuid() == 0 { // whom no directory keeps out
		uid = uidEnv + "=65534"
	}
	for _, dir := range []string{s.options.runDir, s.options.logDir} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		os.Chmod(dir, 0o777)
	}
	os.Chmod(s.options.runDir, 0o555)
	s.refuses(t, "proxyd: cannot claim the pidfile: open "+place.Pidfile(s.options.runDir)+": permission denied", uid)
	os.Chmod(s.options.runDir, 0o777)
	os.Chmod(s.options.logDir, 0o555)
	s.refuses(t, "proxyd: cannot open the log file: open "+place.ErrorLog(s.options.logDir)+": permission denied", uid)
	if left, _ := os.ReadDir(s.options.runDir); len(left) > 0 {
		t.Errorf("left in the run directory: %v", left)
	}
}

// A start that fails, at whichever step, undoes the steps before.
func TestRun_StartThatFailsLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*scene)
		want  string
	}{
		"address":        {func(s *scene) { s.options.listen = "nonsense" }, "want HOST:PORT or :PORT"},
		"configuration":  {func(s *scene) { s.configure("[client]\nwrong = 1\n") }, "proxy.toml:2:1: unknown key"},
		"next-hop":       {func(s *scene) { s.options.nextHop = "next-hop" }, "want HOST:PORT"},
		"access log":     {func(s *scene) { os.MkdirAll(place.AccessLog(s.options.logDir), 0o755) }, "access.log: is a directory"},
		"error log":      {func(s *scene) { os.MkdirAll(place.ErrorLog(s.options.logDir), 0o755) }, "error.log: is a directory"},
		"control socket": {func(s *scene) { s.options.runDir += strings.Repeat("/a-long-directory", 6) }, "a Unix socket takes 107"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.spoil(s)
			err := run(t.Context(), s.options, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want it to say %q", err, c.want)
			}
			if exists(place.Pidfile(s.options.runDir)) || exists(place.ControlSocket(s.options.runDir)) {
				t.Error("a pidfile or control socket is left behind")
			}
			if name != "address" {
				l, err := net.Listen("tcp", s.options.listen)
				if err != nil {
					t.Fatalf("the port is still taken: %v", err)
				}
				l.Close()
			}
		})
	}
}

func TestRun_WhatAKillLeftBehindDoesNotStopAStart(t *testing.T) {
	s := newScene(t)
	killed := s.process()
	s.answers()
	syscall.Kill(s.status().PID, syscall.SIGKILL)
	killed()
	if !exists(place.Pidfile(s.options.runDir)) || !exists(place.ControlSocket(s.options.runDir)) {
		t.Fatal("nothing was left behind")
	}
	if err := os.WriteFile(place.Pidfile(s.options.runDir), []byte("1\n"), 0o644); err != nil { // by now another process
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.options.runDir, ".new"), 0o700); err != nil { // killed while it opened the socket
		t.Fatal(err)
	}
	s.run()
	if status, _ := s.get("/"); status != 200 {
		t.Error("it does not serve")
	}
}

func TestReapOrphans_TakesExitCodes(t *testing.T) {
	stop := reapOrphans()
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	watchtest.Eventually(t, "the process is gone", func() bool { return !exists("/proc/" + strconv.Itoa(pid)) })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestUser_IsNoneWhereTheSystemHasNoSuchUser(t *testing.T) {
	u, err := findUser("no-such-user")
	if u != nil || err != nil {
		t.Errorf("%+v, %v", u, err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := u.makeDir(dir); err != nil || !exists(dir) {
		t.Error(err)
	}
	if err := u.own(dir); err != nil {
		t.Error(err)
	}
	if err := u.become(); err != nil {
		t.Error(err)
	}
}

func TestControl_SetsTheLogLevelUntilTheNextConfiguration(t *testing.T) {
	s := newScene(t)
	s.run()
	if code := s.control(http.MethodPut, control.LogLevelPath, `{"level":"debug"}`, nil); code != http.StatusNoContent {
		t.Fatalf("%d", code)
	}
	if level := s.status().Log.Level; level != "debug" {
		t.Errorf("level %s", level)
	}
	s.reload()
	if level := s.status().Log.Level; level != "info" {
		t.Errorf("level %s after a reload", level)
	}
}
