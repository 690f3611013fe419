package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/process"
)

// cpuSample is how long the processor time is watched for what proxyd uses of it now. The kernel counts in ticks of 10 ms:
// half a second shows it in steps of 2 %.
const cpuSample = 500 * time.Millisecond

// figure is one measured value, or the reason why it is not known. A figure that is not known never fails a command: the kernel
// may refuse it (another user's /proc/PID), and it is the least of the worries of whoever asks.
type figure[T any] struct {
	value T
	err   error
}

func known[T any](value T) figure[T]     { return figure[T]{value: value} }
func unknown[T any](err error) figure[T] { return figure[T]{err: err} }
func (f figure[T]) known() bool          { return f.err == nil }
func (f figure[T]) show(as func(T) string) string {
	switch {
	case f.err == nil:
		return as(f.value)
	case errors.Is(f.err, fs.ErrPermission):
		return "not permitted"
	}
	return "not known: " + f.err.Error()
}

// MarshalJSON writes the value, or null when it is not known.
func (f figure[T]) MarshalJSON() ([]byte, error) {
	if f.err != nil {
		return []byte("null"), nil
	}
	return json.Marshal(f.value)
}

// measured is what the kernel says of a process, its host and its container.
type measured struct {
	Process   processFigures  `json:"process"`
	Host      hostFigures     `json:"host"`
	Container containerMemory `json:"container"`
}

type processFigures struct {
	CPUSeconds     figure[float64] `json:"cpu_seconds"`      // user and system, since the start
	CPUPercent     figure[float64] `json:"cpu_percent"`      // of one core, over the last cpuSample
	CPUPercentMean figure[float64] `json:"cpu_percent_mean"` // of one core, since the start
	ResidentBytes  figure[uint64]  `json:"resident_bytes"`
	Descriptors    figure[int]     `json:"descriptors"`
	Threads        figure[int]     `json:"threads"`
}

type hostFigures struct {
	Load  figure[[3]float64] `json:"load"`  // processes that run or wait for the disk, mean over 1, 5 and 15 minutes
	Cores int                `json:"cores"` // that this process may use
}

// measure asks the kernel for the figures of process pid. It takes about cpuSample.
func measure(ctx context.Context, pid int) measured {
	m := measured{Process: measureProcess(ctx, pid), Container: memoryOf(os.DirFS("/"), pid)}
	m.Host.Cores = runtime.NumCPU()
	average, err := load.AvgWithContext(ctx)
	if err != nil {
		m.Host.Load = unknown[[3]float64](err)
	} else {
		m.Host.Load = known([3]float64{average.Load1, average.Load5, average.Load15})
	}
	return m
}

func measureProcess(ctx context.Context, pid int) processFigures {
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return noProcessFigures(err)
	}
	var f processFigures
	f.CPUSeconds, f.CPUPercent, f.CPUPercentMean = measureCPU(ctx, p)
	if memory, err := p.MemoryInfoWithContext(ctx); err != nil {
		f.ResidentBytes = unknown[uint64](err)
	} else {
		f.ResidentBytes = known(memory.RSS)
	}
	descriptors, err := p.NumFDsWithContext(ctx)
	f.Descriptors = figure[int]{int(descriptors), err}
	threads, err := p.NumThreadsWithContext(ctx)
	f.Threads = figure[int]{int(threads), err}
	return f
}

// measureCPU returns the seconds used so far, and what that is of one core: over the next cpuSample, and since the start.
func measureCPU(ctx context.Context, p *process.Process) (seconds, now, mean figure[float64]) {
	fail := func(err error) (a, b, c figure[float64]) {
		return unknown[float64](err), unknown[float64](err), unknown[float64](err)
	}
	before, err := p.TimesWithContext(ctx)
	if err != nil {
		return fail(err)
	}
	from := time.Now()
	wait := time.NewTimer(cpuSample)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // which may have ended while the timer fired
		return fail(context.Cause(ctx))
	}
	after, err := p.TimesWithContext(ctx)
	if err != nil {
		return fail(err)
	}
	used := after.User + after.System
	seconds = known(used)
	now = known(100 * (used - before.User - before.System) / time.Since(from).Seconds())
	created, err := p.CreateTimeWithContext(ctx)
	if err != nil {
		return seconds, now, unknown[float64](err)
	}
	// The kernel knows the start to a tick only; a process younger than the sample would divide by nearly nothing.
	age := max(time.Since(time.UnixMilli(created)), cpuSample)
	return seconds, now, known(100 * used / age.Seconds())
}

// noProcessFigures are the figures of a process that cannot be looked at.
func noProcessFigures(err error) processFigures {
	return processFigures{
		CPUSeconds: unknown[float64](err), CPUPercent: unknown[float64](err), CPUPercentMean: unknown[float64](err),
		ResidentBytes: unknown[uint64](err), Descriptors: unknown[int](err), Threads: unknown[int](err),
	}
}
