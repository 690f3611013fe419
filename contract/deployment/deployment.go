// Package deployment owns what it means to deploy a configuration: check the directory, then have the running proxyd apply it.
// The update hook and the message "updateenvironment" are both this.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/control/client"
	"section.internal/contract/hook"
	"section.internal/contract/policy"
)

// attempts is how often the directory is checked and applied anew when it changes in between.
const attempts = 3

// Deployment is a configuration directory and the proxyd that is to apply it.
type Deployment struct {
	ConfigDir string
	RunDir    string
	Timeout   time.Duration // for proxyd's answer; above 0
}

// Apply returns nil when the directory is valid and the running proxyd has applied it, or when none runs: one that starts later
// reads the directory itself. A directory that is not valid, or whose tests fail, is a *hook.Plain with the problems, and proxyd is
// not asked.
func (d Deployment) Apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	proxyd := client.New(d.RunDir)
	for range attempts {
		loaded, err := config.Load(d.ConfigDir)
		if err != nil {
			return &hook.Plain{Err: err}
		}
		if problems := policy.Test(&loaded.Config); len(problems) > 0 {
			return &hook.Plain{Err: problems}
		}
		generation, err := proxyd.Reload(ctx)
		switch {
		case errors.Is(err, client.ErrNotRunning):
			return nil
		case err != nil:
			return err
		case generation.Hash == loaded.Hash:
			return nil
		}
	}
	return fmt.Errorf("proxyd applied another configuration than that of %s: start both with the same --config-dir, "+
		"and change nothing in it while this runs", d.ConfigDir)
}
