package deployment

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/control/client"
	"section.internal/contract/control/controltest"
	"section.internal/contract/hook"
	"section.internal/contract/place"
)

// scene is a deployment with a valid, empty configuration, and the hash of it.
func scene(t *testing.T) (d Deployment, hash string) {
	t.Helper()
	d = Deployment{ConfigDir: t.TempDir(), RunDir: controltest.RunDir(t), Timeout: time.Minute}
	return d, hashOf(t, d.ConfigDir)
}

func hashOf(t *testing.T, dir string) string {
	t.Helper()
	loaded, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Hash
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(place.ConfigFile(dir), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestApply_IsDoneWhenProxydHasAppliedWhatWasChecked(t *testing.T) {
	d, hash := scene(t)
	asked := 0
	controltest.Serve(t, d.RunDir, func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.Method != http.MethodPost || r.URL.Path != control.ReloadPath {
			t.Errorf("got %s %s", r.Method, r.URL)
		}
		controltest.Answer(w, http.StatusOK, control.Generation{Number: 2, Hash: hash})
	})
	if err := d.Apply(t.Context()); err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func TestApply_WithoutAProxydOnlyChecks(t *testing.T) {
	d, _ := scene(t)
	if err := d.Apply(t.Context()); err != nil {
		t.Error(err)
	}
	write(t, d.ConfigDir, "nonsense = 1\n")
	if err := d.Apply(t.Context()); err == nil {
		t.Error("an invalid directory is taken")
	}
}

func TestApply_AnInvalidDirectoryNeverReachesProxyd(t *testing.T) {
	f := func(text string) {
		t.Helper()
		d, _ := scene(t)
		write(t, d.ConfigDir, text)
		controltest.Serve(t, d.RunDir, func(w http.ResponseWriter, r *http.Request) {
			t.Errorf("proxyd was asked: %s %s", r.Method, r.URL)
		})
		err := d.Apply(t.Context())
		var plain *hook.Plain
		var problems config.Problems
		if !errors.As(err, &plain) || !errors.As(err, &problems) || len(problems) != 2 {
			t.Errorf("%v, want both problems, plain", err)
		}
	}
	f("[client]\nnonsense = 1\n\n[log]\nlevel = 7\n")
	const test = "[[test]]\nname = %q\nrequest = { url = \"http://a/\" }\nexpect = { status = 404 }\n" // of a response with 200
	f(fmt.Sprintf(test, "a") + fmt.Sprintf(test, "b"))
}

// A directory that changes between the check and the reload is checked again: what proxyd has applied must have been checked.
func TestApply_AChangeMeanwhileIsCheckedToo(t *testing.T) {
	d, _ := scene(t)
	asked := 0
	controltest.Serve(t, d.RunDir, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			write(t, d.ConfigDir, "[log]\nlevel = \"debug\"\n")
		}
		controltest.Answer(w, http.StatusOK, control.Generation{Number: 2, Hash: hashOf(t, d.ConfigDir)})
	})
	if err := d.Apply(t.Context()); err != nil || asked != 2 {
		t.Errorf("%v, asked %d times, want nil and 2", err, asked)
	}
}

func TestApply_AProxydOfAnotherDirectoryIsSaid(t *testing.T) {
	d, _ := scene(t)
	controltest.Serve(t, d.RunDir, func(w http.ResponseWriter, _ *http.Request) {
		controltest.Answer(w, http.StatusOK, control.Generation{Number: 2, Hash: "another"})
	})
	if err := d.Apply(t.Context()); err == nil || !strings.Contains(err.Error(), d.ConfigDir) || !strings.Contains(err.Error(), "same --config-dir") {
		t.Error(err)
	}
}

func TestApply_IsBounded(t *testing.T) {
	d, _ := scene(t)
	controltest.Listen(t, d.RunDir)
	d.Timeout = 50 * time.Millisecond
	if err := d.Apply(t.Context()); !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("%v, want ErrNoAnswer", err)
	}
}
