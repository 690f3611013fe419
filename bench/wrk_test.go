package main

import (
	"strings"
	"testing"
	"time"
)

const wrkOutput = `Running 2s test @ http://127.0.0.1:48125/1k
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.01ms  254.53us   3.42ms   76.33%
    Req/Sec    62.96k     2.31k   65.93k    85.00%
  125210 requests in 2.01s, 144.72MB read
Requests/sec:  62290.73
Transfer/sec:     72.00MB
`

func TestParseWrk_TotalsOfAGoodRun(t *testing.T) {
	r, err := parseWrk([]byte(wrkOutput), 1024)
	if err != nil || r.Requests != 125210 || r.Elapsed != 2010*time.Millisecond {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestParseWrk_RefusesWhatIsNotRight(t *testing.T) {
	f := func(output string, length int, want string) {
		t.Helper()
		if r, err := parseWrk([]byte(output), length); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v, want an error with %q", r, err, want)
		}
	}
	f(strings.Replace(wrkOutput, "Requests/sec", "  Non-2xx or 3xx responses: 3\nRequests/sec", 1), 1024, "Non-2xx or 3xx responses: 3")
	f(strings.Replace(wrkOutput, "Requests/sec", "  Socket errors: connect 0, read 7, write 0, timeout 0\nRequests/sec", 1), 1024, "read 7")
	f(wrkOutput, 2048, "too little")
	f("unable to connect to 127.0.0.1:1 Connection refused\n", 1, "no totals")
}
