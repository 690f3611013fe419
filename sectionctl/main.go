// Command sectionctl tells the people who operate proxyd how it fares: whether it runs and what it does, whether it is
// healthy, which configuration is in force, and what it logs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"section.internal/contract/control/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A reader that has gone away is an error of the write, which run knows how to take, and no signal.
	signal.Ignore(syscall.SIGPIPE)
	code := run(ctx, os.Args, os.Stdout, os.Stderr, around{
		now:     time.Now,
		proxyd:  func(runDir string) proxyd { return client.New(runDir) },
		measure: measure,
	})
	stop()
	os.Exit(code)
}
