package http1

import (
	"bytes"
	"testing"

	"section.internal/contract/ascii"
)

func TestKind_WhatFramesOrRoutesIsTheEnginesAlone(t *testing.T) {
	f := func(name string, requests, responses bool) {
		t.Helper()
		if k := KindOf(name); k.InRequests() != requests || k.InResponses() != responses {
			t.Errorf("%s: in requests %v, in responses %v; want %v, %v", name, k.InRequests(), k.InResponses(), requests, responses)
		}
	}
	for _, name := range []string{
		"Connection", "KEEP-ALIVE", "proxy-connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Via",
		"Expect", "Max-Forwards", "section-io-id",
	} {
		f(name, false, false)
	}
	f("Date", true, false)
	f("X-Edge-Secret", true, true)
	f("Content-Type", true, true)
	f("section-origin", true, true)
	f("a-name-that-is-longer-than-any-that-is-known", true, true)
	f("", true, true)
}

// Whatever a value or a target is made of, what gets out parses strictly, to one field and one request line.
func FuzzNewHead(f *testing.F) {
	f.Add([]byte("a\r\nHost: evil\r\n\r\nGET / HTTP/1.1"), []byte("/a b\r\n#é"))
	f.Add([]byte("\x00\x7f\t plain \xff"), []byte("//x?y=%zz"))
	f.Add([]byte("12345678"), []byte(""))
	f.Add([]byte(" "), []byte("*"))
	f.Fuzz(func(t *testing.T, value, target []byte) {
		head := AppendNewRequestLine(nil, []byte("GET"), target)
		head = AppendField(head, []byte("Host"), []byte("a"))
		head = append(AppendNewField(head, "X-New", value), "\r\n"...)
		if end, err := HeadEnd(head, 0); end != len(head) || err != nil {
			t.Fatalf("%q ends at %d of %d, %v", head, end, len(head), err)
		}
		var r Request
		if err := ParseRequest(head, 10, &r); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		want := bytes.Map(func(c rune) rune {
			if c < ' ' && c != '\t' || c == 0x7f {
				return -1
			}
			return c
		}, latin1(value))
		if len(r.Fields) != 2 || !ascii.EqualLower(r.Fields[1].Name, "x-new") || !bytes.Equal(latin1(r.Fields[1].Value), ascii.TrimSpace(want)) {
			t.Errorf("%q: %v; want the value %q", value, r.Fields, want)
		}
		if r.Target[0] != '/' || r.Absolute {
			t.Errorf("%q is asked for as %q", target, r.Target)
		}
	})
}

// latin1 makes a rune of each byte.
func latin1(b []byte) []byte {
	var out []rune
	for _, c := range b {
		out = append(out, rune(c))
	}
	return []byte(string(out))
}
