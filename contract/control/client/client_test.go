package client

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/control/controltest"
	"section.internal/contract/leaktest"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

// holdEnv names the pidfile that this test binary holds, instead of running tests, until its stdin ends.
const holdEnv = "CLIENT_TEST_HOLD_PIDFILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		file, err := pidfile.Claim(path)
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString("held\n")
		os.Stdin.Read(make([]byte, 1))
		file.Release()
		os.Exit(0)
	}
	os.Exit(leaktest.Main(m))
}

// hold has another process hold the pidfile of runDir and returns that process's pid and what makes it release the file.
func hold(t *testing.T, runDir string) (pid int, release func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command(exe)
	holder.Env = append(os.Environ(), holdEnv+"="+place.Pidfile(runDir),
		"GORACE=atexit_sleep_ms=0") // the race detector's second of grace at exit
	stdin, err1 := holder.StdinPipe()
	stdout, err2 := holder.StdoutPipe()
	if err := errors.Join(err1, err2, holder.Start()); err != nil {
		t.Fatal(err)
	}
	release = func() {
		stdin.Close()
		holder.Wait()
	}
	t.Cleanup(release)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder of the pidfile says %q, %v", line, err)
	}
	return holder.Process.Pid, release
}

// turnedAway returns a channel that gets a value for each attempt of c that cannot connect.
func turnedAway(c *Client) <-chan error {
	away := make(chan error, 1000)
	transport := c.http.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			away <- err
		}
		return conn, err
	}
	return away
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// ended is a context whose time is over when a test closes over, and no sooner.
type ended struct {
	context.Context
	over chan struct{}
}

// byHand returns one that has a deadline, so that a call adds none of its own.
func byHand(t *testing.T) ended {
	t.Helper()
	return ended{within(t, time.Hour), make(chan struct{})}
}

func (e ended) Done() <-chan struct{} { return e.over }

func (e ended) Err() error {
	select {
	case <-e.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// pingTwice returns what a call ends with that could not connect and whose time is over during its second attempt, or after it.
func pingTwice(t *testing.T, runDir string) error {
	t.Helper()
	c, ctx, got := New(runDir), byHand(t), make(chan error, 1)
	away := turnedAway(c)
	go func() { got <- c.Ping(ctx) }()
	for range 2 {
		select {
		case err := <-got:
			t.Fatalf("%v before the time was over", err)
		case <-away:
		}
	}
	close(ctx.over)
	return <-got
}

func TestCall_NothingThereIsNotRunningAtOnce(t *testing.T) {
	f := func(name string, prepare func(runDir string)) {
		t.Helper()
		runDir := controltest.RunDir(t)
		prepare(runDir)
		start := time.Now()
		err := New(runDir).Ping(within(t, time.Minute))
		if !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: %v, want ErrNotRunning", name, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	f("no run directory", func(runDir string) { os.Remove(runDir) })
	f("empty run directory", func(string) {})
	f("stale socket", func(runDir string) { controltest.Leave(t, runDir) })
	f("stale pidfile", func(runDir string) { os.WriteFile(place.Pidfile(runDir), []byte("999999999\n"), 0o644) })
	f("stale pidfile whose pid is another process's now", func(runDir string) {
		os.WriteFile(place.Pidfile(runDir), []byte("1\n"), 0o644)
		controltest.Leave(t, runDir)
	})
}

func TestCall_PatienceWaitsForOneThatAppears(t *testing.T) {
	runDir := controltest.RunDir(t)
	c := New(runDir)
	c.Patience = time.Minute
	away := turnedAway(c)
	got := make(chan error, 1)
	go func() { got <- c.Ping(within(t, time.Minute)) }()
	<-away
	controltest.Serve(t, runDir, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestCall_PatienceEnds(t *testing.T) {
	c := New(controltest.RunDir(t))
	c.Patience = 50 * time.Millisecond
	start := time.Now()
	err := c.Ping(within(t, time.Minute))
	if took := time.Since(start); !errors.Is(err, ErrNotRunning) || took < c.Patience || took > 30*time.Second {
		t.Errorf("%v after %v, want ErrNotRunning after %v", err, took, c.Patience)
	}
}

func TestCall_WaitsForAProxydThatIsStarting(t *testing.T) {
	runDir := controltest.RunDir(t)
	hold(t, runDir)
	c := New(runDir)
	away := turnedAway(c)
	got := make(chan error, 1)
	go func() { got <- c.Ping(within(t, time.Minute)) }()
	<-away
	controltest.Serve(t, runDir, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestCall_AProxydThatStopsIsNotRunningOnceItHasReleasedThePidfile(t *testing.T) {
	runDir := controltest.RunDir(t)
	controltest.Leave(t, runDir)
	_, release := hold(t, runDir)
	c := New(runDir)
	away := turnedAway(c)
	got := make(chan error, 1)
	go func() { got <- c.Ping(within(t, time.Minute)) }()
	for range 3 {
		select {
		case err := <-got:
			t.Fatalf("%v while the pidfile was held", err)
		case <-away:
		}
	}
	release()
	if err := <-got; !errors.Is(err, ErrNotRunning) {
		t.Errorf("%v, want ErrNotRunning", err)
	}
}

func TestCall_StartingForTooLongNamesTheProcess(t *testing.T) {
	runDir := controltest.RunDir(t)
	pid, _ := hold(t, runDir)
	err := pingTwice(t, runDir)
	if !errors.Is(err, ErrNoAnswer) {
		t.Fatalf("%v, want ErrNoAnswer", err)
	}
	wantText(t, err, "does not answer for ", "process "+strconv.Itoa(pid), "has not opened "+place.ControlSocket(runDir), "restart it")
}

// Whatever moment the time is over at, what was seen before is what is said.
func TestAgain_AnAttemptThatMeetsNothingSaysNothing(t *testing.T) {
	f := func(before outcome, reached bool, want outcome) {
		t.Helper()
		a := attempts{newest: before, reached: reached}
		if again, err := a.again(t.Context(), nil, context.DeadlineExceeded); again || err != nil || a.newest != want || a.reached {
			t.Errorf("%v, reached %v: again %v, error %v, then %v and reached %v; want %v", before, reached, again, err, a.newest, a.reached, want)
		}
	}
	f(starting, false, starting)
	f(absent, false, absent)
	f(starting, true, silent)
	f(unmet, false, unmet)

	err := New(controltest.RunDir(t)).Ping(within(t, -time.Second))
	if !errors.Is(err, ErrNoAnswer) {
		t.Fatalf("%v, want ErrNoAnswer", err)
	}
	wantText(t, err, "before it could be asked", "allow more time")
}

func TestCall_AHangIsBoundedAndSaid(t *testing.T) {
	runDir := controltest.RunDir(t)
	pid, _ := hold(t, runDir)
	listener := controltest.Listen(t, runDir)
	ctx, got := byHand(t), make(chan error, 1)
	go func() {
		_, err := New(runDir).Reload(ctx)
		got <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	close(ctx.over)
	err = <-got
	if !errors.Is(err, ErrNoAnswer) {
		t.Fatalf("%v, want ErrNoAnswer", err)
	}
	wantText(t, err, "does not answer for ", "process "+strconv.Itoa(pid)+" hangs or is stopped", "restart it")
}

func TestCall_AFullQueueIsAHangAsWell(t *testing.T) {
	runDir := controltest.RunDir(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: place.ControlSocket(runDir)}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for { // until the kernel answers EAGAIN
		conn, err := net.Dial("unix", place.ControlSocket(runDir))
		if err != nil {
			break
		}
		defer conn.Close()
	}
	err = pingTwice(t, runDir)
	if !errors.Is(err, ErrNoAnswer) {
		t.Fatalf("%v, want ErrNoAnswer", err)
	}
	wantText(t, err, "the process behind "+place.ControlSocket(runDir)+" hangs")
}

func TestCall_CutConnectionsAreTriedAgainButNotForEver(t *testing.T) {
	f := func(cuts int32, wantErr error, wantAsked int32) {
		t.Helper()
		runDir := controltest.RunDir(t)
		var asked atomic.Int32
		controltest.Serve(t, runDir, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) <= cuts {
				panic(http.ErrAbortHandler)
			}
			controltest.Answer(w, http.StatusOK, control.Generation{Number: 2})
		})
		generation, err := New(runDir).Reload(within(t, time.Minute))
		if !errors.Is(err, wantErr) || asked.Load() != wantAsked {
			t.Errorf("%d cut: %v, asked %d times, want %v and %d", cuts, err, asked.Load(), wantErr, wantAsked)
		}
		if err == nil && generation.Number != 2 {
			t.Errorf("%d cut: got %+v", cuts, generation)
		}
	}
	f(0, nil, 1)
	f(1, nil, 2)
	f(2, nil, 3)
	f(1000, ErrNoAnswer, 3)
}

// A proxyd that dies of the call must not look like one that never ran: deploy would call that a success.
func TestCall_AProxydThatEndsUnderTheCallIsNoAnswer(t *testing.T) {
	runDir := controltest.RunDir(t)
	listener := controltest.Listen(t, runDir)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		conn.Read(make([]byte, 1))
		listener.Close()
		conn.Close()
	}()
	_, err := New(runDir).Reload(within(t, time.Minute))
	if !errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNotRunning) {
		t.Fatalf("%v, want ErrNoAnswer", err)
	}
	wantText(t, err, "then ended", "error.log")
}

func TestCall_ARefusalIsNotTriedAgain(t *testing.T) {
	f := func(status int, failure control.Failure, wantText string) {
		t.Helper()
		runDir := controltest.RunDir(t)
		var asked atomic.Int32
		controltest.Serve(t, runDir, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			controltest.Answer(w, status, failure)
		})
		_, err := New(runDir).Reload(within(t, time.Minute))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Status != status || !slices.Equal(refused.Problems, failure.Problems) {
			t.Fatalf("status %d: %#v", status, err)
		}
		if err.Error() != wantText || asked.Load() != 1 {
			t.Errorf("status %d: %q, asked %d times, want %q and once", status, err, asked.Load(), wantText)
		}
	}
	f(422, control.Failure{Error: "proxyd keeps it", Problems: []string{"a:1:1: x", "a:2:1: y"}},
		"proxyd keeps it: a:1:1: x\nproxyd keeps it: a:2:1: y")
	f(400, control.Failure{Error: "no such level"}, "no such level")
	f(500, control.Failure{Error: "broken"}, "broken")
	f(503, control.Failure{Error: "draining"}, "draining")
}

func TestCall_AnAnswerThatIsNotProxydsIsSaid(t *testing.T) {
	f := func(status int, body string, want ...string) {
		t.Helper()
		runDir := controltest.RunDir(t)
		controltest.Serve(t, runDir, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte(body))
		})
		_, err := New(runDir).Status(within(t, time.Minute))
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) {
			t.Fatalf("status %d: %v", status, err)
		}
		wantText(t, err, want...)
	}
	f(404, "404 page not found\n", "status 404", `"404 page not found"`, "one version")
	f(404, "{}", "status 404")
	f(200, "hello", "cannot read the answer", "one version")
}

func TestCall_ABarredWayIsSaidAtOnce(t *testing.T) {
	runDir := filepath.Join(controltest.RunDir(t), "file")
	if err := os.WriteFile(runDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := New(runDir).Ping(within(t, time.Minute))
	if err == nil || errors.Is(err, ErrNotRunning) || errors.Is(err, ErrNoAnswer) {
		t.Fatal(err)
	}
	if want := "cannot reach proxyd on " + place.ControlSocket(runDir) + ": not a directory"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestCall_APathTooLongForASocketIsSaid(t *testing.T) {
	runDir := "/" + strings.Repeat("r", 100)
	err := New(runDir).Ping(within(t, time.Minute))
	if err == nil || errors.Is(err, ErrNotRunning) {
		t.Fatal(err)
	}
	wantText(t, err, runDir, "114 bytes", "107", "choose a shorter run directory")
}

func TestCall_CancelEndsTheWait(t *testing.T) {
	runDir := controltest.RunDir(t)
	listener := controltest.Listen(t, runDir)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { got <- New(runDir).Ping(ctx) }()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
}

func TestSetLogLevel_SendsItsBodyAgain(t *testing.T) {
	runDir := controltest.RunDir(t)
	var mu sync.Mutex
	var bodies []string
	controltest.Serve(t, runDir, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		r.Body.Read(body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		if len(bodies) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := New(runDir).SetLogLevel(within(t, time.Minute), "debug"); err != nil {
		t.Fatal(err)
	}
	want := `PUT /v1/log-level application/json {"level":"debug"}`
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(bodies, []string{want, want}) {
		t.Errorf("got %q, want %q twice", bodies, want)
	}
}

func TestCall_LeavesNoConnectionBehind(t *testing.T) {
	runDir := controltest.RunDir(t)
	listener := controltest.Listen(t, runDir)
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			done <- err
			return
		}
		conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		_, err = in.ReadByte() // the end of the connection
		done <- err
	}()
	if err := New(runDir).Ping(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || err.Error() != "EOF" {
		t.Errorf("the connection ended with %v, want EOF", err)
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}
