package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"section.internal/contract/control"
	"section.internal/contract/control/controltest"
	"section.internal/contract/place"
)

// absentCase is a run directory whose proxyd does not answer.
type absentCase struct {
	name    string
	timeout string // of each call; long where an answer ends it
	set     func(t *testing.T, dir string) (pid int)
	state   state
	stderr  string // PID, RUN stand for the process and the directory
}

func absentCases() []absentCase {
	return []absentCase{
		{"nothing is there", "300ms", func(t *testing.T, dir string) int { return 0 }, stateNotRunning,
			"proxyd is not running: no pidfile at RUN/proxyd.pid; there is no control socket RUN/control.sock"},

		{"killed: a stale pidfile and a dead socket", "300ms", func(t *testing.T, dir string) int {
			pid := deadPID(t)
			write(t, place.Pidfile(dir), strconv.Itoa(pid)+"\n")
			controltest.Leave(t, dir)
			return pid
		}, stateNotRunning, "proxyd is not running: the pidfile RUN/proxyd.pid is stale: process PID does not live, and nobody holds its lock; " +
			"nobody listens on the control socket RUN/control.sock"},

		{"a pidfile without a number", "300ms", func(t *testing.T, dir string) int {
			write(t, place.Pidfile(dir), "")
			return 0
		}, stateNotRunning, "proxyd is not running: the pidfile RUN/proxyd.pid is stale: nobody holds its lock, and it has no process number in it; " +
			"there is no control socket RUN/control.sock"},

		{"the number now belongs to somebody else", "300ms", func(t *testing.T, dir string) int {
			write(t, place.Pidfile(dir), strconv.Itoa(os.Getpid())+"\n")
			return os.Getpid()
		}, stateNotRunning, "proxyd is not running: foreign pid: RUN/proxyd.pid names the living process PID, which is not proxyd: remove the file; " +
			"there is no control socket RUN/control.sock"},

		{"the pidfile is claimed, the socket not yet there", "300ms", func(t *testing.T, dir string) int {
			return justClaimed(t, dir)
		}, stateStarting, "proxyd is starting: process PID claimed RUN/proxyd.pid 0s ago; there is no control socket RUN/control.sock yet: ask again in a moment"},

		{"an old claim without a socket", "300ms", func(t *testing.T, dir string) int {
			pid := holdPidfile(t, dir)
			then := time.Now().Add(-2 * time.Hour)
			if err := os.Chtimes(place.Pidfile(dir), then, then); err != nil {
				t.Fatal(err)
			}
			return pid
		}, stateUnreachable, "proxyd cannot be reached: process PID has held RUN/proxyd.pid for 2h 0m; there is no control socket RUN/control.sock: " +
			"it is about to end, or its socket was removed and it must be restarted"},

		{"connections are taken and not answered", "300ms", func(t *testing.T, dir string) int {
			controltest.Listen(t, dir)
			return holdPidfile(t, dir)
		}, stateHung, "proxyd hangs: process PID takes connections on RUN/control.sock but does not answer within 300ms"},

		{"the same without a pidfile", "300ms", func(t *testing.T, dir string) int {
			controltest.Listen(t, dir)
			return 0
		}, stateHung, "proxyd hangs: the process that listens takes connections on RUN/control.sock but does not answer within 300ms"},

		{"it answers with a failure", "20s", func(t *testing.T, dir string) int {
			controltest.Serve(t, dir, func(w http.ResponseWriter, _ *http.Request) {
				controltest.Answer(w, http.StatusInternalServerError, control.Failure{Error: "cannot count the descriptors"})
			})
			return holdPidfile(t, dir)
		}, stateFailing, "proxyd fails to answer: process PID says on RUN/control.sock: cannot count the descriptors"},
	}
}

// justClaimed has another process claim the pidfile at a moment that stays now: a clock that was set back shows a claim in the
// future as one of this moment.
func justClaimed(t *testing.T, dir string) int {
	t.Helper()
	pid := holdPidfile(t, dir)
	then := time.Now().Add(time.Hour)
	if err := os.Chtimes(place.Pidfile(dir), then, then); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestAbsence_SaysWhatIsWrongAndHowItIsKnown(t *testing.T) {
	for _, c := range absentCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := runDir(t)
			pid := c.set(t, dir)
			want := "sectionctl: " + strings.NewReplacer("PID", strconv.Itoa(pid), "RUN", dir).Replace(c.stderr) + "\n"
			for _, verb := range []string{"status", "config"} {
				code, stdout, stderr := call(t, fixed(), "--run-dir", dir, verb, "--timeout", c.timeout)
				if code != 1 || stdout != "" || stderr != want {
					t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 1 and %q", verb, code, stdout, stderr, want)
				}
			}
			code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "status", "--json", "--timeout", c.timeout)
			var a absence
			decode(t, stdout, &a)
			if code != 1 || stderr != want || a.Running || a.State != c.state || !strings.HasSuffix(want, ": "+a.Reason+"\n") {
				t.Errorf("--json: exit %d, stderr %q, %+v", code, stderr, a)
			}
		})
	}
}

func TestAbsence_JSONDocument(t *testing.T) {
	dir := runDir(t)
	pid := justClaimed(t, dir)
	_, stdout, _ := call(t, fixed(), "--run-dir", dir, "status", "--json", "--timeout", "100ms")
	golden(t, "absent.json", stdout, dir, pid)
}

func TestAbsence_SaysWhoMayOpenTheSocket(t *testing.T) {
	dir := runDir(t)
	holdPidfile(t, dir)
	serve(t, dir, control.Status{}, control.Config{})
	me, group := userName(uint32(os.Getuid())), groupName(uint32(os.Getgid()))
	f := func(path string, mode os.FileMode, belongs, who string) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o755)
		code, stdout, stderr := finish(t, asNobody(t, sectionctl("--run-dir", dir, "status", "--json")))
		want := fmt.Sprintf("sectionctl: not permitted to ask proxyd: %s belongs to user %s and group %s, mode %04o: run this %s\n",
			belongs, me, group, mode, who)
		var a absence
		decode(t, stdout, &a)
		if code != 1 || stderr != want || a.State != stateDenied {
			t.Errorf("exit %d, state %s, stderr %q; want %q", code, a.State, stderr, want)
		}
	}
	socket := place.ControlSocket(dir)
	// Not 0660: the owner, who may run these tests, would be let in.
	f(socket, 0o060, socket, "as root, as user "+me+" or in group "+group)
	f(socket, 0o000, socket, "as root, as user "+me)
	f(dir, 0o010, dir, "as root, as user "+me+" or in group "+group)
}

// Root is told what it lacks, and not to become root. Only root can become a root that lacks something.
func TestAbsence_RootWithoutItsCapabilitiesIsToldSo(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	dir := runDir(t)
	serve(t, dir, control.Status{}, control.Config{})
	socket := place.ControlSocket(dir)
	if err := errors.Join(os.Chown(socket, 4711, 4712), os.Chmod(socket, 0o660)); err != nil {
		t.Fatal(err)
	}
	cmd := sectionctl("--run-dir", dir, "status")
	cmd.Env = []string{playVariable + "=sectionctl without rights"}
	code, _, stderr := finish(t, cmd)
	want := "sectionctl: not permitted to ask proxyd: " + socket + " belongs to user 4711 and group 4712, mode 0660: " +
		"run this as user 4711 or in group 4712: root is without the capability DAC_OVERRIDE here\n"
	if code != 1 || stderr != want {
		t.Errorf("exit %d, stderr %q, want %q", code, stderr, want)
	}
}

func TestAbsence_RunDirectoryThatIsTooLongForASocketIsNamed(t *testing.T) {
	code, _, stderr := call(t, fixed(), "--run-dir", "/"+strings.Repeat("x", 120), "status")
	if code != 1 || !strings.Contains(stderr, "choose a shorter run directory") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}
