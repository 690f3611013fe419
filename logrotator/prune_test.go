package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExcess_TakesTheOldestThatAreTooManyOrTooLarge(t *testing.T) {
	// A letter names the log, the digit is the age as it sorts, the kind follows, then the size.
	files := func(names ...string) (files []rotated) {
		for _, name := range names {
			var f rotated
			var k string
			if n, err := fmt.Sscanf(name, "%1s%1s%s %d", &f.log, &f.stamp, &k, &f.size); n != 4 {
				t.Fatalf("%q: %v", name, err)
			}
			f.kind = kind(strings.TrimPrefix(k, "_"))
			files = append(files, f)
		}
		return files
	}
	f := func(want string, keep int, maxSize int64, names ...string) {
		t.Helper()
		var got []string
		for _, f := range excess(files(names...), keep, maxSize) {
			got = append(got, f.log+f.stamp)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("keep %d of at most %d bytes: takes %q, want %q", keep, maxSize, got, want)
		}
	}
	f("", 2, 100)
	f("", 2, 30, "a1.gz 10", "b2.gz 10", "a3.gz 10")
	f("a1", 2, 100, "a1.gz 10", "b2.gz 10", "a3.gz 10", "a4.gz 10")
	f("a1", 9, 29, "a1.gz 10", "b2.gz 10", "a3.gz 10")
	f("a1 b2", 9, 10, "a1.gz 10", "b2.gz 10", "a3.gz 10")
	f("a1 b2 a3", 9, 9, "a1.gz 10", "b2.gz 10", "a3.gz 10")
	f("a1 b2", 1, 10, "a1.gz 10", "b2.gz 10", "a3.gz 10") // what is too old makes room first
	f("b2", 9, 25, "a1_ 10", "b2.gz 10", "a3_ 10")        // what is not compressed stays
}

// A name is taken only when it is one that rotation would have given.
func FuzzParseName(f *testing.F) {
	f.Add("access.log-20261121T061822.123456Z")
	f.Add("error.log-20261121T061822.123456Z.gz")
	f.Add("access.log-20261121T061822.123456Z.gz.tmp")
	f.Add("access.log-20261121T061822,123456Z")
	f.Fuzz(func(t *testing.T, name string) {
		r, ok := parseName(name)
		if !ok {
			return
		}
		if again := filepath.Base(r.path("/log")); again != name {
			t.Errorf("%q is taken as %q", name, again)
		}
		if next := nextStamp(r.log, []rotated{r}, time.Unix(0, 0)); next <= r.stamp && r.stamp < "9999" {
			t.Errorf("after %s comes %s", r.stamp, next)
		}
	})
}
