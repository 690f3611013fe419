package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"section.internal/contract/control"
	"section.internal/e2e/controlsocket"
)

// firstFree returns the address when it can be listened on, and otherwise a free port of the same host.
func firstFree(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
		return addr
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return addr // proxyd says better than we could what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}

// awaitReady waits until proxyd answers on its control socket, and returns the address on which it takes requests.
func awaitReady(ctx context.Context, runDir string, p *process) (addr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var status control.Status
		if status, err = controlsocket.Status(ctx, runDir); err == nil {
			return status.Listen, nil
		}
		select {
		case <-p.ended:
			return "", fmt.Errorf("proxyd did not start (%s): the reason is above", p.cmd.ProcessState)
		case <-ctx.Done():
			return "", errors.Join(fmt.Errorf("proxyd was not ready within %s", patience), err)
		case <-tick.C:
		}
	}
}
