// Package client is the tools' side of the control socket. A call waits for a proxyd that is starting, but never longer than
// its context allows, and says apart: no proxyd runs (ErrNotRunning), one runs but does not answer (ErrNoAnswer), it answers
// that it will not (*RefusedError).
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"section.internal/contract/control"
	"section.internal/contract/place"
)

// DefaultTimeout bounds a call whose context has no deadline.
const DefaultTimeout = 10 * time.Second

// The waits between two attempts. The first is short because a proxyd that is starting needs milliseconds.
const (
	firstWait   = 5 * time.Millisecond
	longestWait = 100 * time.Millisecond
)

// maxResponseBody is far above any answer of the control socket, in bytes.
const maxResponseBody = 16 << 20

// Client calls the proxyd of one run directory. It holds no connection between calls, so there is nothing to close; it may be
// used from several goroutines at once.
type Client struct {
	// Patience is how long a call waits for a proxyd to appear when not even one that is starting can be seen; zero: not at
	// all. It is set before the first call.
	Patience time.Duration

	http    *http.Client
	socket  string
	pidfile string
}

// New returns a client for the proxyd that has, or will have, its pidfile and control socket in runDir.
func New(runDir string) *Client {
	socket := place.ControlSocket(runDir)
	dialer := &net.Dialer{}
	return &Client{
		http: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", socket)
			},
			DisableKeepAlives: true, // calls are few, and an idle connection would hold up a proxyd that stops
		}},
		socket:  socket,
		pidfile: place.Pidfile(runDir),
	}
}

// Ping returns nil when proxyd answers.
func (c *Client) Ping(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, control.PingPath, nil, nil)
}

// Status returns what proxyd says of itself.
func (c *Client) Status(ctx context.Context) (control.Status, error) {
	var status control.Status
	return status, c.call(ctx, http.MethodGet, control.StatusPath, nil, &status)
}

// Config returns the configuration in force.
func (c *Client) Config(ctx context.Context) (control.Config, error) {
	var config control.Config
	return config, c.call(ctx, http.MethodGet, control.ConfigPath, nil, &config)
}

// Reload asks proxyd to apply its configuration directory and returns the generation then in force. When proxyd keeps the
// previous one, the error is a *RefusedError with the problems.
func (c *Client) Reload(ctx context.Context) (control.Generation, error) {
	var generation control.Generation
	return generation, c.call(ctx, http.MethodPost, control.ReloadPath, nil, &generation)
}

// SetLogLevel sets the level of the diagnostics until the next applied configuration.
func (c *Client) SetLogLevel(ctx context.Context, level string) error {
	return c.call(ctx, http.MethodPut, control.LogLevelPath, control.LogLevel{Level: level}, nil)
}

// call sends in, if not nil, and reads the answer into out, if not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	if err := control.CheckSocketPath(c.socket); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	var body any // retryablehttp takes bytes, so that it can send them again
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			panic(fmt.Sprintf("BUG: a %T of the control socket is no JSON: %v", in, err))
		}
		body = text
	}
	attempts := &attempts{client: c, started: time.Now()}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { attempts.reached = true }})
	request, err := retryablehttp.NewRequestWithContext(ctx, method, "http://proxyd"+path, body)
	if err != nil {
		return fmt.Errorf("cannot call proxyd: %w", err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	retrying := &retryablehttp.Client{
		HTTPClient:   c.http,
		RetryMax:     math.MaxInt, // the context is the bound
		RetryWaitMin: firstWait,
		RetryWaitMax: longestWait,
		CheckRetry:   attempts.again,
		Backoff:      retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	response, err := retrying.Do(request)
	if err != nil {
		return attempts.explain(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBody))
	if err != nil {
		return attempts.explain(ctx, err)
	}
	return decode(response.StatusCode, text, out)
}

// decode reads an answer of proxyd.
func decode(status int, text []byte, out any) error {
	if status < 200 || status > 299 {
		var failure control.Failure
		if err := json.Unmarshal(text, &failure); err != nil || failure.Error == "" {
			return fmt.Errorf("proxyd answers with status %d and %.200q: are the tool and proxyd of one version?", status, bytes.TrimSpace(text))
		}
		return &RefusedError{Status: status, Failure: failure}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("cannot read the answer of proxyd: %w: are the tool and proxyd of one version?", err)
	}
	return nil
}
