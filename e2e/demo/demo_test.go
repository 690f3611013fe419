package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"section.internal/e2e/binaries"
)

// TestDemo_ServesAndLeavesNothing runs the demonstration as "make run" does and ends it as Ctrl-C does.
func TestDemo_ServesAndLeavesNothing(t *testing.T) {
	place := t.TempDir()
	t.Setenv("TMPDIR", place)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, os.Getenv(binaries.DirEnv), "127.0.0.1:0", in, io.Discard)
		in.Close()
		done <- err
	}()

	lines := bufio.NewScanner(out)
	var url string
	for lines.Scan() {
		if m := regexp.MustCompile(`on (http://\S+)/`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	if url == "" {
		t.Fatalf("the demonstration does not say where it is: %v", <-done)
	}
	go io.Copy(io.Discard, out)
	for _, path := range []string{"/", "/headers", "/echo"} {
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Post(url+path, "text/plain", strings.NewReader("said"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Via"), "proxyd") {
			t.Errorf("%s: %s %q %v, %v", path, resp.Status, body, resp.Header, err)
		}
		if path == "/echo" && string(body) != "said" {
			t.Errorf("/echo gives back %q", body)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(place, "*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
