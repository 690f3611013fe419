package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"section.internal/bench/internal/proc"
)

// lab is where measurements are made: each server is started anew for each measurement.
type lab struct {
	options
	self string // this program
	dir  string // for everything that is written

	all       []*server          // proxyd is the first
	programs  map[*server]string // of those that are here
	instances int                // that have been started
	rate      float64            // of the latency case, once it is known
}

// openLab finds out which servers are here. The lab is closed by whoever opened it.
func openLab(o options) (_ *lab, err error) {
	l := &lab{options: o, all: servers(), programs: map[*server]string{}}
	l.all[0].program = o.proxyd
	if o.before != "" {
		l.all = append(l.all, proxydBefore(o.before))
	}
	for _, s := range l.all {
		if path, err := find(s.program, s.pkg); err == nil {
			l.programs[s] = path
		}
	}
	if l.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	if l.dir, err = o.workDir(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.dir) }

// between starts a server between the two sides of the traffic. Whoever gets an instance ends both.
func (l *lab) between(ctx context.Context, t traffic, s *server, task task) (*instance, error) {
	behind, err := t.begin(ctx)
	if err != nil {
		t.kill()
		return nil, err
	}
	l.instances++
	i, err := launch(ctx, s, &placement{
		task: task, program: l.programs[s], dir: filepath.Join(l.dir, fmt.Sprintf("%s-%d", s.name, l.instances)), origin: behind,
		connections: l.connections(), descriptors: l.descriptors(),
	}, l.serverCore)
	if err != nil {
		t.kill()
	}
	return i, err
}

// settle is how long a server gets to finish what it does behind its answers: nginx writes its log once a second.
const settle = 1500 * time.Millisecond

// logRate is how many bytes of log a server may write in a second: twice what has been seen.
const logRate = 128 << 20

// warmMemory has the machine provide the memory that logs will fill within a time. A virtual machine gives memory that is free back
// to its host within seconds, and gets it again page by page when it is written: that takes ten times as long as the writing, and
// would be charged to the server, by the bytes that it logs.
func (l *lab) warmMemory(within time.Duration) error {
	file, err := os.CreateTemp(l.dir, "memory-")
	if err != nil {
		return fmt.Errorf("cannot warm up memory: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	some := make([]byte, 1<<20)
	for left := int64(within.Seconds() * logRate); left > 0; left -= int64(len(some)) {
		if _, err := file.Write(some); err != nil {
			return fmt.Errorf("cannot warm up memory: %w", err)
		}
	}
	return nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// look is what is known of a server at a moment at which nothing is in flight.
type look struct {
	tree     []proc.Stat
	answered int   // by the origin
	logged   int64 // bytes of the access log
}

func (l *lab) look(ctx context.Context, i *instance) (k look, err error) {
	if err := pause(ctx, settle); err != nil {
		return k, err
	}
	return glance(ctx, i)
}

// glance looks at once.
func glance(ctx context.Context, i *instance) (k look, err error) {
	if k.tree, err = i.tree(); err != nil {
		return k, err
	}
	if k.answered, err = originCount(ctx, i.origin); err != nil {
		return k, err
	}
	info, err := os.Stat(i.server.accessLog(i.dir))
	if err != nil {
		return k, fmt.Errorf("%s has no access log: %w", i.server.title, err)
	}
	k.logged = info.Size()
	return k, nil
}

// since returns the CPU time of the server between two looks, between which so many requests were answered. It refuses a
// server that did not do for them what it should: ask the origin, or not, and log.
func (k look) since(before look, requests int, i *instance) (time.Duration, error) {
	switch asked := k.answered - before.answered; {
	case i.task == answer && asked > 0:
		return 0, fmt.Errorf("%s asked the origin %d times for %d requests: want none passed on", i.server.title, asked, requests)
	case i.task != answer && asked < requests:
		return 0, fmt.Errorf("%s asked the origin %d times for %d requests: want each passed on", i.server.title, asked, requests)
	}
	lines, err := countLines(i.server.accessLog(i.dir), before.logged)
	if err != nil {
		return 0, err
	}
	if lines < requests {
		return 0, fmt.Errorf("%s logged %d lines for %d requests: want each logged", i.server.title, lines, requests)
	}
	return k.cpuSince(before, i)
}

// cpuSince returns the CPU time of the server between two looks, whatever it has done for it.
func (k look) cpuSince(before look, i *instance) (time.Duration, error) {
	if !proc.SameProcesses(before.tree, k.tree) {
		return 0, fmt.Errorf("%s had other processes before than after: %v, %v", i.server.title, before.tree, k.tree)
	}
	return proc.CPU(k.tree) - proc.CPU(before.tree), nil
}

// countLines counts the lines of an access log from an offset on. The first of them must be what each server is to write.
func countLines(path string, from int64) (lines int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("cannot count what was logged: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, 0); err != nil {
		return 0, fmt.Errorf("cannot count what was logged: %w", err)
	}
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	for in.Scan() {
		if lines++; lines == 1 {
			if err := checkLine(in.Bytes()); err != nil {
				return 0, err
			}
		}
	}
	return lines, in.Err()
}
