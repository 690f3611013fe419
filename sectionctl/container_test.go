package main

import (
	"testing"
	"testing/fstest"
)

func TestMemoryOf_FindsTheTightestLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	f := func(name string, root fstest.MapFS, want string) {
		t.Helper()
		if got := memoryOf(root, 7).String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("version 2, in a container with a namespace of its own", fstest.MapFS{
		"proc/7/cgroup":                file("0::/\n"),
		"sys/fs/cgroup/memory.max":     file("20971520\n"),
		"sys/fs/cgroup/memory.current": file("15728640\n"),
	}, "memory limit 20.0 MiB, 15.0 MiB in use (75 %)")
	f("version 2, no limit on the group but one above it", fstest.MapFS{
		"proc/7/cgroup":                    file("0::/pod/box\n"),
		"sys/fs/cgroup/pod/box/memory.max": file("max\n"), "sys/fs/cgroup/pod/box/memory.current": file("1048576\n"),
		"sys/fs/cgroup/pod/memory.max": file("4194304\n"), "sys/fs/cgroup/pod/memory.current": file("2097152\n"),
	}, "memory limit 4.0 MiB, 2.0 MiB in use (50 %)")
	f("version 2, none anywhere", fstest.MapFS{
		"proc/7/cgroup":                file("0::/box\n"),
		"sys/fs/cgroup/box/memory.max": file("max\n"), "sys/fs/cgroup/box/memory.current": file("1048576\n"),
	}, "memory limit none, 1.0 MiB in use")
	f("version 1, whose way to say none is a number", fstest.MapFS{
		"proc/7/cgroup": file("5:cpu,cpuacct:/a\n4:memory:/box\n0::/\n"),
		"sys/fs/cgroup/memory/box/memory.limit_in_bytes": file("9223372036854771712\n"),
		"sys/fs/cgroup/memory/box/memory.usage_in_bytes": file("1048576\n"),
		"sys/fs/cgroup/memory.max":                       file("1\n"), // of the other version, without the memory controller
	}, "memory limit none, 1.0 MiB in use")
	f("version 1, in a container that /proc names by the host's path", fstest.MapFS{
		"proc/7/cgroup": file("4:memory:/docker/0123\n"),
		"sys/fs/cgroup/memory/memory.limit_in_bytes": file("20971520\n"),
		"sys/fs/cgroup/memory/memory.usage_in_bytes": file("10485760\n"),
	}, "memory limit 20.0 MiB, 10.0 MiB in use (50 %)")
	f("a group outside of our namespace", fstest.MapFS{
		"proc/7/cgroup":            file("0::/../../etc\n"),
		"sys/fs/cgroup/memory.max": file("1048576\n"),
	}, "memory limit 1.0 MiB, use not known")
	f("no such process", fstest.MapFS{}, "memory limit none, use not known")
}
