package http1

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// dechunked is what became of the bytes of a chunked body.
type dechunked struct {
	data []byte
	read int // bytes taken, framing and data
	done bool
	err  error
}

// someExtensions is how many bytes of extensions a body may have in these tests.
const someExtensions = 16 << 10

// dechunk takes the framing off b as it comes in pieces, whose lengths are the bytes of cuts, over and over; nil means whole.
func dechunk(b, cuts []byte) (d dechunked) {
	c := Chunks{MaxExtensions: someExtensions}
	for i, have := 0, 0; ; i++ {
		if have = len(b); cuts != nil {
			have = min(have+pieceLength(cuts, i), len(b))
		}
		for {
			if c.Left > 0 {
				part := b[d.read:have]
				part = part[:min(int64(len(part)), c.Left)]
				d.data = append(d.data, part...)
				d.read += len(part)
				c.Took(int64(len(part)))
			}
			if c.Left > 0 {
				break
			}
			n, err := c.Advance(b[d.read:have])
			d.read += n
			if d.done, d.err = c.Done, err; c.Done || err != nil {
				return d
			}
			if n == 0 {
				break
			}
		}
		if have == len(b) {
			return d
		}
	}
}

// cutBody is neither complete nor broken.
const cutBody = "5\r\nhello"

var chunkedBodies = []struct {
	in, data string
	rest     string // left behind the last chunk
	want     *Error
}{
	{"0\r\n", "", "", nil},
	{"0\r\n\r\n", "", "\r\n", nil},
	{"00000\r\nX: y\r\n\r\n", "", "X: y\r\n\r\n", nil},
	{"5\r\nhello\r\n0\r\n\r\nGET", "hello", "\r\nGET", nil},
	{"1\r\na\r\n02\r\nbc\r\nA\r\n0123456789\r\na\r\n\r\n0\r\n\r\n\r\n!\r\n0\r\n", "abc0123456789\r\n0\r\n\r\n\r\n!", "", nil},
	{"0000000000000001\r\na\r\n0\r\n", "a", "", nil},
	{"1;x\r\na\r\n0;y=z\r\n", "a", "", nil},
	{"1 ;x\r\na\r\n0\t; y = \"z;\t\xff\" \r\n", "a", "", nil}, // white space before an extension may come (RFC 9112 section 7.1.1)
	{"1;\r\na\r\n0\r\n", "a", "", nil},
	{"1;" + strings.Repeat("x", maxExtension-3) + "\r\na\r\n0\r\n", "a", "", nil},

	{"\r\n", "", "", errChunkSize},
	{"x\r\n", "", "", errChunkSize},
	{"g\r\n", "", "", errChunkSize},
	{"-1\r\n", "", "", errChunkSize},
	{"+1\r\n", "", "", errChunkSize},
	{" 1\r\n", "", "", errChunkSize},
	{"0x1\r\n", "", "", errChunkSize},
	{"1_0\r\n", "", "", errChunkSize},
	{"1 \r\n", "", "", errChunkSize}, // padding: no extension follows
	{"1 2\r\n", "", "", errChunkSize},
	{"1,2\r\n", "", "", errChunkSize},
	{";x\r\n", "", "", errChunkSize},
	{"1\n", "", "", errChunkSize},
	{"\n", "", "", errChunkSize},
	{"1;x\n", "", "", errChunkSize},
	{"1\r\r\n", "", "", errChunkSize},
	{"1\ra\r\n", "", "", errChunkSize},
	{"1\x00\r\n", "", "", errChunkSize},
	{"1\u0665\r\n", "", "", errChunkSize},
	{"8000000000000000\r\n", "", "", errChunkSize},
	{"ffffffffffffffff\r\n", "", "", errChunkSize},
	{"10000000000000001\r\n", "", "", errChunkSize}, // 1 modulo 1<<64
	{"00000000000000001\r\n", "", "", errChunkSize},
	{"1;x\r\r\n", "", "", errChunkExtension},
	{"1;x\x00\r\n", "", "", errChunkExtension},
	{"1;x\x7f\r\n", "", "", errChunkExtension},
	{"1;\r;\r\n", "", "", errChunkExtension},
	{"1;" + strings.Repeat("x", maxExtension-2) + "\r\n", "", "", errChunkExtensions},
	{"1;" + strings.Repeat("x", 2*maxExtension), "", "", errChunkExtensions}, // not even ended
	{cutBody, "hello", "", nil},
	{"5\r\nhelloX\r\n0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhello0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhelloX\n0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhello\n0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhello\r0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhello\r\r\n0\r\n", "hello", "", errChunkEnd},
	{"5\r\nhello\r\n\r\n0\r\n", "hello", "", errChunkSize},
	{"1\r\na\r\nx", "a", "", errChunkSize},
}

func TestChunks_SameInPiecesOfAnySize(t *testing.T) {
	for _, c := range chunkedBodies {
		var want error
		if c.want != nil {
			want = c.want
		}
		for size := range min(len(c.in), 80) + 1 {
			cuts := []byte{byte(size)}
			if size == 0 {
				cuts = nil
			}
			d := dechunk([]byte(c.in), cuts)
			if string(d.data) != c.data || d.err != want {
				t.Errorf("%.80q in pieces of %d: got %q, %v, want %q, %v", c.in, size, d.data, d.err, c.data, want)
			}
			if d.done != (c.want == nil && c.in != cutBody) {
				t.Errorf("%.80q in pieces of %d: the body has ended: %v", c.in, size, d.done)
			}
			if d.done && c.in[d.read:] != c.rest {
				t.Errorf("%.80q in pieces of %d: %q is left, want %q", c.in, size, c.in[d.read:], c.rest)
			}
		}
	}
}

func TestChunks_SizesUpToTheLargest(t *testing.T) {
	for _, size := range []int64{1, 0xf, 0x10, 0xABCDEF, 1 << 59, 1<<63 - 1} {
		for _, format := range []string{"%x\r\n", "%X\r\n", "%016x\r\n"} {
			in := fmt.Sprintf(format, size)
			c := Chunks{MaxExtensions: someExtensions}
			if n, err := c.Advance([]byte(in)); n != len(in) || err != nil || c.Left != size || c.Done {
				t.Errorf("%q: took %d bytes for a chunk of %d, %v", in, n, c.Left, err)
			}
		}
	}
}

func TestChunks_NeedNoMoreThanTheLineToRefuseIt(t *testing.T) {
	for in, want := range map[string]*Error{
		"x": errChunkSize, "GET / HT": errChunkSize, "fffffffffffffffff": errChunkSize, "8000000000000000": errChunkSize,
		"1;" + strings.Repeat(" ", maxExtension): errChunkExtensions,
	} {
		c := Chunks{MaxExtensions: someExtensions}
		if _, err := c.Advance([]byte(in)); err != error(want) {
			t.Errorf("%.20q: got %v, want %v", in, err, want)
		}
	}
	c := Chunks{MaxExtensions: someExtensions, started: true}
	if _, err := c.Advance([]byte("X")); err != error(errChunkEnd) {
		t.Errorf("got %v, want %v", err, errChunkEnd)
	}
}

// FuzzChunks holds: whatever the pieces are, data, end and error are those of the whole; and what we take, httputil's reader
// takes with the same data, but for the reasons in stricterAboutChunks.
func FuzzChunks(f *testing.F) {
	for _, c := range chunkedBodies {
		f.Add([]byte(c.in), []byte{0})
		f.Add([]byte(c.in), []byte{2, 0, 5})
	}
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		whole := dechunk(b, nil)
		if cuts == nil {
			cuts = []byte{}
		}
		if pieces := dechunk(b, cuts); !bytes.Equal(whole.data, pieces.data) || whole.read != pieces.read || whole.done != pieces.done || whole.err != pieces.err {
			t.Fatalf("as a whole %+v\nin pieces %+v", whole, pieces)
		}
		if !whole.done {
			return
		}
		data, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b)))
		if err != nil && stricterAboutChunks(b[:whole.read], err) {
			return
		}
		if err != nil || !bytes.Equal(data, whole.data) {
			t.Fatalf("we read %q; httputil reads %q, %v", whole.data, data, err)
		}
	})
}

// stricterAboutChunks lists why httputil's reader refuses what we take.
func stricterAboutChunks(b []byte, err error) bool {
	switch err.Error() {
	case "invalid byte in chunk length":
		// It knows no white space between size and extension, which RFC 9112 section 7.1.1 tells recipients to take.
		return bytes.Contains(b, []byte(" ;")) || bytes.Contains(b, []byte("\t;"))
	case "chunked encoding contains too much non-data":
		// It bounds the extensions of all chunks together by 16 KiB; we bound those of each, and pass none on.
		return len(b) > 16<<10
	}
	return false
}

func TestChunks_BoundTheExtensionsOfAWholeBody(t *testing.T) {
	c := Chunks{MaxExtensions: someExtensions}
	chunk := []byte("1;" + strings.Repeat("x", 1000) + "\r\nd\r\n")
	for chunks := 0; ; chunks++ {
		b := chunk
		if chunks > 0 {
			b = append([]byte("\r\n"), chunk...)
		}
		if _, err := c.Advance(b); err != nil {
			if err != error(errChunkExtensions) || chunks != someExtensions/1001 {
				t.Errorf("got %v after %d chunks, want %v after %d", err, chunks, errChunkExtensions, someExtensions/1001)
			}
			return
		}
		c.Took(1)
	}
}
