package hooks

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// rotated lists the files that hold what was in the access log before.
func rotated(t *testing.T, dirs proxydtest.Dirs) []string {
	t.Helper()
	paths, err := filepath.Glob(place.AccessLog(dirs.Log) + "?*")
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// mustHaveLogged checks that seq 1 to n are in the logs, each once.
func mustHaveLogged(t *testing.T, dirs proxydtest.Dirs, n int) {
	t.Helper()
	seen := map[string]int{}
	dirs.EachLogged(t, func(l proxydtest.Line) { seen[l["seq"]]++ })
	for i := 1; i <= n; i++ {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("seq %d is in the logs %d times, want once", i, seen[fmt.Sprint(i)])
		}
	}
	if len(seen) != n {
		t.Errorf("the logs hold %d different lines, want %d", len(seen), n)
	}
}

func TestLogrotator_RotatesUnderARunningProxyd(t *testing.T) {
	proxyd := start(t, "")
	flags := proxyd.Flags(place.LogDir, place.RunDir)
	const rounds = 4
	for i := range rounds {
		get(t, proxyd.Addr, fmt.Sprintf("/%d", i))
		proxyd.AwaitLogged(t, 1)
		bench.Silent(t, "logrotator", flags...)
		files := rotated(t, proxyd.Dirs)
		if len(files) != i+1 {
			t.Fatalf("after %d rotations there are %q", i+1, files)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, ".gz") {
				t.Errorf("%s is not compressed", f)
			}
		}
		if lines := proxyd.AccessLog(t); len(lines) != 0 {
			t.Errorf("the live log still holds %d lines", len(lines))
		}
	}
	get(t, proxyd.Addr, "/last")
	proxyd.Stop()
	mustHaveLogged(t, proxyd.Dirs, rounds+1)
}

func TestLogrotator_KeepsAsManyAsAsked(t *testing.T) {
	proxyd := start(t, "")
	flags := append(proxyd.Flags(place.LogDir, place.RunDir), "--keep", "2")
	for range 5 {
		get(t, proxyd.Addr, "/")
		proxyd.AwaitLogged(t, 1)
		bench.Silent(t, "logrotator", flags...)
	}
	if files := rotated(t, proxyd.Dirs); len(files) != 2 {
		t.Errorf("there are %q, want the newest two", files)
	}
}

func TestLogrotator_WithoutProxydRotatesAnyway(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	flags := dirs.Flags(place.LogDir, place.RunDir)
	if err := os.Mkdir(dirs.Log, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place.AccessLog(dirs.Log), []byte(`{"seq":"1"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bench.Silent(t, "logrotator", flags...)
	if files := rotated(t, dirs); len(files) != 1 {
		t.Errorf("there are %q, want one file", files)
	}
	mustHaveLogged(t, dirs, 1)
}

func TestLogrotator_AForeignPidIsNotSignalled(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	for _, dir := range []string{dirs.Log, dirs.Run} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(place.AccessLog(dirs.Log), []byte(`{"seq":"1"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// USR1 would end this very process.
	if err := os.WriteFile(place.Pidfile(dirs.Run), fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		t.Fatal(err)
	}
	r := bench.Refused(t, "logrotator", dirs.Flags(place.LogDir, place.RunDir)...)
	if !strings.Contains(r.Stderr, fmt.Sprint(os.Getpid())) {
		t.Errorf("stderr %q: want it to name process %d", r.Stderr, os.Getpid())
	}
	mustHaveLogged(t, dirs, 1)
}

func TestLogrotator_AHungProxydIsSaidAndLosesNothing(t *testing.T) {
	proxyd := start(t, "")
	get(t, proxyd.Addr, "/1")
	proxyd.AwaitLogged(t, 1)
	proxyd.Pause()
	r := bench.Refused(t, "logrotator", append(proxyd.Flags(place.LogDir, place.RunDir), "--timeout", "1s")...)
	proxyd.Continue()
	if !strings.Contains(r.Stderr, fmt.Sprint(proxyd.PID)) && !strings.Contains(r.Stderr, "proxyd") {
		t.Errorf("stderr %q: want it to say that proxyd does not answer", r.Stderr)
	}
	get(t, proxyd.Addr, "/2")
	bench.Silent(t, "logrotator", proxyd.Flags(place.LogDir, place.RunDir)...)
	get(t, proxyd.Addr, "/3")
	proxyd.Stop()
	mustHaveLogged(t, proxyd.Dirs, 3)
}

// TestLogrotator_KilledAnywhereIsHealedByTheNext kills runs after ever longer times, so that they die at many points.
func TestLogrotator_KilledAnywhereIsHealedByTheNext(t *testing.T) {
	proxyd := start(t, "")
	flags := append(proxyd.Flags(place.LogDir, place.RunDir), "--keep", "1000")
	const rounds = 40
	const requests = rounds + rounds*(rounds-1)/2 // one and i of each round
	for i := range rounds {
		get(t, proxyd.Addr, fmt.Sprintf("/%d", i))
		cmd := bench.Command(t, "logrotator", flags...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Each request takes a fraction of a millisecond: a clock that needs no sleep.
		for range i {
			get(t, proxyd.Addr, "/tick")
		}
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	}
	bench.Silent(t, "logrotator", flags...)
	proxyd.Stop()
	for _, path := range rotated(t, proxyd.Dirs) {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s is left of a killed run", path)
		}
	}
	mustHaveLogged(t, proxyd.Dirs, requests)
}

func TestLogrotator_NeverTwoAtOnce(t *testing.T) {
	proxyd := start(t, "")
	flags := append(proxyd.Flags(place.LogDir, place.RunDir), "--timeout", "5s")
	get(t, proxyd.Addr, "/")
	proxyd.AwaitLogged(t, 1)
	proxyd.Pause() // so that the first run has to wait
	first := bench.Command(t, "logrotator", flags...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	proxydtest.Eventually(t, "the first run to have moved the log", func() error {
		if len(rotated(t, proxyd.Dirs)) == 0 {
			return fmt.Errorf("it is still there")
		}
		return nil
	})
	second := bench.Run(t, "logrotator", flags...)
	proxyd.Continue()
	if err := first.Wait(); err != nil {
		t.Errorf("the first run: %v", err)
	}
	if second.Code != 1 || !strings.Contains(second.Stderr, "another") {
		t.Errorf("the second run: exit code %d, stderr %q: want 1 and that another is at work", second.Code, second.Stderr)
	}
	if got := get(t, proxyd.Addr, "/after"); got != http.StatusOK {
		t.Error(got)
	}
	proxyd.Stop()
	mustHaveLogged(t, proxyd.Dirs, 2)
}
