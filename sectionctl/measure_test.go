package main

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"testing"
)

func TestMeasure_KnowsEveryFigureOfOurOwnProcess(t *testing.T) {
	m := measure(t.Context(), os.Getpid())
	p := m.Process
	if !p.CPUSeconds.known() || !p.CPUPercent.known() || !p.CPUPercentMean.known() {
		t.Errorf("cpu: %+v", p)
	}
	if p.ResidentBytes.value < 1<<20 || p.Descriptors.value < 3 || p.Threads.value < 2 {
		t.Errorf("impossible figures: %+v", p)
	}
	if !m.Host.Load.known() || m.Host.Cores < 1 {
		t.Errorf("host: %+v", m.Host)
	}
}

func TestMeasure_ProcessThatDoesNotLiveHasNoFigures(t *testing.T) {
	p := measure(t.Context(), deadPID(t)).Process
	if p.CPUSeconds.known() || p.ResidentBytes.known() || p.Descriptors.known() || p.Threads.known() {
		t.Errorf("figures of a dead process: %+v", p)
	}
}

func TestMeasure_InterruptEndsTheSample(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p := measure(ctx, os.Getpid()).Process; p.CPUSeconds.known() {
		t.Errorf("sampled after the interrupt: %+v", p)
	}
}

func TestFigure_UnknownIsNullForProgramsAndAReasonForPeople(t *testing.T) {
	text, err := json.Marshal([]figure[int]{known(7), unknown[int](fs.ErrPermission)})
	if err != nil || string(text) != "[7,null]" {
		t.Errorf("%s, %v", text, err)
	}
	show := func(int) string { return "seven" }
	if got := unknown[int](&fs.PathError{Op: "open", Path: "/proc/1/fd", Err: os.ErrPermission}).show(show); got != "not permitted" {
		t.Errorf("refused: %q", got)
	}
	if got := unknown[int](fs.ErrInvalid).show(show); got != "not known: invalid argument" {
		t.Errorf("failed: %q", got)
	}
}
