package http1

import (
	"bytes"

	"section.internal/contract/ascii"
)

// maxExtension bounds the line of one chunk's size and extensions: nobody reads them, and an endless one would hold the connection.
const maxExtension = 1 << 10

// Chunks follows the framing of a chunked body (RFC 9112 section 7.1) over bytes that come in pieces of any size. The zero
// value is at the start of a body that may have no extensions.
//
// The user alternates between Advance, which takes framing, and taking up to Left bytes of data, told by Took. When Done, the
// trailer section follows.
type Chunks struct {
	// MaxExtensions bounds the bytes of extensions of all chunks of the body together, so that a body of one-byte chunks with long
	// extensions cannot cost a thousand times what it says (RFC 9112 section 7.1.1).
	MaxExtensions int64

	Left       int64 // bytes of the current chunk that are still to come
	Done       bool  // the last chunk has been seen
	started    bool  // a chunk's data has ended, so that its CRLF is due
	extensions int64 // bytes of them so far
}

// Advance takes the framing at the start of b, and returns how many bytes that is: 0 when b does not hold all of it yet.
// It must only be called when Left is 0 and Done false.
func (c *Chunks) Advance(b []byte) (n int, err error) {
	if c.started {
		if len(b) < 2 {
			if len(b) == 1 && b[0] != '\r' {
				return 0, errChunkEnd
			}
			return 0, nil
		}
		if b[0] != '\r' || b[1] != '\n' {
			return 0, errChunkEnd
		}
		n = 2
	}
	line, end := b[n:], bytes.IndexByte(b[n:], '\n')
	if end >= 0 {
		line = line[:end]
	}
	// What is wrong already need not wait for the end of the line; so a broken line is refused for the same reason in pieces of
	// any size.
	size, digits, err := chunkSize(line)
	switch {
	case err != nil:
		return 0, err
	case len(line) > maxExtension:
		return 0, errChunkExtensions
	case end < 0:
		return 0, nil
	case digits == 0 || line[end-1] != '\r':
		return 0, errChunkSize
	}
	if rest := line[digits : end-1]; len(rest) > 0 {
		// White space may stand before an extension, but not in its place.
		extension := ascii.TrimSpace(rest)
		if len(extension) == 0 || extension[0] != ';' {
			return 0, errChunkSize
		}
		if !all(extension, valueByte) {
			return 0, errChunkExtension
		}
		if c.extensions += int64(len(rest)); c.extensions > c.MaxExtensions {
			return 0, errChunkExtensions
		}
	}
	c.Left, c.Done, c.started = size, size == 0, true
	return n + end + 1, nil
}

// Took tells that n bytes of data were taken.
func (c *Chunks) Took(n int64) { c.Left -= n }

// chunkSize reads the hexadecimal digits at the start of line.
func chunkSize(line []byte) (size int64, digits int, err error) {
	for digits < len(line) {
		c := ascii.Lower(line[digits])
		switch {
		case isDigit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			if digits == 0 {
				return 0, 0, errChunkSize
			}
			return size, digits, nil
		}
		if digits++; digits > 16 || size>>59 != 0 {
			return 0, 0, errChunkSize
		}
		size = size<<4 | int64(c)
	}
	return size, digits, nil
}
