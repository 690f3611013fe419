package accesslog

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// largeBatch is written at once. From 64 KiB on the system call is less than a twentieth of what its lines cost to make.
	largeBatch = 64 << 10
	// writeDelay is the most time that a line waits for others to join its batch.
	writeDelay = 250 * time.Millisecond
	// retryDelay lies between two attempts to write what a destination has refused.
	retryDelay = 500 * time.Millisecond
	// maxPending bounds the lines that wait for one destination.
	maxPending = 4 << 20
)

// queue holds the lines on their way to one destination, and the goroutine that writes them there in batches and in order.
//
// Two buffers take turns: lines join batch under the lock that all queues of a Log share, while the writer works on the other
// one without it. An idle queue wakes nobody.
type queue struct {
	name   string // of the destination, for diagnostics
	to     io.Writer
	logger *slog.Logger

	mu      *sync.Mutex // the Log's; guards what follows
	room    *sync.Cond  // the Log's; told when the queue has room again, or has none and will not wait
	batch   []byte      // lines that the writer has not taken yet
	spare   []byte      // the next batch's memory
	writing int         // bytes in the writer's hands
	refused bool        // the newest write failed
	lost    uint64      // lines dropped since the writes fail

	first chan struct{} // a line came into an empty batch
	large chan struct{} // the batch became large
	asks  chan func()   // to be run by the writer
	quit  chan struct{} // closed: no more lines will come
	done  chan struct{} // closed when the writer has ended

	taken   []byte // what the writer has taken; only the writer uses it and the rest
	rest    []byte // the end of taken that is still to be written
	failing bool   // the failure has been reported, its end has not
}

func startQueue(name string, to io.Writer, logger *slog.Logger, mu *sync.Mutex, room *sync.Cond) *queue {
	q := &queue{
		name: name, to: to, logger: logger, mu: mu, room: room,
		first: make(chan struct{}, 1), large: make(chan struct{}, 1), asks: make(chan func()),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// full says whether n more bytes are too many. A line larger than all of the room goes in alone. q.mu is held.
func (q *queue) full(n int) bool {
	pending := len(q.batch) + q.writing
	return pending > 0 && pending+n > maxPending
}

// put adds a line, or drops it and returns false when there is no room for it. q.mu is held.
func (q *queue) put(line []byte, seq uint64) bool {
	if q.full(len(line) + maxEnd) {
		q.lost++
		return false
	}
	before := len(q.batch)
	q.batch = appendEnd(append(q.batch, line...), seq)
	if before == 0 {
		tell(q.first)
	}
	if before < largeBatch && len(q.batch) >= largeBatch {
		tell(q.large)
	}
	return true
}

// flush writes what is pending and then runs f before any later line is written, whether or not the writing succeeded.
func (q *queue) flush(f func() error) error {
	result := make(chan error)
	q.asks <- func() {
		q.write()
		result <- f()
	}
	return <-result
}

// stop ends the writer, writes what is pending, and returns how many lines could not be written and why. No line may come any
// more.
func (q *queue) stop() (lost int, err error) {
	close(q.quit)
	<-q.done
	if err := q.write(); err != nil {
		// A rest that starts within a line leaves that line torn: it is lost as well.
		return bytes.Count(q.rest, newline) + bytes.Count(q.batch, newline), err
	}
	return 0, nil
}

var newline = []byte{'\n'}

func (q *queue) run() {
	defer close(q.done)
	timer := time.NewTimer(writeDelay)
	timer.Stop()
	for {
		var err error
		select {
		case <-q.first:
			timer.Reset(writeDelay)
		case <-q.large:
			err = q.write()
		case <-timer.C:
			err = q.write()
		case ask := <-q.asks:
			ask()
			timer.Reset(0) // when it left something, its retry must not wait for another line
		case <-q.quit:
			return
		}
		if err != nil {
			timer.Reset(retryDelay)
		}
	}
}

// write writes what is pending, and tells the logger when that begins to fail and when it works again.
func (q *queue) write() error {
	err := q.writeRest() // of an earlier attempt
	if err == nil {
		q.take()
		err = q.writeRest()
	}
	switch {
	case err != nil && !q.failing:
		q.failing = true
		q.logger.Error("access log cannot be written; lines are kept until the buffer is full, then dropped",
			"to", q.name, "error", err)
	case err == nil && q.failing:
		q.failing = false
		q.mu.Lock()
		lost := q.lost
		q.lost = 0
		q.mu.Unlock()
		q.logger.Warn("access log is written again", "to", q.name, "dropped_lines", lost)
	}
	return err
}

// take takes the batch over from those who append.
func (q *queue) take() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken, q.batch, q.spare = q.batch, q.spare[:0], nil
	q.rest, q.writing = q.taken, len(q.taken)
}

// writeRest writes the rest, or as much of it as the destination takes.
func (q *queue) writeRest() error {
	var err error
	if len(q.rest) > 0 {
		var n int
		if n, err = q.to.Write(q.rest); err == nil && n < len(q.rest) {
			err = io.ErrShortWrite
		}
		q.rest = q.rest[n:]
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = err != nil
	if err == nil {
		q.recycle()
	}
	q.room.Broadcast()
	return err
}

// recycle makes the memory of what was written the spare of the next batch, unless that is twice what a batch takes now: a burst has
// left it. q.mu is held.
func (q *queue) recycle() {
	if q.taken == nil {
		return
	}
	if cap(q.taken) <= 2*max(len(q.taken), largeBatch) {
		q.spare = q.taken[:0]
	}
	q.taken, q.rest, q.writing = nil, nil, 0
}

// tell sends on a channel that remembers one message.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
