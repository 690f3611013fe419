// Command smoke gives each built binary one quick check: --version, --help, and its main job on scratch directories. It prints
// a line for each binary and ends with 1 at the first that fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"section.internal/e2e/binaries"
)

func main() {
	dir := flag.String("bin", "bin", "`DIR` that holds the six binaries")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

// run checks the binaries in dir, one after the other, and reports each that passes on stdout.
func run(ctx context.Context, dir string, stdout io.Writer) (err error) {
	set, err := binaries.New(dir)
	if err != nil {
		return err
	}
	scene, err := newScene(ctx, set)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := scene.close(); err == nil {
			err = closeErr
		}
	}()
	for _, job := range jobs {
		if err := scene.introduces(job.tool); err != nil {
			return fmt.Errorf("%s: %w", job.tool, err)
		}
		if err := job.does(scene); err != nil {
			return fmt.Errorf("%s: %w%s", job.tool, err, scene.lastWords())
		}
		fmt.Fprintf(stdout, "%-10s ok: %s\n", job.tool, job.proof)
	}
	return nil
}
