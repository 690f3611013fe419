package main

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// thousandRules returns a file of 1,000 rules of all kinds, and a test for every tenth.
func thousandRules() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "[[rule]]\nname = \"rule %d\"\n", i)
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "match = { path_regex = '^/blog%d/(?P<year>\\d{4})/(?P<slug>[^/]+)$' }\nredirect = { to = \"https://{host}/articles/{slug}?y={year}\", status = 301 }\n", i)
		case 1:
			fmt.Fprintf(&b, "match = { path = [\"/static%d/**\", \"/s%d/*.css\"], method = [\"GET\", \"HEAD\"] }\nresponse = { set = { \"Cache-Control\" = \"public, max-age=%d\" }, remove = [\"Set-Cookie\"] }\n", i, i, i)
		case 2:
			fmt.Fprintf(&b, "match = { host = \"shop%d.example.com\", not = { client = [\"203.0.113.0/24\", \"2001:db8::/32\"] } }\nrespond = { status = 503, body = \"closed\", headers = { \"Retry-After\" = \"600\" } }\n", i)
		case 3:
			fmt.Fprintf(&b, "match = { path = \"/api%d/**\", header = { \"X-Key\" = \"*\" } }\nlimit = { requests = 100, per = \"1m\", by = \"header.X-Key\" }\nrewrite = { path = \"/v2{path}\" }\n", i)
		case 4:
			fmt.Fprintf(&b, "match = { country = [\"AU\", \"NZ\"], query = { v = \"%d\" } }\norigin = \"sydney\"\n", i)
		}
	}
	for i := 0; i < 1000; i += 10 {
		fmt.Fprintf(&b, "[[test]]\nname = \"test %d\"\nrequest = { url = \"http://www.example.com/blog%d/2019/hello\" }\n"+
			"expect = { status = 301, rule = \"rule %d\", headers = { Location = \"https://www.example.com/articles/hello?y=2019\" } }\n", i, i, i)
	}
	return b.String()
}

// BenchmarkValidate_1000Rules must stay below 50 ms. It runs the tool as it is built; cpu-ms/op is what counts on a machine that has
// other things to do.
func BenchmarkValidate_1000Rules(b *testing.B) {
	dir := with(b, thousandRules())
	cpu := time.Duration(0)
	for b.Loop() {
		cmd := exec.Command(binary, "--config-dir", dir)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			b.Fatalf("%v: %s", err, out)
		}
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkDiff_ALine is what a line of an access log costs.
func BenchmarkDiff_ALine(b *testing.B) {
	dir := with(b, thousandRules())
	line := logged("GET /blog0/2019/hello?a=b HTTP/1.1", "www.example.com", "198.51.100.0", "https")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	b.ResetTimer()
	if err := diff(dir, dir, "-", &endless{line: []byte(line), left: len(line) * b.N}, io.Discard, io.Discard); err != nil {
		b.Fatal(err)
	}
}
