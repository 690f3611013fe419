package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"section.internal/contract/control"
	"section.internal/contract/control/client"
	"section.internal/contract/control/controltest"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The test binary is also sectionctl itself, and a process that claims a pidfile: what it is says this variable.
const playVariable = "SECTIONCTL_TEST_PLAY"

// Each process of a binary with the race detector sleeps for a second before it ends, unless told otherwise.
const noSleep = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	switch os.Getenv(playVariable) {
	case "":
		os.Exit(m.Run())
	case "sectionctl":
		main()
	case "sectionctl without rights":
		dropRights()
	case "claim":
		claim(os.Args[1])
	default:
		panic("BUG: nothing is called " + os.Getenv(playVariable))
	}
}

// dropRights becomes sectionctl as the root of a container that was started with few capabilities.
func dropRights() {
	runtime.LockOSThread()
	for _, capability := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			panic(err)
		}
	}
	os.Setenv(playVariable, "sectionctl")
	panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// claim holds the pidfile until stdin ends.
func claim(path string) {
	// As after a change of user: what the kernel keeps from others it then keeps from this process's own user as well.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	file, err := pidfile.Claim(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("claimed")
	io.Copy(io.Discard, os.Stdin)
	if err := file.Release(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// The time that all tests of output live in.
var now = time.Date(2025, 11, 21, 12, 0, 0, 0, time.UTC)

// runDir returns a run directory that every user can enter.
func runDir(t testing.TB) string {
	t.Helper()
	dir := controltest.RunDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// holdPidfile has another process claim the pidfile of dir until the test ends, and returns its pid.
func holdPidfile(t testing.TB, dir string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], place.Pidfile(dir))
	cmd.Env = append(os.Environ(), playVariable+"=claim", noSleep)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	said := make([]byte, 200)
	if n, _ := stdout.Read(said); string(said[:n]) != "claimed\n" {
		t.Fatalf("the process that was to claim the pidfile says %q", said[:n])
	}
	return cmd.Process.Pid
}

// deadPID returns the number of a process that has ended.
func deadPID(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// serve answers on the control socket of dir, to every user, as proxyd would.
func serve(t testing.TB, dir string, status control.Status, config control.Config) {
	t.Helper()
	controltest.Serve(t, dir, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET " + control.StatusPath:
			controltest.Answer(w, http.StatusOK, status)
		case "GET " + control.ConfigPath:
			controltest.Answer(w, http.StatusOK, config)
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
	})
	if err := os.Chmod(place.ControlSocket(dir), 0o666); err != nil {
		t.Fatal(err)
	}
}

// healthy is the status of a proxyd with nothing to complain about.
func healthy(pid int) control.Status {
	return control.Status{
		PID: pid, Version: "1.4.0", Started: now.Add(-3*time.Hour - 12*time.Minute), Listen: "[::]:80",
		Generation: control.Generation{Number: 3, Hash: "9f2b7c01d4e5", Applied: now.Add(-26 * time.Hour)},
		Requests:   control.Requests{Total: 123456, InFlight: 5, Failed: 6},
		Clients:    control.Connections{Open: 12, Idle: 7, Total: 555, Limit: 16384},
		NextHop: control.NextHop{
			Name: "next-hop:80", Addresses: []string{"10.0.0.1:80", "[fd00::1]:80"}, Resolved: now.Add(-7 * time.Second),
			Connections: control.Connections{Open: 4, Idle: 1, Total: 99, Limit: 4096},
		},
		Log:         control.Log{To: "files", Level: "info", Lines: 123450},
		Descriptors: 33, Goroutines: 41,
	}
}

func pointer[T any](v T) *T { return &v }

// fixed is a world without surprises.
func fixed() around {
	return around{
		now:    func() time.Time { return now },
		proxyd: func(runDir string) proxyd { return client.New(runDir) },
		measure: func(context.Context, int) measured {
			return measured{
				Process: processFigures{
					CPUSeconds: known(84.25), CPUPercent: known(12.0), CPUPercentMean: known(0.7),
					ResidentBytes: known[uint64](14_260_000), Descriptors: known(34), Threads: known(9),
				},
				Host:      hostFigures{Load: known([3]float64{0.5, 1.25, 2}), Cores: 2},
				Container: containerMemory{LimitBytes: pointer[uint64](20 << 20), UsedBytes: pointer[uint64](15 << 20)},
			}
		},
	}
}

// call runs sectionctl inside this process.
func call(t testing.TB, a around, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"sectionctl"}, args...), &out, &errs, a)
	return code, out.String(), errs.String()
}

// sectionctl returns a command that runs the real main in a process of its own, without the settings of this one.
func sectionctl(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{playVariable + "=sectionctl", noSleep, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// finish runs a command to its end.
func finish(t testing.TB, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if exit, ok := errors.AsType[*exec.ExitError](cmd.Run()); ok && !exit.Exited() {
		t.Fatalf("%q ended by %v; stderr: %s", cmd.Args, exit, &errs)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// asNobody makes cmd run as a user without rights. Where the tests have none themselves, they are that user.
func asNobody(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		return cmd
	}
	// Others may not enter the directory of the test binary.
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(runDir(t), "sectionctl")
	if err := os.WriteFile(cmd.Path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// golden compares text with the file testdata/name after dir and pid have been replaced.
func golden(t testing.TB, name, text, dir string, pid int) {
	t.Helper()
	text = strings.ReplaceAll(text, dir, "/run/proxyd")
	text = regexp.MustCompile(`(process |"pid": )`+strconv.Itoa(pid)+`\b`).ReplaceAllString(text, "${1}4711")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// decode reads the one JSON document that stdout must be.
func decode(t testing.TB, stdout string, document any) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), document); err != nil {
		t.Fatalf("%v: %q", err, stdout)
	}
}
