package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// keepAwake gives both cores something to do for whenever nobody else wants them, until it is ended. The core of a virtual machine that
// falls asleep is the host's, which may give it back late and with another's data in its caches: what a server that waits for a moment
// pays for that is a tenth and more, and a different one each time.
func (l *lab) keepAwake() (end func(), err error) {
	var awake []*process
	end = func() {
		for _, p := range awake {
			p.kill()
		}
	}
	for _, core := range []int{l.serverCore, l.loadCore} {
		p, err := start(l.dir, core, fmt.Sprintf("awake-%d", core), []string{l.self, awakeCommand}, nil, nil)
		if err != nil {
			end()
			return nil, err
		}
		awake = append(awake, p)
	}
	return end, nil
}

// awakeCommand is how this program is called that stayAwake is to run in.
const awakeCommand = "awake"

// stayAwake keeps a core busy, and gives it up to everybody who wants it (SCHED_IDLE), until it is killed.
func stayAwake() error {
	runtime.LockOSThread() // which alone stands back
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("cannot stand back for others: %w", err)
	}
	for turns := 0; ; turns++ {
		runtime.KeepAlive(turns)
	}
}
