package admin

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/control/client"
	"section.internal/contract/control/controltest"
	"section.internal/contract/leaktest"
	"section.internal/contract/place"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// functions returns functions that all succeed.
func functions() Functions {
	return Functions{
		Status: func() control.Status { return control.Status{PID: 7, Version: "v1"} },
		Config: func() control.Config {
			return control.Config{Values: []control.Value{{Key: "log.to", Value: `"files"`, Source: "default"}}, Rules: []control.Rule{}}
		},
		Reload: func(context.Context) (control.Generation, error) {
			return control.Generation{Number: 2, Hash: "abc"}, nil
		},
		SetLogLevel: func(string) error { return nil },
	}
}

// listen serves f on the control socket of a new run directory until the test ends.
func listen(t *testing.T, f Functions) (runDir string, s *Server) {
	t.Helper()
	runDir = controltest.RunDir(t)
	return runDir, listenIn(t, runDir, f)
}

func listenIn(t *testing.T, runDir string, f Functions) *Server {
	t.Helper()
	s, err := Listen(place.ControlSocket(runDir), f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// ask sends one request as it stands and returns status, Allow and body of the answer.
func ask(t *testing.T, runDir, method, path, body string) (status int, allow, text string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", place.ControlSocket(runDir))
	}}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://proxyd"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); len(all) > 0 && kind != "application/json" {
		t.Errorf("%s %s: the body is %q", method, path, kind)
	}
	return response.StatusCode, response.Header.Get("Allow"), string(all)
}

func TestAnswers_AreThoseOfTheContract(t *testing.T) {
	f := functions()
	f.SetLogLevel = func(level string) error {
		if level != "debug" {
			return errors.New("unknown level")
		}
		return nil
	}
	runDir, _ := listen(t, f)
	want := func(method, path, body string, wantStatus int, wantBody string) {
		t.Helper()
		status, _, text := ask(t, runDir, method, path, body)
		if status != wantStatus || strings.TrimSpace(text) != wantBody {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, status, text, wantStatus, wantBody)
		}
	}
	want("GET", "/v1/ping", "", 204, "")
	want("GET", "/v1/config", "", 200, `{"generation":{"number":0,"hash":"","applied":"0001-01-01T00:00:00Z"},`+
		`"values":[{"key":"log.to","value":"\"files\"","source":"default"}],"rules":[]}`)
	want("POST", "/v1/reload", "", 200, `{"number":2,"hash":"abc","applied":"0001-01-01T00:00:00Z"}`)
	want("PUT", "/v1/log-level", `{"level":"debug"}`, 204, "")
	want("PUT", "/v1/log-level", `{"level":"loud"}`, 400, `{"error":"unknown level"}`)
	want("GET", "/v2/ping", "", 404, `{"error":"proxyd knows no /v2/ping: are the tool and proxyd of one version?"}`)
	want("GET", "/", "", 404, `{"error":"proxyd knows no /: are the tool and proxyd of one version?"}`)
	want("GET", "/v1/ping/", "", 404, `{"error":"proxyd knows no /v1/ping/: are the tool and proxyd of one version?"}`)
}

func TestAnswers_AWrongMethodIsToldTheRightOne(t *testing.T) {
	f := functions()
	f.Reload = func(context.Context) (control.Generation, error) { panic("BUG: reached") }
	f.SetLogLevel = func(string) error { panic("BUG: reached") }
	runDir, _ := listen(t, f)
	for path, right := range map[string]string{
		control.PingPath: "GET", control.StatusPath: "GET", control.ConfigPath: "GET", control.ReloadPath: "POST", control.LogLevelPath: "PUT",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			if method == right {
				continue
			}
			want := `{"error":"` + path + ` takes ` + right + `, not ` + method + `"}`
			if status, allow, text := ask(t, runDir, method, path, ""); status != 405 || allow != right || strings.TrimSpace(text) != want {
				t.Errorf("%s %s: %d, Allow %q, %s, want 405, %q, %s", method, path, status, allow, text, right, want)
			}
		}
	}
}

func TestLogLevel_ABodyThatIsNotOneIsRefused(t *testing.T) {
	f := functions()
	f.SetLogLevel = func(level string) error { panic("BUG: reached with " + level) }
	runDir, _ := listen(t, f)
	for _, body := range []string{
		"", "debug", "7", `{"level":7}`, `{"level":"debug"`, `{"level":"debug"}{}`, `{"level":"debug"}}`, `{"level":"debug"}]`, `{"lvl":"debug"}`,
		`{"level":"` + strings.Repeat("x", maxRequestBody) + `"}`,
	} {
		status, _, text := ask(t, runDir, "PUT", control.LogLevelPath, body)
		if status != 400 || !strings.HasPrefix(text, `{"error":"cannot read the request's body: `) || !strings.Contains(text, "want ") {
			t.Errorf("%.40q: %d %s", body, status, text)
		}
	}
}

// What the tools' own client makes of this server is what the tools see.
func TestClient_GetsWhatTheFunctionsReturn(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f := functions()
	wantStatus := control.Status{PID: 7, Version: "v", Started: at, Draining: true, NextHop: control.NextHop{Addresses: []string{"a:80"}, Resolved: at}}
	wantConfig := control.Config{Generation: control.Generation{Number: 3, Hash: "h", Applied: at}, Values: []control.Value{{Key: "k", Value: "v", Source: "s"}}}
	f.Status = func() control.Status { return wantStatus }
	f.Config = func() control.Config { return wantConfig }
	f.Reload = func(context.Context) (control.Generation, error) { return wantConfig.Generation, nil }
	var level string
	f.SetLogLevel = func(l string) error { level = l; return nil }
	runDir, _ := listen(t, f)
	c := client.New(runDir)
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(got, wantStatus) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Config(t.Context()); err != nil || !reflect.DeepEqual(got, wantConfig) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Reload(t.Context()); err != nil || got != wantConfig.Generation {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.SetLogLevel(t.Context(), "warn"); err != nil || level != "warn" {
		t.Error(level, err)
	}
}

func TestClient_GetsEachProblemOfAReload(t *testing.T) {
	f := functions()
	f.Reload = func(context.Context) (control.Generation, error) {
		return control.Generation{}, errors.New("proxy.toml:3:1: unknown key\n\nproxy.toml:4:1: wrong type\n")
	}
	runDir, _ := listen(t, f)
	_, err := client.New(runDir).Reload(t.Context())
	var refused *client.RefusedError
	if !errors.As(err, &refused) || refused.Status != 422 ||
		!reflect.DeepEqual(refused.Problems, []string{"proxy.toml:3:1: unknown key", "proxy.toml:4:1: wrong type"}) {
		t.Fatalf("%#v", err)
	}
	want := "proxyd keeps the previous configuration: proxy.toml:3:1: unknown key\n" +
		"proxyd keeps the previous configuration: proxy.toml:4:1: wrong type"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestReload_EndsWhenItsCallerHasGone(t *testing.T) {
	f := functions()
	started, ended := make(chan struct{}), make(chan struct{})
	f.Reload = func(ctx context.Context) (control.Generation, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return control.Generation{}, ctx.Err()
	}
	runDir, _ := listen(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := client.New(runDir).Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}

func TestListen_TheSocketHasItsModeWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077} {
		runDir := controltest.RunDir(t)
		old := syscall.Umask(umask)
		listenIn(t, runDir, functions())
		syscall.Umask(old)
		wantSocket(t, runDir)
	}
}

// wantSocket checks that the control socket is there with its mode, and nothing else beside it.
func wantSocket(t *testing.T, runDir string) {
	t.Helper()
	info, err := os.Lstat(place.ControlSocket(runDir))
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeSocket | 0o660; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
	entries, err := os.ReadDir(runDir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the run directory holds %v, %v", entries, err)
	}
}

func TestListen_WhatAKillLeftIsNoObstacle(t *testing.T) {
	runDir := controltest.RunDir(t)
	controltest.Leave(t, runDir)
	hidden := filepath.Join(runDir, ".new") // of one that was killed while it opened its socket
	if err := os.Mkdir(hidden, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hidden, "s"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	listenIn(t, runDir, functions())
	wantSocket(t, runDir)
	if err := client.New(runDir).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListen_SaysWhatIsInTheWay(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if s, err := Listen(path, functions(), slog.New(slog.DiscardHandler)); err == nil {
			s.Close(t.Context())
			t.Errorf("%s was opened", path)
		} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q or %q", err, path, want)
		}
	}
	f("/"+strings.Repeat("r", 95)+"/control.sock", "109 bytes, a Unix socket takes 107: choose a shorter run directory")
	f("/missing/control.sock", "no such file or directory")
	occupied := place.ControlSocket(controltest.RunDir(t))
	if err := os.MkdirAll(filepath.Join(occupied, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	f(occupied, "file exists")
}

func TestListen_TheLongestPathWorks(t *testing.T) {
	runDir := controltest.RunDir(t)
	runDir = filepath.Join(runDir, strings.Repeat("r", 107-len(place.ControlSocket(runDir))-1))
	if err := os.Mkdir(runDir, 0o700); err != nil {
		t.Fatal(err)
	}
	listenIn(t, runDir, functions())
	if err := client.New(runDir).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClose_RemovesTheSocketAndNobodyAnswers(t *testing.T) {
	runDir, s := listen(t, functions())
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(place.ControlSocket(runDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if err := client.New(runDir).Ping(t.Context()); !errors.Is(err, client.ErrNotRunning) {
		t.Error(err)
	}
}

func TestClose_LeavesASocketThatIsNotItsOwn(t *testing.T) {
	runDir, s := listen(t, functions())
	if err := os.Remove(place.ControlSocket(runDir)); err != nil {
		t.Fatal(err)
	}
	controltest.Leave(t, runDir)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(place.ControlSocket(runDir)); err != nil {
		t.Error(err)
	}
}

func TestClose_AnswersWhatIsUnderWay(t *testing.T) {
	f := functions()
	started, finish := make(chan struct{}), make(chan struct{})
	f.Reload = func(ctx context.Context) (control.Generation, error) {
		close(started)
		<-finish
		return control.Generation{Number: 5}, ctx.Err()
	}
	runDir, s := listen(t, f)
	type answer struct {
		generation control.Generation
		err        error
	}
	answers := make(chan answer, 1)
	go func() {
		generation, err := client.New(runDir).Reload(t.Context())
		answers <- answer{generation, err}
	}()
	<-started
	closed := make(chan error, 1)
	go func() { closed <- s.Close(t.Context()) }()
	for { // until Close is under way
		if _, err := os.Lstat(place.ControlSocket(runDir)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	select {
	case err := <-closed:
		t.Fatalf("closed before the answer: %v", err)
	default:
	}
	close(finish)
	if got := <-answers; got.err != nil || got.generation.Number != 5 {
		t.Errorf("%+v", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestClose_IsBoundedAndEndsTheRequest(t *testing.T) {
	f := functions()
	started, ended := make(chan struct{}), make(chan struct{})
	f.Reload = func(ctx context.Context) (control.Generation, error) {
		close(started)
		<-ctx.Done() // only Close ends it
		close(ended)
		return control.Generation{}, ctx.Err()
	}
	runDir, s := listen(t, f)
	answered := make(chan error, 1)
	go func() {
		_, err := client.New(runDir).Reload(t.Context())
		answered <- err
	}()
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut off a request") {
		t.Error(err)
	}
	<-ended
	if err := <-answered; !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("%v, want ErrNoAnswer", err)
	}
}

// A panic is a bug of ours: it is logged, and neither hides nor ends the proxy.
func TestServer_APanicIsLoggedAndTheNextRequestAnswered(t *testing.T) {
	var mu sync.Mutex
	var logged strings.Builder
	f := functions()
	f.Status = func() control.Status { panic("BUG: no status") }
	runDir := controltest.RunDir(t)
	s, err := Listen(place.ControlSocket(runDir), f, slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return logged.Write(p)
	}), nil)))
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(runDir)
	if _, err := c.Status(t.Context()); !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("%v, want ErrNoAnswer", err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(logged.String(), "BUG: no status") || !strings.Contains(logged.String(), "level=ERROR") {
		t.Errorf("logged %q", logged.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
