package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"section.internal/contract/control"
	"section.internal/contract/place"
)

func TestStatus_ShowsAHealthyProxyd(t *testing.T) {
	dir := runDir(t)
	pid := holdPidfile(t, dir)
	serve(t, dir, healthy(pid), control.Config{})
	for name, args := range map[string][]string{"status.txt": {"status"}, "status.json": {"status", "--json"}} {
		code, stdout, stderr := call(t, fixed(), append([]string{"--run-dir", dir}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: exit %d, stderr %q", args, code, stderr)
		}
		golden(t, name, stdout, dir, pid)
	}
}

func TestStatus_ShowsWhatNeedsAttentionAndWhatCannotBeKnown(t *testing.T) {
	dir := runDir(t)
	pid := holdPidfile(t, dir)
	status := healthy(pid)
	status.Draining = true
	status.Clients.Open = status.Clients.Limit
	status.NextHop.Addresses = nil
	status.NextHop.Resolved = control.NextHop{}.Resolved
	status.NextHop.Error = "no such host \x1b[31m"
	status.NextHop.Connections.Limit = 0
	status.Log = control.Log{To: "stdout", Level: "debug", Lines: 9, Dropped: 2}
	serve(t, dir, status, control.Config{})
	a := fixed()
	a.measure = func(context.Context, int) measured {
		return measured{Process: noProcessFigures(fs.ErrPermission), Host: hostFigures{Load: unknown[[3]float64](errors.New("no /proc"))}}
	}
	for name, args := range map[string][]string{"status-troubled.txt": {"status"}, "status-troubled.json": {"status", "--json"}} {
		code, stdout, stderr := call(t, a, append([]string{"--run-dir", dir}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: exit %d, stderr %q", args, code, stderr)
		}
		golden(t, name, stdout, dir, pid)
	}
}

// The kernel keeps /proc/PID/fd of another user from us: the figure is then proxyd's own, and nothing fails.
func TestStatus_ForeignUserGetsWhatTheKernelGrants(t *testing.T) {
	dir := runDir(t)
	serve(t, dir, healthy(holdPidfile(t, dir)), control.Config{})
	code, stdout, stderr := finish(t, asNobody(t, sectionctl("--run-dir", dir, "status")))
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	for _, want := range []string{"  descriptors  33, as proxyd counts them\n", " MiB resident\n", " of one core over 500ms; "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
}

func TestStatus_WarnsWhenThePidfileDoesNotNameWhoAnswers(t *testing.T) {
	dir := runDir(t)
	serve(t, dir, healthy(os.Getpid()), control.Config{})
	f := func(want string) {
		t.Helper()
		code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "status", "--json")
		var r struct {
			Warnings []string
			Process  map[string]any
		}
		decode(t, stdout, &r)
		if code != 0 || stderr != "" {
			t.Fatalf("exit %d, stderr %q", code, stderr)
		}
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], want) {
			t.Errorf("warnings %q, want %q", r.Warnings, want)
		}
		for key, value := range r.Process {
			if value != nil {
				t.Errorf("%s = %v of a process that may be any", key, value)
			}
		}
	}
	f("nobody holds the pidfile " + place.Pidfile(dir))
	write(t, place.Pidfile(dir), strconv.Itoa(os.Getppid())+"\n")
	f("which is not proxyd: remove the file")
	os.Remove(place.Pidfile(dir))
	pid := holdPidfile(t, dir)
	f("process " + strconv.Itoa(pid) + " holds the pidfile")
}
