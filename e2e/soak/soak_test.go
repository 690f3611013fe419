// Package soak puts the built proxyd, with the race detector in it, under everything at once: all scenarios that can share a
// proxyd, many at a time, ordinary traffic, applied configurations and rotated logs. Each must see what it would see alone, the
// detector must be silent, and when all is over proxyd must hold no more than it did before.
package soak

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// timeEnv says for how long the load runs, such as 10m; unset: for one pass through all scenarios.
const timeEnv = "E2E_SOAK_TIME"

// race has the binaries with the race detector, plain those that users get. The detector needs memory of its own, which grows
// under load for as long as one has looked, so it is plain's memory that is looked at.
var plain, race proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.MainWithRace(m, &plain, &race)) }

func TestSoak_TheRaceDetectorIsSilentAndNothingStays(t *testing.T) {
	needRaceDetector(t)
	length := soakTime(t)
	m := newMix(t)
	m.run(t, length/4) // so that whatever is made once is there
	before := m.levels(t)
	m.run(t, length)
	m.mustBeBackAt(t, before)
	for _, p := range m.parties {
		p.proxyd.Stop() // which fails the test where the race detector spoke
		p.mustHaveLoggedAll(t)
	}
}

func needRaceDetector(t *testing.T) {
	t.Helper()
	compiler, err := exec.Command("go", "env", "CC").Output()
	if err == nil {
		_, err = exec.LookPath(strings.TrimSpace(string(compiler)))
	}
	if err != nil {
		t.Skipf("the race detector needs a C compiler: %v", err)
	}
}

func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(timeEnv)
	if text == "" {
		return 0
	}
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		t.Fatalf("%s = %q: want a time such as 10m", timeEnv, text)
	}
	return length
}
