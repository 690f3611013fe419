package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/control/client"
	"section.internal/contract/deployment"
)

// message is what the platform can send. The table messages is the only place that lists them.
type message struct {
	name      string // in lower case; it is recognised in any
	arguments string // as the manual writes them; empty when there are none
	sentence  string // what it does
	handle    func(ctx context.Context, e environment, arguments string) error
}

// messages returns every message, in the order of the manual.
func messages() []message {
	return []message{
		{"log-level", "LEVEL", "set the level of proxyd's diagnostics until a configuration is applied: " + strings.Join(control.LogLevels(), ", "), logLevel},
		{"ping", "", "succeed when proxyd answers", ping},
		{"updateenvironment", "", "check the configuration directory and have proxyd apply it, as deploy does; arguments are ignored", updateEnvironment},
	}
}

// environment is where a message takes effect.
type environment struct {
	configDir, runDir string
	timeout           time.Duration // for proxyd's answer
}

// patience is how long a message waits for a proxyd to appear where none runs. It is short, as senders give up after a second.
const patience = 500 * time.Millisecond

// ask calls proxyd.
func (e environment) ask(ctx context.Context, call func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	proxyd := client.New(e.runDir)
	proxyd.Patience = patience
	return call(ctx, proxyd)
}

// handle acts on the message of that name. The blanks around name and arguments mean nothing.
func handle(ctx context.Context, e environment, name, arguments string) error {
	wanted := strings.ToLower(strings.TrimSpace(name))
	var known []string
	for _, m := range messages() {
		if m.name == wanted {
			return m.handle(ctx, e, strings.TrimSpace(arguments))
		}
		known = append(known, m.name)
	}
	return fmt.Errorf("unknown message %s", want(name, known))
}

func ping(ctx context.Context, e environment, arguments string) error {
	if arguments != "" {
		return fmt.Errorf("ping takes no arguments, not %q", arguments)
	}
	return e.ask(ctx, func(ctx context.Context, proxyd *client.Client) error { return proxyd.Ping(ctx) })
}

// updateEnvironment ignores its arguments: what the platform may say there does not change what is to be done.
func updateEnvironment(ctx context.Context, e environment, _ string) error {
	return deployment.Deployment{ConfigDir: e.configDir, RunDir: e.runDir, Timeout: e.timeout}.Apply(ctx)
}

func logLevel(ctx context.Context, e environment, arguments string) error {
	level := strings.ToLower(arguments)
	if !slices.Contains(control.LogLevels(), level) {
		return fmt.Errorf("log-level %s", want(arguments, control.LogLevels()))
	}
	return e.ask(ctx, func(ctx context.Context, proxyd *client.Client) error { return proxyd.SetLogLevel(ctx, level) })
}
