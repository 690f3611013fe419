package main

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// containerMemory is the memory limit that the kernel enforces on a process, and how much of it is in use.
type containerMemory struct {
	// LimitBytes is nil when there is no limit.
	LimitBytes *uint64 `json:"memory_limit_bytes"`
	// UsedBytes is what counts towards the limit, with the file cache that the kernel gives up first; nil when it is not known.
	UsedBytes *uint64 `json:"memory_used_bytes"`
}

// hierarchy is how one version of control groups spells what is asked here.
type hierarchy struct{ mount, limit, used string }

var (
	version1 = hierarchy{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"}
	version2 = hierarchy{"sys/fs/cgroup", "memory.max", "memory.current"}
)

// noLimitAbove tells a limit from version 1's way to say that there is none: the largest multiple of the page size. No machine
// has 2^60 bytes of memory.
const noLimitAbove = 1 << 60

// memoryOf returns the tightest memory limit on process pid. Every control group above the process's own counts, so the walk
// goes up to the root; inside a container, where /proc names a path that only the host sees, it finds just the root, which is
// then the container's own. root is the root directory.
func memoryOf(root fs.FS, pid int) containerMemory {
	membership, err := fs.ReadFile(root, fmt.Sprintf("proc/%d/cgroup", pid))
	if err != nil {
		return containerMemory{}
	}
	h, group := memoryGroup(string(membership))
	var m containerMemory
	for {
		dir := path.Join(h.mount, group)
		limit := number(root, path.Join(dir, h.limit))
		used := number(root, path.Join(dir, h.used))
		if m.UsedBytes == nil {
			m.UsedBytes = used
		}
		if limit != nil && *limit < noLimitAbove && (m.LimitBytes == nil || *limit < *m.LimitBytes) {
			m.LimitBytes, m.UsedBytes = limit, used
		}
		if group == "/" {
			return m
		}
		group = path.Dir(group)
	}
}

// memoryGroup finds the memory controller's group in the text of /proc/PID/cgroup, a line a hierarchy: number:controllers:path.
// On a host with both versions the controller belongs to the first one that names it.
func memoryGroup(membership string) (h hierarchy, group string) {
	h, group = version2, "/"
	for line := range strings.Lines(membership) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		// A process outside of our own control group namespace has a path that starts with "/..".
		clean := path.Join("/", fields[2])
		for controller := range strings.SplitSeq(fields[1], ",") {
			if controller == "memory" {
				return version1, clean
			}
		}
		if fields[0] == "0" && fields[1] == "" {
			group = clean
		}
	}
	return h, group
}

// number reads a file with one number in it; nil stands for no such file and for "max".
func number(root fs.FS, name string) *uint64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// String shows it to people.
func (m containerMemory) String() string {
	used := "use not known"
	if m.UsedBytes != nil {
		used = size(*m.UsedBytes) + " in use"
	}
	if m.LimitBytes == nil {
		return "memory limit none, " + used
	}
	if m.UsedBytes == nil || *m.LimitBytes == 0 {
		return "memory limit " + size(*m.LimitBytes) + ", " + used
	}
	return fmt.Sprintf("memory limit %s, %s (%.0f %%)", size(*m.LimitBytes), used, 100*float64(*m.UsedBytes)/float64(*m.LimitBytes))
}
