package ascii

import (
	"math"
	"strconv"
	"testing"
)

func TestAppendNumber_WritesWhatTheStandardLibraryDoes(t *testing.T) {
	f := func(n int64) {
		t.Helper()
		if got, want := string(AppendNumber([]byte("x"), n)), "x"+strconv.FormatInt(n, 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for n := range int64(1001) {
		f(n)
	}
	for n := int64(1000); n < math.MaxInt64/10; n *= 10 {
		for _, around := range []int64{n - 1, n, n + 1, n + 203, 2*n - 1, 9 * n} {
			f(around)
		}
	}
	for _, n := range []int64{math.MaxInt64, math.MinInt64, -1, -1000} {
		f(n)
	}
}
