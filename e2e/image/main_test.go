//go:build image

package image

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// lab is what the tests share: the built image and the names under which this run creates things.
var lab Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	// An interrupted run cleans up as well.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		lab.Close()
		os.Exit(1)
	}()
	defer func() {
		if err := lab.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "cannot remove what the tests created:", err)
			code = 1
		}
	}()
	if err := lab.Open(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the image:", err)
		return 1
	}
	return m.Run()
}
