package hooks

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// TestDeploy_AFileThatVanishesAfterTheValidationKeepsTheOld stops proxyd, so that deploy has found the directory valid and waits for it
// when a file that a rule names goes away.
func TestDeploy_AFileThatVanishesAfterTheValidationKeepsTheOld(t *testing.T) {
	const rules = "[[rule]]\nname = \"page\"\nrespond = { status = %d, file = \"pages/x.html\" }\n"
	proxyd := bench.Start(t, proxydtest.Options{
		NextHop: "127.0.0.1:1", Config: fmt.Sprintf(rules, 503), Files: map[string]string{"pages/x.html": "soon"},
	})
	before := proxyd.Status().Generation
	proxyd.WriteConfig(t, fmt.Sprintf(rules, 404))
	proxyd.Pause()
	deploy := bench.Command(t, "deploy", proxyd.Flags(place.ConfigDir, place.RunDir)...)
	var stdout, stderr bytes.Buffer
	deploy.Stdout, deploy.Stderr = &stdout, &stderr
	if err := deploy.Start(); err != nil {
		t.Fatal(err)
	}
	proxydtest.Eventually(t, "deploy to ask proxyd", func() error {
		fds := fmt.Sprintf("/proc/%d/fd", deploy.Process.Pid)
		entries, err := os.ReadDir(fds)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if to, _ := os.Readlink(filepath.Join(fds, e.Name())); strings.HasPrefix(to, "socket:") {
				return nil
			}
		}
		return fmt.Errorf("it has no socket among %d descriptors", len(entries))
	})
	if err := os.Remove(filepath.Join(proxyd.Config, "pages/x.html")); err != nil {
		t.Fatal(err)
	}
	proxyd.Continue()
	deploy.Wait()
	if code := deploy.ProcessState.ExitCode(); code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "pages/x.html") ||
		!strings.Contains(stderr.String(), "proxy.toml:3:") {
		t.Errorf("exit code %d, stdout %q, stderr %q: want 1 and what is missing", code, &stdout, &stderr)
	}
	if got := proxyd.Status().Generation; got != before {
		t.Errorf("generation %+v, want still %+v", got, before)
	}
	if status := get(t, proxyd.Addr, "/"); status != 503 { // with the page, which proxyd has in memory
		t.Errorf("answered %d; want 503 by the old rule", status)
	}
	proxydtest.Eventually(t, "the log to say so", func() error {
		if !strings.Contains(proxyd.Stderr(), "the previous configuration stays in force") {
			return fmt.Errorf("stderr is %q", proxyd.Stderr())
		}
		return nil
	})
}
