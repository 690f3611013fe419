package scenario

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection to proxyd. Writes are queued, so that a large body does not block the steps that take it
// on the other side; reads are made by the step that wants to see something.
type conn struct {
	name  string
	net   wire
	in    *bufio.Reader
	ended bool // a read has found the end
	gone  bool // the scenario has closed it

	queue chan func() error
	wrote sync.WaitGroup

	mu       sync.Mutex
	writeErr error // the first one; guarded by mu
}

// wire is what carries the bytes: a TCP connection, or what stands for one at a shared origin.
type wire interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// patience is how long a step waits for its bytes.
const patience = 10 * time.Second

func newConn(name string, c wire) *conn {
	co := &conn{name: name, net: c, in: bufio.NewReaderSize(c, 64<<10), queue: make(chan func() error, 1000)}
	co.wrote.Go(func() {
		for do := range co.queue {
			if err := do(); err != nil {
				co.mu.Lock()
				if co.writeErr == nil {
					co.writeErr = err
				}
				co.mu.Unlock()
			}
		}
	})
	return co
}

// say queues bytes for sending.
func (c *conn) say(b []byte) {
	c.queue <- func() error {
		c.net.SetWriteDeadline(time.Now().Add(patience))
		_, err := c.net.Write(b)
		return err
	}
}

// after runs do when all that is queued has been sent, and returns when that is done.
func (c *conn) after(do func() error) {
	done := make(chan struct{})
	c.queue <- func() error {
		defer close(done)
		return do()
	}
	<-done
}

// close gives up the connection, whatever state it is in.
func (c *conn) close() {
	c.net.Close()
	c.forget()
}

// forget leaves the connection as it is, once all that was said has been sent.
func (c *conn) forget() {
	close(c.queue)
	c.wrote.Wait()
}

// sendTrouble returns what went wrong when sending, as a remark for a failed step.
func (c *conn) sendTrouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr == nil {
		return ""
	}
	return fmt.Sprintf("\n(sending failed: %v)", c.writeErr)
}

// mustSee reads what the pieces want, and returns an error with both sides when something else comes.
func (c *conn) mustSee(want []Piece) error {
	c.net.SetReadDeadline(time.Now().Add(patience))
	var seen []string // what has come and was right, a line each
	for i := 0; i < len(want); i++ {
		p := want[i]
		switch p.Kind {
		case Line, Field, Optional:
			head := linesOf(want[i:])
			lines, err := c.seeLines(head)
			seen = append(seen, lines...)
			if err != nil {
				return c.differs(want, seen, err)
			}
			i += len(head) - 1
		case Exact:
			got := make([]byte, len(p.Bytes))
			n, err := io.ReadFull(c.in, got)
			if !bytes.Equal(got[:n], p.Bytes) || err != nil {
				return c.differs(want, append(seen, shorten(got[:n])), err)
			}
			seen = append(seen, p.Text)
		case Chunked, Chunks:
			got, err := c.readChunks(len(p.Bytes), p.Kind == Chunked)
			if err != nil || !bytes.Equal(got, p.Bytes) {
				return c.differs(want, append(seen, "(chunks) "+shorten(got)), err)
			}
			seen = append(seen, p.Text)
		}
	}
	return nil
}

// linesOf returns the lines at the start of what is wanted, up to an empty one: a head, or a part of one.
func linesOf(want []Piece) []Piece {
	for n, p := range want {
		if !p.isLine() {
			return want[:n]
		}
		if string(p.Bytes) == "\r\n" {
			return want[:n+1]
		}
	}
	return want
}

// seeLines reads the lines of a head, or a part of one: the plain ones in their order, the others wherever they come after the
// first. It returns what it has read.
func (c *conn) seeLines(want []Piece) (seen []string, err error) {
	var free, ordered []Piece
	must := 0 // of the free ones
	for _, p := range want {
		if p.Kind == Line {
			ordered = append(ordered, p)
			continue
		}
		free = append(free, p)
		if p.Kind == Field {
			must++
		}
	}
next:
	for must+len(ordered) > 0 {
		line, err := c.in.ReadBytes('\n')
		if len(line) > 0 {
			seen = append(seen, shorten(line))
		}
		if err != nil {
			return seen, err
		}
		if len(ordered) > 0 && ordered[0].matches(line) && (len(ordered) > 1 || must == 0) {
			ordered = ordered[1:]
			continue
		}
		for i, p := range free {
			if p.matches(line) {
				free = append(free[:i:i], free[i+1:]...)
				if p.Kind == Field {
					must--
				}
				continue next
			}
		}
		return seen, errDiffers
	}
	return seen, nil
}

// readChunks reads chunks until they hold size bytes, or, when all are wanted, up to and including the last chunk.
func (c *conn) readChunks(size int, all bool) ([]byte, error) {
	var body []byte
	for all || len(body) < size {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return body, fmt.Errorf("reading a chunk's size, after %q: %w", line, err)
		}
		text, ok := strings.CutSuffix(line, "\r\n")
		n, err := strconv.ParseUint(text, 16, 31)
		if !ok || err != nil {
			return body, fmt.Errorf("%q is no chunk size", line)
		}
		if n == 0 {
			if !all {
				return body, errors.New("the last chunk came too early")
			}
			return body, nil
		}
		chunk := make([]byte, n+2)
		got, err := io.ReadFull(c.in, chunk)
		body = append(body, chunk[:min(got, int(n))]...)
		if err != nil {
			return body, err
		}
		if string(chunk[n:]) != "\r\n" {
			return body, fmt.Errorf("a chunk ends in %q", chunk[n:])
		}
		if len(body) > size {
			return body, errDiffers
		}
	}
	return body, nil
}

// mustSeeEnd reads the end of the connection.
func (c *conn) mustSeeEnd(resetIsFine bool) error {
	c.net.SetReadDeadline(time.Now().Add(patience))
	switch _, err := c.in.ReadByte(); {
	case err == nil:
		c.in.UnreadByte()
		return fmt.Errorf("%s must see the end of the connection, and sees %s", c.name, c.pending())
	case err == io.EOF, resetIsFine && errors.Is(err, syscall.ECONNRESET):
		c.ended = true
		return nil
	default:
		return fmt.Errorf("%s must see the end of the connection: %w", c.name, err)
	}
}

var errDiffers = errors.New("this differs")

// differs renders what was wanted and what was seen.
func (c *conn) differs(want []Piece, seen []string, cause error) error {
	var b strings.Builder
	switch {
	case cause == nil || cause == errDiffers:
		fmt.Fprintf(&b, "%s sees something else", c.name)
	case cause == io.EOF || cause == io.ErrUnexpectedEOF:
		fmt.Fprintf(&b, "%s sees the end of the connection", c.name)
		c.ended = true
	default:
		fmt.Fprintf(&b, "%s does not see it: %v", c.name, cause)
	}
	b.WriteString(c.sendTrouble())
	b.WriteString("\nwanted:\n")
	for _, p := range want {
		fmt.Fprintf(&b, "\t| %s\n", shorten([]byte(p.Text)))
	}
	b.WriteString("seen:\n")
	for _, line := range seen {
		fmt.Fprintf(&b, "\t| %s\n", strings.TrimSuffix(line, `\r\n`))
	}
	if rest := c.pending(); rest != "" {
		fmt.Fprintf(&b, "and after that:\n\t| %s\n", strings.ReplaceAll(rest, `\r\n`, "\n\t| "))
	}
	return errors.New(b.String())
}

// pending returns what has already come and was not read yet.
func (c *conn) pending() string {
	c.net.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	c.in.Peek(1)
	rest, _ := c.in.Peek(c.in.Buffered())
	return shorten(rest)
}

// shorten makes bytes printable on one line, and long runs short.
func shorten(b []byte) string {
	const most = 1000
	q := strconv.Quote(string(b[:min(len(b), most)]))
	text := strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	if len(b) > most {
		text += fmt.Sprintf("… (%d bytes)", len(b))
	}
	return text
}
