package traffic

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// TestLimit_OfTheExampleLetsABurstThroughAndThenARate asks as fast as it can for what the rule "api" of the example limits: 100 requests
// a minute of one client, 50 at once.
func TestLimit_OfTheExampleLetsABurstThroughAndThenARate(t *testing.T) {
	dirs := proxydtest.NewDirs(t)
	dirs.AddExample(t)
	var asked atomic.Int64
	origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		io.WriteString(w, r.URL.String())
	}))
	proxyd := bench.Start(t, proxydtest.Options{NextHop: origin, Dirs: &dirs})
	client := proxydtest.Client(t)
	ask := func(path, address string) (status int, retryAfter string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+proxyd.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", address)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	begin := time.Now()
	let := int64(0)
	for ; let < 10_000; let++ {
		if status, retryAfter := ask("/api/x", "192.0.2.1"); status == 429 {
			if retryAfter != "1" { // one of 600 ms, in whole seconds
				t.Errorf("Retry-After %q", retryAfter)
			}
			break
		} else if status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	if most := 50 + int64(time.Since(begin)/(600*time.Millisecond)); let < 50 || let > most || asked.Load() != let {
		t.Errorf("%d requests were let through, of which next-hop has seen %d; want 50 to %d", let, asked.Load(), most)
	}
	if status, _ := ask("/api/x", "192.0.2.1, 192.0.2.2"); status != 200 {
		t.Errorf("another client: status %d", status)
	}
	if status, _ := ask("/apix", "192.0.2.1"); status != 200 {
		t.Errorf("another path: status %d", status)
	}
	// As long as Retry-After says, it is worth waiting.
	proxydtest.Eventually(t, "the client to be let through again", func() error {
		if status, _ := ask("/api/x", "192.0.2.1"); status != 200 {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
}
