// Package controlsocket asks proxyd over its control socket: directly, once, and not through control/client, whose retries would hide
// a proxyd that answers only the second time.
package controlsocket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/place"
)

// Status returns what the proxyd of a run directory says of itself.
func Status(ctx context.Context, runDir string) (status control.Status, err error) {
	return status, get(ctx, runDir, control.StatusPath, &status)
}

// Config returns the configuration that the proxyd of a run directory has in force.
func Config(ctx context.Context, runDir string) (config control.Config, err error) {
	return config, get(ctx, runDir, control.ConfigPath, &config)
}

// patience bounds an answer that normally takes milliseconds.
const patience = 20 * time.Second

func get(ctx context.Context, runDir, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://proxyd"+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", place.ControlSocket(runDir))
		},
	}}
	resp, err := client.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("proxyd answers %s: %s", resp.Status, body)
	}
	return json.Unmarshal(body, into)
}
