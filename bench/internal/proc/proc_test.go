package proc

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

const statLine = "71 (a (b) c) S 70 71 71 0 -1 4194560 3316 7 0 0 12 34 5 6 20 0 4 0 8034 1233616896 3316 18446744073709551615 1 1\n"

func TestParseStat_NameMayHoldAnything(t *testing.T) {
	want := Stat{PID: 71, Parent: 70, State: 'S', CPU: 570 * time.Millisecond}
	for _, name := range []string{"a (b) c", ") R 1 2", "nginx: worker", ""} {
		line := fmt.Sprintf("71 (%s) S 70 71 71 0 -1 4194560 3316 7 0 0 12 34 5 6 20 0 4 0 8034", name)
		if got, err := ParseStat([]byte(line)); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestParseStat_RefusesWhatIsNoStat(t *testing.T) {
	for _, line := range []string{"", "71", "71 (a", "(a) S 1", "x (a) S 70 1 1 0 -1 4 3 7 0 0 12 34 5 6 20", "71 (a) S 70 71 71 0 -1 4 3 7 0 0 12 34 5",
		"71 (a) SS 70 71 71 0 -1 4 3 7 0 0 12 34 5 6", "71 (a) S 70 71 71 0 -1 4 3 7 0 0 12 -34 5 6", "71 (a) S 70 71 71 0 -1 4 3 7 0 0 12 x 5 6"} {
		if got, err := ParseStat([]byte(line)); err == nil {
			t.Errorf("%q is taken: %+v", line, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine))
	f.Add([]byte("71 () S 70 71 71 0 -1 4 3 7 0 0 9223372036854775807 9223372036854775807 5 6"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := ParseStat(line)
		if err == nil && (s.CPU < 0 || s.CPU%Tick != 0) {
			t.Errorf("%q: CPU time %d", line, s.CPU)
		}
	})
}

func TestParseRollup_ResidentInBytes(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		if got, err := ParseRollup([]byte(text)); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	head := "00400000-7ffd4a5f1000 ---p 00000000 00:00 0                              [rollup]\n"
	f(head+"Rss:                3316 kB\nPss:                1200 kB\n", 3316<<10)
	f("Rss: 0 kB\n", 0)
	f(head, -1)
	f("Rss: 3316\n", -1)
	f("Rss: -1 kB\n", -1)
	f("Rss: 99999999999999999999 kB\n", -1)
}

func TestParseTicks_OneCPUOrAll(t *testing.T) {
	text := []byte("cpu  10 1 5 100 7 0 2 3 50 0\ncpu0 4 1 5 50 7 0 2 1 0 0\ncpu1 6 0 0 50 0 0 0 2 0 0\nintr 1\n")
	f := func(cpu string, want Ticks) {
		t.Helper()
		if got, err := ParseTicks(text, cpu); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", cpu, got, err, want)
		}
	}
	f(AllCPUs, Ticks{Busy: 18, Idle: 107, Steal: 3})
	f("cpu1", Ticks{Busy: 6, Idle: 50, Steal: 2})
	for _, wrong := range []string{"", "cpu 1 2 3\n", "cpu 1 2 3 4 5 6 x 8\n", "cpu 1 2 3 4 5 6 -7 8\n"} {
		if got, err := ParseTicks([]byte(wrong), AllCPUs); err == nil {
			t.Errorf("%q is taken: %+v", wrong, got)
		}
	}
}

func FuzzParseTicks(f *testing.F) {
	f.Add([]byte("cpu  10 1 5 100 7 0 2 3 50 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ticks, err := ParseTicks(text, AllCPUs)
		if err == nil && (ticks.Busy < 0 || ticks.Idle < 0 || ticks.Steal < 0) {
			t.Errorf("%q: %+v", text, ticks)
		}
	})
}

func TestShares_PartsOfTheTimeBetween(t *testing.T) {
	busy, steal := Ticks{Busy: 60, Idle: 130, Steal: 20}.Shares(Ticks{Busy: 10, Idle: 90, Steal: 10})
	if math.Abs(busy-0.5) > 1e-9 || math.Abs(steal-0.1) > 1e-9 {
		t.Errorf("busy %v, stolen %v", busy, steal)
	}
	if busy, steal := (Ticks{}).Shares(Ticks{}); busy != 0 || steal != 0 {
		t.Errorf("no time at all: busy %v, stolen %v", busy, steal)
	}
}

// A shell that starts another program and waits for it: a tree of two processes.
func TestTree_HoldsChildrenAndTellsOfTheEnd(t *testing.T) {
	shell := exec.Command("sh", "-c", "cat; :")
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 2)
	if _, err := io.WriteString(in, "x\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, echo); err != nil { // cat runs, and is no longer a copy of the shell
		t.Fatal(err)
	}
	root := shell.Process.Pid
	tree, err := Tree([]int{root})
	if err != nil || len(tree) != 2 {
		t.Fatalf("%+v, %v", tree, err)
	}
	if !slices.ContainsFunc(tree, func(s Stat) bool { return s.Parent == root }) || !SameProcesses(tree, tree) || SameProcesses(tree, tree[:1]) {
		t.Errorf("the tree of %d: %+v", root, tree)
	}
	if rss, err := Resident(tree); err != nil || rss <= 0 {
		t.Errorf("resident memory %d, %v", rss, err)
	}
	in.Close()
	if err := shell.Wait(); err != nil {
		t.Fatal(err)
	}
	if tree, err := Tree([]int{root}); err == nil {
		t.Errorf("a tree without its root: %+v", tree)
	}
}

func TestCPU_GrowsWithWork(t *testing.T) {
	own := func() time.Duration {
		tree, err := Tree([]int{os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		return CPU(tree)
	}
	before := own()
	for deadline := time.Now().Add(20 * time.Second); own() == before; {
		if time.Now().After(deadline) {
			t.Fatalf("CPU time stays %v", before)
		}
	}
}
