package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"section.internal/bench/internal/epoll"
)

// answer reads responses, one after the other, each of which must be a 200 with a Content-Length of length.
type answer struct {
	length int // of each body
	head   []byte
	left   int  // bytes of the body that have not come
	inBody bool // the head has come whole
}

// maxHead is how long the head of a response may be.
const maxHead = 16 << 10

// scratch is where what is read goes first. A generator is one thread, and a process has one generator.
var scratch [1 << 20]byte

// read takes what has come, and says whether the response has ended. Bytes after its end are an error: nobody asked for them.
func (a *answer) read(fd int) (ended bool, err error) {
	if a.inBody {
		// Clients are elsewhere, and what they spend on a body is not our question: it is not copied.
		return a.body(epoll.Discard(fd, scratch[:min(a.left, len(scratch))]))
	}
	n, err := epoll.Recv(fd, scratch[:maxHead])
	if err == epoll.ErrAgain {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("before the end of a response's head: %w", err)
	}
	part := scratch[:n]
	if len(a.head) > 0 { // seldom: the head comes in pieces
		a.head = append(a.head, part...)
		part = a.head
	}
	size, err := parseHead(part, a.length)
	if err != nil {
		return false, err
	}
	if size == 0 {
		if len(part) >= maxHead {
			return false, fmt.Errorf("the head of a response is longer than %d bytes", maxHead)
		}
		if len(a.head) == 0 {
			a.head = append(a.head, part...)
		}
		return false, nil
	}
	a.head = a.head[:0]
	a.inBody, a.left = true, a.length
	if extra := len(part) - size - a.length; extra > 0 {
		return false, fmt.Errorf("%d bytes after the end of a response", extra)
	}
	return a.body(len(part)-size, nil)
}

func (a *answer) body(n int, err error) (ended bool, _ error) {
	if err == epoll.ErrAgain {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%d bytes before the end of a body of %d: %w", a.left, a.length, err)
	}
	a.left -= n
	if a.left == 0 {
		a.inBody = false
		return true, nil
	}
	return false, nil
}

var (
	errCoding = errors.New("a response has a Transfer-Encoding: want the Content-Length that the origin gave")
	status    = []byte("HTTP/1.1 200 ")
	lengthIs  = []byte("content-length:")
	codingIs  = []byte("transfer-encoding:")
	closeIs   = []byte("connection: close")
)

// parseHead holds the head of a response against what it must be, and returns its size; 0: it has not come whole.
func parseHead(b []byte, wantLength int) (size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(b, status) {
		return 0, fmt.Errorf("want status 200, got %.60q", b)
	}
	length := -1
	for rest := b[:end]; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		switch {
		case hasPrefixFold(line, lengthIs):
			if length >= 0 {
				return 0, fmt.Errorf("a second Content-Length: %.60q", line)
			}
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthIs):])))
			if err != nil || length < 0 {
				return 0, fmt.Errorf("not a length: %.60q", line)
			}
		case hasPrefixFold(line, codingIs):
			return 0, errCoding
		case hasPrefixFold(line, closeIs):
			return 0, errors.New("the server ends the connection with a response (Connection: close)")
		}
	}
	if length != wantLength {
		return 0, fmt.Errorf("want a Content-Length of %d, got %d (-1: none)", wantLength, length)
	}
	return end + 4, nil
}

func hasPrefixFold(line, prefix []byte) bool {
	return len(line) >= len(prefix) && bytes.EqualFold(line[:len(prefix)], prefix)
}
