package main

import (
	"context"
	"errors"
	"testing"
)

func TestTwice_OneMeasurementGivesBothFigures(t *testing.T) {
	runs := 0
	first, second := twice(func(context.Context, *lab, *server) (figure, figure, error) {
		runs++
		return figure{value: float64(runs)}, figure{value: float64(10 * runs)}, nil
	})
	s, other := &server{}, &server{}
	f := func(m measurement, s *server, want float64, wantRuns int) {
		t.Helper()
		got, err := m(t.Context(), nil, s)
		if err != nil || got.value != want || runs != wantRuns {
			t.Errorf("%v, %v after %d runs: want %v after %d", got.value, err, runs, want, wantRuns)
		}
	}
	f(first, s, 1, 1)
	f(second, s, 10, 1)
	f(second, s, 20, 2) // the figure of a round is used once
	f(first, s, 3, 3)
	f(second, other, 40, 4)
	f(second, s, 30, 4)
}

func TestTwice_AnErrorSpoilsBothFigures(t *testing.T) {
	broken := errors.New("broken")
	first, second := twice(func(context.Context, *lab, *server) (a, b figure, err error) { return a, b, broken })
	s := &server{}
	for _, m := range []measurement{first, second} {
		if _, err := m(t.Context(), nil, s); !errors.Is(err, broken) {
			t.Errorf("%v, want %v", err, broken)
		}
	}
}
