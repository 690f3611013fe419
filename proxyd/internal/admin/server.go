// Package admin owns the server's side of the control socket: what a running proxyd tells the tools, and what they may ask of
// it. What happens then is not decided here: run.go hands in the functions.
//
// It is off the data path and reached by few, so it is built with net/http.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"section.internal/contract/control"
)

// socketMode lets the owner and the group of the socket use it. Connecting takes the right to write.
const socketMode = 0o660

// Functions are what the control socket can do. All are set; each may be called from several goroutines at once.
type Functions struct {
	Status func() control.Status
	Config func() control.Config

	// Reload applies the configuration directory and returns the generation then in force. An error says that the previous one
	// stays in force; each of its lines is one reason. The context ends when the caller has gone or the server is closed.
	Reload func(context.Context) (control.Generation, error)

	// SetLogLevel gets a level as the caller wrote it. An error says which are known.
	SetLogLevel func(level string) error
}

// Server serves the control socket from Listen to Close.
type Server struct {
	http   *http.Server
	path   string
	socket os.FileInfo   // of the socket that is ours
	served chan struct{} // closed when the accepting goroutine has ended
}

// Listen opens the control socket and answers on it until Close. Whatever is at path is replaced: the caller holds the pidfile
// of the directory, so a socket that is already there belongs to nobody. Faults of the server itself go to log.
func Listen(path string, f Functions, log *slog.Logger) (*Server, error) {
	if err := control.CheckSocketPath(path); err != nil {
		return nil, err
	}
	listener, err := bind(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket %s: %w", path, err)
	}
	socket, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	s := &Server{
		http: &http.Server{
			Handler: handler(f),
			// A caller that connects and then says nothing would hold up Close. There is no ReadTimeout: net/http ends the
			// context of a request when it passes, and a reload may take longer.
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       30 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
		},
		path: path, socket: socket, served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the control socket no longer answers: restart proxyd", "socket", path, "error", err)
		}
	}()
	return s, nil
}

// Close removes the socket, waits until the requests under way are answered, and ends all connections. When ctx ends first it
// cuts off what is left and says so. It is called once.
func (s *Server) Close(ctx context.Context) error {
	// Somebody may have put another socket there since; that one is not ours to remove.
	if there, err := os.Lstat(s.path); err == nil && os.SameFile(there, s.socket) {
		os.Remove(s.path)
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
		err = fmt.Errorf("cut off a request on the control socket that was still under way: %w", err)
	}
	<-s.served
	return err
}

// bind returns a listener whose socket appears at path at once with its final mode, in place of what was there. Until it has
// that mode it lies in a directory that nobody else may enter: bind(2) creates it with what the umask leaves.
func bind(path string) (net.Listener, error) {
	hidden := filepath.Join(filepath.Dir(path), ".new") // with "/s" shorter than place.ControlSocket, so bind(2) takes it as well
	if err := os.RemoveAll(hidden); err != nil {        // left by a kill -9
		return nil, err
	}
	if err := os.Mkdir(hidden, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(hidden)
	unbound := filepath.Join(hidden, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: unbound, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it knows the socket by its old name only
	if err := errors.Join(os.Chmod(unbound, socketMode), os.Rename(unbound, path)); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}
