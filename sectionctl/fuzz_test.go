package main

import (
	"io/fs"
	"strings"
	"testing"
)

// FuzzMemoryGroup: whatever the kernel may say of a process, the group is a place below the root of the control groups.
func FuzzMemoryGroup(f *testing.F) {
	for _, text := range []string{"", "0::/\n", "0::/../../etc\n", "5:cpu,cpuacct:/a\n4:memory:/box\n0::/\n", "4:memory:", "0::a:b", "x", ":memory:\xde", "1:memory:/a/../../../b\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, group := memoryGroup(text)
		below := strings.ToValidUTF8(strings.TrimPrefix(group, "/"), "?") // a name that is no text is a name all the same
		if !strings.HasPrefix(group, "/") || below != "" && !fs.ValidPath(below) {
			t.Errorf("%q has the group %q", text, group)
		}
	})
}

// FuzzSequence: of each number that is not the next one, and of no other, something is said.
func FuzzSequence(f *testing.F) {
	for _, list := range []string{"40 41 43 53", "54 1 2 2", "0 0", "18446744073709551615 1", "01 +2 x -1", "18446744073709551616"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		var s sequence
		for text := range strings.FieldsSeq(list) {
			before := s.newest
			said := s.next(field(text))
			next := before == 0 || s.newest == before || s.newest == before+1
			if s.newest == before && s.newest != 0 && said != "" {
				next = false // the same number twice: a restart
			}
			if next != (said == "") {
				t.Errorf("%s after %d: %q", text, before, said)
			}
		}
	})
}
