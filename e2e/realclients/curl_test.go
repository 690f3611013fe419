//go:build realclients

package realclients

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// files is an origin that keeps what is PUT and gives it back, ranges and conditions included.
func files(t *testing.T) http.Handler {
	dir := t.TempDir()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(dir, filepath.Base(r.URL.Path))
		switch r.Method {
		case http.MethodPut, http.MethodPost:
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if err := os.WriteFile(path, body, 0o600); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, "%x %s %s\n", sha256.Sum256(body), r.Header.Get("Transfer-Encoding"), strings.Join(r.TransferEncoding, ","))
		default:
			if r.URL.Query().Has("refuse") {
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			http.ServeFile(w, r, path)
		}
	})
}

func random(size int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCurl(t *testing.T) {
	curl := newClient(t, "curl", "curl")
	proxyd := bench.Start(t, proxydtest.Options{NextHop: proxydtest.Origin(t, files(t))})
	base := "http://" + proxyd.Addr + "/"
	data := random(5 << 20)
	up, down := filepath.Join(curl.dir, "up"), filepath.Join(curl.dir, "down")
	if err := os.WriteFile(up, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	mustHave := func(want []byte) {
		t.Helper()
		if got, err := os.ReadFile(down); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the download has %d bytes, %v, want the %d that were sent up", len(got), err, len(want))
		}
	}
	sent := func(out string) {
		t.Helper()
		if !strings.HasPrefix(out, sum) {
			t.Errorf("the origin got something else: %q, want %s", out, sum)
		}
	}

	sent(curl.run(nil, "-sSf", "-T", up, base+"a"))
	curl.run(nil, "-sSf", "-o", down, base+"a")
	mustHave(data)
	sent(curl.run(data, "-sSf", "-T", "-", base+"chunked"))
	sent(curl.run(nil, "-sSf", "--http1.0", "-T", up, base+"old"))
	curl.run(nil, "-sSf", "--http1.0", "-o", down, base+"old")
	mustHave(data)
	sent(curl.run(nil, "-sSf", "--data-binary", "@"+up, base+"posted"))

	// Expect: the body goes only once the origin has agreed, and the origin's refusal arrives.
	begin := time.Now()
	out, trace, err := curl.try(nil, "-sSvf", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-T", up, base+"expected")
	if err != nil || !strings.Contains(trace, "HTTP/1.1 100 Continue") || time.Since(begin) > 20*time.Second {
		t.Errorf("after %s: %v, %s", time.Since(begin), err, trace)
	}
	sent(out)

	// Ranges, resumption, conditions, HEAD.
	if err := os.WriteFile(down, data[:1000000], 0o600); err != nil {
		t.Fatal(err)
	}
	curl.run(nil, "-sSf", "-C", "-", "-o", down, base+"a")
	mustHave(data)
	if got := curl.run(nil, "-sSf", "-r", "100-199", base+"a"); got != string(data[100:200]) {
		t.Errorf("a range of 100 bytes has %d others", len(got))
	}
	if head := curl.run(nil, "-sSfI", base+"a"); !strings.Contains(head, fmt.Sprintf("Content-Length: %d\r\n", len(data))) {
		t.Errorf("HEAD: %q", head)
	}
	if code := curl.run(nil, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-z", down, base+"a"); code != "304" {
		t.Errorf("a conditional request: %s, want 304", code)
	}

	// One connection for many requests, in both versions.
	for _, version := range []string{"--http1.1", "--http1.0"} {
		args := []string{"-sSf", version, "-H", "Connection: keep-alive", "-w", "%{num_connects}\n"}
		for range 5 {
			args = append(args, "-o", "/dev/null", base+"a")
		}
		if connects := curl.run(nil, args...); connects != "1\n0\n0\n0\n0\n" {
			t.Errorf("%s: connections made by five requests: %q, want one", version, connects)
		}
	}
	if _, stderr, err := curl.try(nil, "-sSf", base+"a?refuse"); err == nil || !strings.Contains(stderr, "403") {
		t.Errorf("the origin's 403: %v %s", err, stderr)
	}
	curl.run(nil, "-sSf", "--limit-rate", "4M", "-o", down, base+"a")
	mustHave(data)
	proxyd.Settle()
}
