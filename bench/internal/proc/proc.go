// Package proc reads from /proc what processes cost: CPU time and memory, of whole trees of processes.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Tick is the unit of time in /proc. The kernel has shown 100 of them a second to programs on all machines for decades,
// whatever its own clock does (USER_HZ, CLK_TCK).
const Tick = time.Second / 100

// Stat is what /proc/PID/stat says of a process.
type Stat struct {
	PID, Parent int
	State       byte // Z: it has ended, and its parent has not asked how
	// CPU is what the process and those of its children have used that have ended and been waited for, user and system.
	CPU time.Duration
}

// ParseStat reads the one line of /proc/PID/stat.
func ParseStat(line []byte) (s Stat, err error) {
	// The name is in parentheses and may hold anything, more parentheses and spaces among it.
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return s, fmt.Errorf("no name in %.80q", line)
	}
	if s.PID, err = strconv.Atoi(string(bytes.TrimSpace(line[:open]))); err != nil {
		return s, fmt.Errorf("no process id in %.80q", line)
	}
	fields := bytes.Fields(line[end+1:]) // the first one is field 3 of proc(5)
	const state, parent, utime, cstime = 0, 1, 11, 14
	if len(fields) <= cstime || len(fields[state]) != 1 {
		return s, fmt.Errorf("only %d fields after the name in %.80q", len(fields), line)
	}
	s.State = fields[state][0]
	if s.Parent, err = strconv.Atoi(string(fields[parent])); err != nil {
		return s, fmt.Errorf("no parent in %.80q", line)
	}
	for _, field := range fields[utime : cstime+1] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil || ticks < 0 || ticks > int64(1<<62/Tick)/4 {
			return s, fmt.Errorf("CPU time %.30q in %.80q", field, line)
		}
		s.CPU += time.Duration(ticks) * Tick
	}
	return s, nil
}

// ParseRollup returns the resident memory from the text of /proc/PID/smaps_rollup, in bytes.
func ParseRollup(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		value, isRss := bytes.CutPrefix(line, []byte("Rss:"))
		if !isRss {
			continue
		}
		number, isKB := bytes.CutSuffix(bytes.TrimSpace(value), []byte(" kB"))
		kb, err := strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 64)
		if err != nil || !isKB || kb < 0 || kb > 1<<52 {
			return 0, fmt.Errorf("not a size in kB: %.60q", line)
		}
		return kb << 10, nil
	}
	return 0, errors.New("no line 'Rss:'")
}

// Tree returns the processes below each of the roots, and the roots, sorted by id. A root that does not run is an error.
func Tree(roots []int) ([]Stat, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children, all := map[int][]int{}, map[int]Stat{}
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "stat"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		s, err := ParseStat(line)
		if err != nil {
			return nil, fmt.Errorf("%s/stat: %w", dir, err)
		}
		all[s.PID] = s
		children[s.Parent] = append(children[s.Parent], s.PID)
	}
	var tree []Stat
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		s, runs := all[queue[0]]
		if !runs || s.State == 'Z' {
			return nil, fmt.Errorf("process %d has ended", queue[0])
		}
		tree = append(tree, s)
		queue = append(queue, children[s.PID]...)
	}
	slices.SortFunc(tree, func(a, b Stat) int { return a.PID - b.PID })
	return tree, nil
}

// CPU returns the CPU time of the processes together.
func CPU(tree []Stat) (sum time.Duration) {
	for _, s := range tree {
		sum += s.CPU
	}
	return sum
}

// SameProcesses says whether two looks at a tree met the same processes.
func SameProcesses(a, b []Stat) bool {
	return slices.EqualFunc(a, b, func(a, b Stat) bool { return a.PID == b.PID })
}

// Resident returns the resident memory of the processes together; what they share counts for each of them.
func Resident(tree []Stat) (sum int64, err error) {
	for _, s := range tree {
		path := fmt.Sprintf("/proc/%d/smaps_rollup", s.PID)
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		rss, err := ParseRollup(text)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += rss
	}
	return sum, nil
}
