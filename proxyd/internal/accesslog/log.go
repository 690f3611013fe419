// Package accesslog owns the access log: what a line says, and that every line comes to its file or to stdout, once, whole, in
// the order of seq, and at most a second late.
//
// Append runs on the data path and touches no disk: it makes the line outside of any lock, and under Log.mu gives it its number
// and adds it to the queue of each destination. Each queue has a goroutine that writes. Where a disk is slow and a queue is
// full, Append waits for it; where a destination refuses to be written, its lines wait, and when its queue is full they are
// dropped and counted: the gap in seq shows where.
//
// Locks: change before mu. change is held by whoever opens, re-opens or closes destinations; mu guards the lines.
package accesslog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"section.internal/contract/config"
	"section.internal/proxyd/internal/logfile"
)

// ErrClosed says that the log has been closed.
var ErrClosed = errors.New("the access log is closed")

// Options says where a log can write. All of it is required.
type Options struct {
	Path   string       // of access.log
	Stdout io.Writer    // for the settings "stdout" and "both"; it is never closed
	Logger *slog.Logger // is told when a destination begins to refuse lines, and when it takes them again
	Config config.Log   // as for Apply
}

// Log is the access log. All methods may be called from any goroutine.
type Log struct {
	path    string
	out     io.Writer
	logger  *slog.Logger
	scratch sync.Pool // of *scratch
	address atomic.Pointer[config.ClientAddress]

	change sync.Mutex
	closed bool
	file   *destination // nil while lines go to stdout alone
	stdout *destination // nil while lines go to the file alone

	mu      sync.Mutex
	room    *sync.Cond // with mu: a queue has room again, or there are other queues
	queues  []*queue   // replaced, never changed
	seq     uint64     // of the newest line
	dropped uint64     // lines that at least one destination lacks
}

// destination is a queue and what is to be done to its end.
type destination struct {
	queue *queue
	file  *logfile.File // nil for stdout
}

// scratch is the memory of one line in the making.
type scratch struct {
	line   []byte
	second second
}

// maxScratch is how large such memory may be kept.
const maxScratch = 16 << 10

// New returns a log that writes where the configuration says. The error is that of opening the file.
func New(o Options) (*Log, error) {
	l := &Log{path: o.Path, out: o.Stdout, logger: o.Logger}
	l.scratch.New = func() any { return &scratch{line: make([]byte, 0, 1<<10)} }
	l.room = sync.NewCond(&l.mu)
	if err := l.Apply(o.Config); err != nil {
		return nil, err
	}
	return l, nil
}

// Append logs one exchange. It has used the record and what that points to when it returns. It waits only for a destination
// that is slow and has no room left.
func (l *Log) Append(r *Record) {
	s := l.scratch.Get().(*scratch)
	s.line = appendLine(s.line[:0], r, *l.address.Load(), &s.second)

	l.mu.Lock()
	for l.mustWait(len(s.line) + maxEnd) {
		l.room.Wait()
	}
	l.seq++
	complete := len(l.queues) > 0
	for _, q := range l.queues {
		if !q.put(s.line, l.seq) {
			complete = false
		}
	}
	if !complete {
		l.dropped++
	}
	l.mu.Unlock()

	if cap(s.line) <= maxScratch {
		l.scratch.Put(s)
	}
}

// mustWait says whether a queue has no room for n bytes but will have. l.mu is held.
func (l *Log) mustWait(n int) bool {
	for _, q := range l.queues {
		if !q.refused && q.full(n) {
			return true
		}
	}
	return false
}

// Apply takes over a configuration: what is shown of clients from the next line on, and where lines go. A destination that is
// no longer wanted gets its pending lines and is closed. On an error nothing has changed.
func (l *Log) Apply(c config.Log) error {
	l.change.Lock()
	defer l.change.Unlock()
	if l.closed {
		return ErrClosed
	}
	file, stdout := l.file, l.stdout
	if c.To == config.LogToStdout {
		file = nil
	} else if file == nil {
		f, err := logfile.Open(l.path)
		if err != nil {
			return err
		}
		file = &destination{queue: startQueue(l.path, f, l.logger, &l.mu, l.room), file: f}
	}
	if c.To == config.LogToFiles {
		stdout = nil
	} else if stdout == nil {
		stdout = &destination{queue: startQueue("stdout", l.out, l.logger, &l.mu, l.room)}
	}
	l.address.Store(&c.ClientAddress)
	if err := l.replace(file, stdout); err != nil {
		l.logger.Error("access log has left a destination with lines unwritten", "error", err)
	}
	return nil
}

// replace makes file and stdout the destinations, either of which may be nil, and stops those that were and are no more. The
// error says what these lack. l.change is held.
func (l *Log) replace(file, stdout *destination) error {
	var queues []*queue
	for _, d := range []*destination{file, stdout} {
		if d != nil {
			queues = append(queues, d.queue)
		}
	}
	oldFile, oldStdout := l.file, l.stdout
	l.file, l.stdout = file, stdout

	l.mu.Lock()
	l.queues = queues
	l.room.Broadcast() // who waited for a queue that is gone waits for nothing
	l.mu.Unlock()

	var errs []error
	if oldFile != nil && oldFile != file {
		errs = append(errs, l.stop(oldFile))
	}
	if oldStdout != nil && oldStdout != stdout {
		errs = append(errs, l.stop(oldStdout))
	}
	return errors.Join(errs...)
}

// stop ends a destination to which no line goes any more.
func (l *Log) stop(d *destination) error {
	lost, err := d.queue.stop()
	if err != nil {
		err = fmt.Errorf("cannot write the last %d lines of the access log: %w", lost, err)
		l.mu.Lock()
		l.dropped += uint64(lost)
		l.mu.Unlock()
	}
	if d.file != nil {
		err = errors.Join(err, d.file.Close())
	}
	return err
}

// Reopen opens the file again, for a rotator that has renamed it: the lines logged before the call go to the old file, those
// logged after its return to the new one. When it fails the old file stays in use. Without a file it does nothing.
func (l *Log) Reopen() error {
	l.change.Lock()
	defer l.change.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.queue.flush(l.file.file.Reopen)
}

// Stats returns the number of the newest line, and how many lines at least one destination lacks because it could not be
// written for too long.
func (l *Log) Stats() (lines, dropped uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq, l.dropped
}

// Close writes all lines and closes the file. Whoever appends must have stopped: a line that comes later is counted as
// dropped. The error says how many lines could not be written and why. Closing twice does nothing.
func (l *Log) Close() error {
	l.change.Lock()
	defer l.change.Unlock()
	l.closed = true
	return l.replace(nil, nil)
}
