package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"section.internal/contract/hook"
)

// Whose network is used.
const (
	ownNetworkName     = "own"
	machineNetworkName = "machine"
)

// options are what the command line says.
type options struct {
	proxyd, before         string
	cases, servers         []string // empty: all
	rounds                 int
	duration, warmup, rest time.Duration
	idle                   int
	generator              string
	serverCore, loadCore   int
	network                string
	dir, out, part         string
}

// check returns what is wrong with the options.
func (o *options) check() error {
	for _, name := range o.cases {
		if !slices.Contains(caseNames(), name) {
			return hook.Misuse("--case %s: want one of %s", name, strings.Join(caseNames(), ", "))
		}
	}
	for _, name := range o.servers {
		if !slices.Contains(serverNames(), name) {
			return hook.Misuse("--server %s: want one of %s", name, strings.Join(serverNames(), ", "))
		}
	}
	most := runtime.NumCPU() - 1
	switch {
	case o.rounds < 1 || o.rounds > 100:
		return hook.Misuse("--rounds %d: want 1 to 100", o.rounds)
	case o.duration < 100*time.Millisecond || o.duration > time.Minute:
		return hook.Misuse("--duration %s: want 100ms to 1m", o.duration)
	case o.warmup < 0 || o.warmup > time.Minute:
		return hook.Misuse("--warmup %s: want 0s to 1m", o.warmup)
	case o.rest < 0 || o.rest > time.Minute:
		return hook.Misuse("--rest %s: want 0s to 1m", o.rest)
	case o.idle < 1 || o.idle > 20_000: // one loopback address has ports for some 28,000
		return hook.Misuse("--idle %d: want 1 to 20000 connections", o.idle)
	case o.generator != "own" && o.generator != "wrk":
		return hook.Misuse("--generator %s: want own or wrk", o.generator)
	case o.network != ownNetworkName && o.network != machineNetworkName:
		return hook.Misuse("--network %s: want %s or %s", o.network, ownNetworkName, machineNetworkName)
	case o.serverCore < 0 || o.loadCore < 0 || o.serverCore == o.loadCore:
		return hook.Misuse("--server-core %d --load-core %d: want two different cores", o.serverCore, o.loadCore)
	case most == 0:
		return fmt.Errorf("this machine has one core: a measurement takes two, one for the server and one for everything else")
	}
	return nil
}

// workDir makes the directory for everything that is written during a run. Nothing should wait for a disk, so it is in memory
// where there is room for the logs.
func (o *options) workDir() (string, error) {
	const shm, room = "/dev/shm", 2 << 30
	base := o.dir
	if base == "" {
		base = os.TempDir()
		var fs syscall.Statfs_t
		if syscall.Statfs(shm, &fs) == nil && int64(fs.Bavail)*fs.Bsize >= room && syscall.Access(shm, 2) == nil {
			base = shm
		}
	}
	dir, err := os.MkdirTemp(base, "proxyd-bench-")
	if err != nil {
		return "", fmt.Errorf("cannot make a place for configurations and logs: %w", err)
	}
	return filepath.Abs(dir)
}

// raiseDescriptors lets this process and those it starts open as many files as the case of idle connections takes.
func (o *options) raiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot read the limit of open files: %w", err)
	}
	if want := uint64(o.descriptors()); limit.Max < want {
		return fmt.Errorf("%d open files are allowed: --idle %d takes %d in the load generator and in each server: raise the limit (ulimit -Hn)",
			limit.Max, o.idle, want)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot raise the limit of open files: %w", err)
	}
	return nil
}

// connections is how many connections a server must be able to have, and descriptors how many files.
func (o *options) connections() int { return o.idle + 1000 }
func (o *options) descriptors() int { return o.idle + 2000 }
