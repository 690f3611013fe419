//go:build realclients

package realclients

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"section.internal/e2e/proxydtest"
)

// gitBackend is git's own server for smart HTTP behind CGI.
func gitBackend(t *testing.T, git client, root string) http.Handler {
	handler := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(git.run(nil, "--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + git.dir, "GIT_CONFIG_NOSYSTEM=1"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 { // CGI has no word for chunks: it must know the length
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		}
		handler.ServeHTTP(w, r)
	})
}

func TestGit_CloneAndPush(t *testing.T) {
	git := newClient(t, "git", "git")
	root := t.TempDir()
	git.run(nil, "init", "-q", "--bare", "-b", "main", filepath.Join(root, "repo.git"))
	git.run(nil, "-C", filepath.Join(root, "repo.git"), "config", "http.receivepack", "true")
	proxyd := bench.Start(t, proxydtest.Options{NextHop: proxydtest.Origin(t, gitBackend(t, git, root))})
	url := "http://" + proxyd.Addr + "/repo.git"

	git.run(nil, "clone", "-q", url, "first")
	in := func(dir string, args ...string) string {
		t.Helper()
		return git.run(nil, append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	}
	// More than http.postBuffer, so that the push comes in chunks.
	for name, size := range map[string]int{"large": 6 << 20, "small": 100} {
		if err := os.WriteFile(filepath.Join(git.dir, "first", name), random(size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in("first", "add", ".")
	in("first", "commit", "-q", "-m", "one")
	in("first", "push", "-q", "origin", "HEAD:main")
	git.run(nil, "clone", "-q", url, "second")
	for _, change := range []string{"two", "three"} {
		if err := os.WriteFile(filepath.Join(git.dir, "second", "small"), []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
		in("second", "commit", "-q", "-a", "-m", change)
		in("second", "push", "-q")
	}
	in("first", "pull", "-q", "--ff-only", "origin", "main")
	if a, b := in("first", "rev-parse", "HEAD"), in("second", "rev-parse", "HEAD"); a != b {
		t.Errorf("the clones are at %s and %s", a, b)
	}
	in("first", "fsck", "--full", "--strict")
	git.run(nil, "clone", "-q", "--depth", "1", url, "shallow")
	if logged := in("shallow", "log", "--format=%s"); logged != "three\n" {
		t.Errorf("the shallow clone has %q", logged)
	}
	proxyd.Settle()
}
