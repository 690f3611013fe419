//go:build realclients

package realclients

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"section.internal/e2e/proxydtest"
)

func TestWrk_NoErrorUnderLoad(t *testing.T) {
	wrk := newClient(t, "wrk", "wrk")
	body := strings.Repeat("x", 1024)
	proxyd := bench.Start(t, proxydtest.Options{NextHop: proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, body)
	}))})
	out := wrk.run(nil, "-t", "1", "-c", "64", "-d", "3s", "http://"+proxyd.Addr+"/")
	t.Log(out)
	for _, word := range []string{"Socket errors", "Non-2xx"} {
		if strings.Contains(out, word) {
			t.Errorf("wrk speaks of %s", word)
		}
	}
	m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal("wrk does not say how many requests it made")
	}
	counted, _ := strconv.Atoi(m[1])
	proxyd.Settle()
	// wrk leaves in the middle of up to one request a connection.
	if total := int(proxyd.Status().Requests.Total); total < counted || total > counted+64 {
		t.Errorf("proxyd has seen %d requests, wrk had answers to %d", total, counted)
	}
}
