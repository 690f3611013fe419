// Package controltest stands in for a proxyd in tests of the tools that call one.
package controltest

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"section.internal/contract/place"
)

// RunDir returns an empty run directory that is removed after the test. Its path is short, as that of a Unix socket must be;
// t.TempDir has the name of the test in it.
func RunDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Listen opens the control socket of runDir and closes it after the test. Nobody accepts: what connects waits, as with a proxyd
// that hangs.
func Listen(t testing.TB, runDir string) net.Listener {
	t.Helper()
	listener, err := net.Listen("unix", place.ControlSocket(runDir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// Serve answers on the control socket of runDir until the test ends.
func Serve(t testing.TB, runDir string, answer http.HandlerFunc) {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.Listener.Close()
	server.Listener = Listen(t, runDir)
	server.Start()
	t.Cleanup(server.Close)
}

// Answer writes a status and a body as proxyd does.
func Answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// Leave leaves behind what a proxyd leaves that was killed: a control socket with nobody behind it.
func Leave(t testing.TB, runDir string) {
	t.Helper()
	listener := Listen(t, runDir).(*net.UnixListener)
	listener.SetUnlinkOnClose(false)
	listener.Close()
}
