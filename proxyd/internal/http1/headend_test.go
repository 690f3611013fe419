package http1

import (
	"bytes"
	"errors"
	"testing"
)

// headEndInPieces looks for the end of a head in b as it comes in pieces, whose lengths are the bytes of cuts, over and over.
func headEndInPieces(b, cuts []byte) (end int, err error) {
	for have, i, from := 0, 0, 0; ; i++ {
		from = have
		have = min(have+pieceLength(cuts, i), len(b))
		end, err = HeadEnd(b[:have], from)
		if end > 0 || err != nil || have == len(b) {
			return end, err
		}
	}
}

// pieceLength is the length of the i-th piece that cuts asks for: at least one byte.
func pieceLength(cuts []byte, i int) int {
	if len(cuts) == 0 {
		return 1
	}
	return int(cuts[i%len(cuts)]) + 1
}

// plainHeadEnd says the same as HeadEnd with no care for speed or pieces.
func plainHeadEnd(b []byte) (end int, err error) {
	end = bytes.Index(b, []byte("\r\n\r\n")) + 4
	if bytes.HasPrefix(b, []byte("\r\n")) {
		end = 2
	} else if end < 4 {
		end = 0
	}
	looked := b
	if end > 0 {
		looked = b[:end]
	}
	if bytes.Count(looked, []byte("\n")) != bytes.Count(looked, []byte("\r\n")) {
		return 0, errBareLF
	}
	return end, nil
}

var headEnds = []struct {
	in   string
	end  int
	want *Error
}{
	{"", 0, nil},
	{"\r", 0, nil},
	{"\r\n", 2, nil}, // a trailer section without fields
	{"\r\nGET / HTTP/1.1\r\n\r\n", 2, nil},
	{"G", 0, nil},
	{"GET / HTTP/1.1\r\n", 0, nil},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r", 0, nil},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, nil},
	{"GET / HTTP/1.1\r\n\r\nbody\n", 18, nil}, // what follows is not looked at
	{"GET / HTTP/1.1\r\n\r\n\r\n", 18, nil},
	{"GET / HTTP/1.1\r\n\r\r\n", 0, nil}, // refused later: a line with a bare CR
	{"a\r\r\n\r\n", 6, nil},
	{"\n", 0, errBareLF},
	{"\r\r\n\n", 0, errBareLF},
	{"GET / HTTP/1.1\nHost: a\n\n", 0, errBareLF},
	{"GET / HTTP/1.1\r\nHost: a\n\r\n", 0, errBareLF},
	{"GET / HTTP/1.1\r\nHost: a\r\n\n", 0, errBareLF},
	{"GET / HTTP/1.1\r\n\nHost: a", 0, errBareLF},
	{"GET / HTTP/1.1\n\r", 0, errBareLF},
}

func TestHeadEnd_IsTheFirstEmptyLineInPiecesOfAnySize(t *testing.T) {
	for _, c := range headEnds {
		var want error
		if c.want != nil {
			want = c.want
		}
		for size := range len(c.in) + 1 {
			if end, err := headEndInPieces([]byte(c.in), []byte{byte(size)}); end != c.end || err != want {
				t.Errorf("%q in pieces of %d: got %d, %v, want %d, %v", c.in, size+1, end, err, c.end, want)
			}
		}
	}
}

func TestHeadEnd_BareLFIsRefusedAsSoonAsItIsSeen(t *testing.T) {
	if _, err := HeadEnd([]byte("GET / HTTP/1.1\n"), 14); err != error(errBareLF) {
		t.Errorf("got %v, want %v", err, errBareLF)
	}
}

func TestRequestHeadEnd_WhatIsNoRequestLineIsRefusedAsSoonAsItIsSeen(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", nil},
		{"\r", nil}, // half an empty line
		{"G", nil},
		{"GET / HTTP/1.1\r\nHost", nil},
		{"GET / HTTP/1.1\r\nHost: a\n", errBareLF},
		{"GET / HTTP/1.1\n", errLineEnd},
		{"G\n", errLineEnd},
		{"\n", errMethod},
		{"\r\r", errMethod},
		{"\rG", errMethod},
		{" G", errMethod},
		{"\x16\x03\x01\x02\x00", errMethod}, // a TLS hello
		{"\x80", errMethod},                 // one of SSL 2
	} {
		if end, err := RequestHeadEnd([]byte(c.in), 0); end != 0 || !errors.Is(err, c.want) {
			t.Errorf("%q: got %d, %v, want %v", c.in, end, err, c.want)
		}
	}
	in := []byte("GET / HTTP/1.1\r\n\r\nG")
	if end, err := RequestHeadEnd(in, 17); end != len(in)-1 || err != nil {
		t.Errorf("%q: got %d, %v", in, end, err)
	}
}

// FuzzHeadEnd holds: whatever the pieces are, the end and the error are those of the whole, and those of a plain definition.
func FuzzHeadEnd(f *testing.F) {
	for _, c := range headEnds {
		f.Add([]byte(c.in), []byte{0})
		f.Add([]byte(c.in), []byte{1, 4, 0})
	}
	f.Add(browserRequest, []byte{200, 0, 0, 255})
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		end, err := HeadEnd(b, 0)
		if plainEnd, plainErr := plainHeadEnd(b); end != plainEnd || err != plainErr {
			t.Fatalf("got %d, %v; by definition it is %d, %v", end, err, plainEnd, plainErr)
		}
		if inPieces, errInPieces := headEndInPieces(b, cuts); end != inPieces || err != errInPieces {
			t.Fatalf("as a whole %d, %v; in pieces %d, %v", end, err, inPieces, errInPieces)
		}
	})
}

// FuzzRequestHeadEnd holds that nothing is refused early which would not be refused as a whole, and nothing taken that HeadEnd
// refuses.
func FuzzRequestHeadEnd(f *testing.F) {
	for _, c := range headEnds {
		f.Add([]byte(c.in))
	}
	for _, start := range []string{"\r", "\rG", "\x16\x03\x01", "G\n", " G / HTTP/1.1\r\n\r\n", "G\tT / HTTP/1.1\r\n\r\n"} {
		f.Add([]byte(start))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.HasPrefix(b, []byte("\r\n")) {
			return // an empty line, which the caller has taken away
		}
		end, err := RequestHeadEnd(b, 0)
		plainEnd, plainErr := HeadEnd(b, 0)
		switch {
		case err == nil && (end != plainEnd || plainErr != nil):
			t.Fatalf("%q: got %d; HeadEnd says %d, %v", b, end, plainEnd, plainErr)
		case err == nil || plainErr != nil:
		case plainEnd > 0:
			if ParseRequest(b[:plainEnd], 1000, new(Request)) == nil {
				t.Fatalf("%q is refused early, and is a request", b)
			}
		default: // there is more to come: it must not help
			whole := append(bytes.Clone(b), " / HTTP/1.1\r\nHost: a\r\n\r\n"...)
			if end, err := HeadEnd(whole, 0); err == nil && ParseRequest(whole[:end], 1000, new(Request)) == nil {
				t.Fatalf("%q is refused early, and is the start of a request", b)
			}
		}
	})
}
