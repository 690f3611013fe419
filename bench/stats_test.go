package main

import (
	"slices"
	"testing"
)

func TestMedian_IsTheMiddleAndLeavesTheValues(t *testing.T) {
	f := func(want float64, values ...float64) {
		t.Helper()
		before := slices.Clone(values)
		if got := median(values); got != want || !slices.Equal(values, before) {
			t.Errorf("%v: %v, want %v; now %v", before, got, want, values)
		}
	}
	f(3, 3)
	f(2, 3, 1)
	f(2, 3, 1, 2)
	f(2.5, 4, 1, 3, 2)
	f(3, 100, 3, 2, 1, 5)
}

func TestRotated_EveryoneComesFirst(t *testing.T) {
	list := []string{"a", "b", "c"}
	for n, want := range []string{"abc", "bca", "cab", "abc", "bca"} {
		got := ""
		for _, s := range rotated(list, n) {
			got += s
		}
		if got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
