package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"section.internal/contract/command"
	"section.internal/contract/control"
	"section.internal/contract/place"
	"section.internal/contract/printable"
)

// checkReport is the document of check --json. Its keys are a promise.
type checkReport struct {
	OK     bool          `json:"ok"`
	Checks []checkResult `json:"checks"` // socket, port, next_hop, in this order
}

// checkResult is one promise of a healthy proxyd.
type checkResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, or what is wrong
}

func checkCommand(a around) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "is proxyd healthy: do its port and its socket answer, does next-hop resolve", ArgsUsage: " ",
		Flags:  []cli.Flag{jsonFlag("print one JSON document"), command.DurationFlag(timeout)},
		Before: command.NoArguments,
		Action: func(c *cli.Context) error {
			bounded, cancel := context.WithTimeout(c.Context, command.Duration(c, timeout))
			defer cancel()
			checks := check(bounded, a, c, command.Duration(c, timeout))
			var failed []error
			for _, r := range checks {
				if !r.OK {
					failed = append(failed, fmt.Errorf("%s: %s", r.Name, printable.Text(r.Detail)))
				}
			}
			var err error
			if c.Bool("json") {
				err = printJSON(c.App.Writer, checkReport{OK: failed == nil, Checks: checks})
			} else if failed == nil {
				_, err = fmt.Fprintln(c.App.Writer, "ok")
			}
			if failed != nil {
				return errors.Join(failed...) // the news, whatever became of the output
			}
			return err
		},
	}
}

// check makes all checks, whatever the first ones find, within ctx. bound is how long ctx lasts.
func check(ctx context.Context, a around, c *cli.Context, bound time.Duration) []checkResult {
	runDir := c.String(place.RunDir.Flag)
	// proxyd gets half the time: one that hangs must leave some for the others, which do not need its answer.
	answer, err := ask(ctx, runDir, bound/2, a.proxyd(runDir).Status)
	result := func(name, found string, err error) checkResult {
		if err != nil {
			return checkResult{Name: name, Detail: err.Error()}
		}
		return checkResult{Name: name, OK: true, Detail: found}
	}
	socket := result("socket", fmt.Sprintf("process %d answers on %s", answer.PID, place.ControlSocket(runDir)), err)

	// A proxyd that answers knows best where it listens and what it connects to; the flags stand in for one that does not.
	var status *control.Status
	listen := c.String(place.Listen.Flag)
	if err == nil {
		status, listen = &answer, answer.Listen
	}
	ports := make(chan checkResult, 1)
	go func() {
		found, err := checkPort(ctx, listen, status)
		ports <- result("port", found, err)
	}()
	found, err := checkNextHop(ctx, c.String(place.NextHop.Flag), c.IsSet(place.NextHop.Flag), status)
	return []checkResult{socket, <-ports, result("next_hop", found, err)}
}

// checkPort connects to the port and hangs up. It sends no request: that would be logged, counted, and sent on to next-hop.
func checkPort(ctx context.Context, listen string, status *control.Status) (found string, err error) {
	if status != nil && status.Draining {
		return "", errors.New("proxyd drains and takes no new connections")
	}
	addresses, err := reachable(listen)
	if err != nil {
		return "", err
	}
	var failed []error
	for _, address := range addresses {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return "a connection to " + address + " is taken", nil
		}
		if cause, ok := errors.AsType[*net.OpError](err); ok {
			err = cause.Err // the rest of its text is the address once more
		}
		failed = append(failed, fmt.Errorf("cannot connect to %s: %w", address, err))
	}
	return "", flat(failed)
}

// reachable returns the addresses under which a listener on the address listen can be connected to from its own host: itself,
// or the loopback addresses where it listens on all.
func reachable(listen string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--%s = %q: want HOST:PORT or :PORT", place.Listen.Flag, listen)
	case port == "0":
		return nil, errors.New("only proxyd knows which port it got, and it does not answer")
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
	case err != nil || !ip.IsUnspecified():
		return []string{listen}, nil
	case ip.Is4():
		return []string{net.JoinHostPort("127.0.0.1", port)}, nil
	}
	// A socket on :: takes IPv4 as well, unless the host says otherwise.
	return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}, nil
}

// checkNextHop asks proxyd whether it knows an address. It resolves name itself where proxyd does not answer or was started with
// another one.
func checkNextHop(ctx context.Context, name string, given bool, status *control.Status) (found string, err error) {
	if status != nil && (!given || name == status.NextHop.Name) {
		if len(status.NextHop.Addresses) == 0 {
			reason := status.NextHop.Error
			if reason == "" {
				reason = "not resolved yet"
			}
			return "", fmt.Errorf("proxyd knows no address of %s: %s", status.NextHop.Name, reason)
		}
		return status.NextHop.Name + " is " + strings.Join(status.NextHop.Addresses, ", "), nil
	}
	host, _, err := net.SplitHostPort(name)
	if err != nil {
		return "", fmt.Errorf("--%s = %q: want HOST:PORT", place.NextHop.Flag, name)
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", fmt.Errorf("cannot resolve %s: %w", host, err)
	}
	return host + " is " + strings.Join(addresses, ", "), nil
}

// flat joins errors into one line.
func flat(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, "; "))
}
