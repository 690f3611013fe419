package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// logged returns a line as proxyd writes it.
func logged(request, host, client, proto string) string {
	text := func(s string) string {
		text, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	return `{"time":"2026-11-21T06:18:22.123Z","time_taken_ms":"12.346","request":` + text(request) + `,"status":"200","bytes":"1234",` +
		`"response_body_bytes":"1024","content_type":"text/html","hostname":` + text(host) + `,"referrer":"","useragent":"curl/8",` +
		`"http_x_forwarded_proto":` + text(proto) + `,"upstream_status":"200","section_io_tag":"","section_io_id":"4b1c","uri_path":"/news",` +
		`"client":` + text(client) + `,"cache":"pass","reason":"passed","bytes_in":"321","upstream_time_ms":"9.000","rule":"","seq":"1"}` + "\n"
}

func (f fields) lines() (lines []string) {
	for _, f := range f {
		if string(f.name) != "Host" { // it is in the URL
			lines = append(lines, string(f.name)+": "+string(f.value))
		}
	}
	return lines
}

// readAll returns the requests of a log, each on a line.
func readAll(l *accessLog) (lines []string, err error) {
	for {
		var r request
		switch err := l.next(&r); {
		case err == io.EOF:
			return lines, nil
		case err != nil:
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("%s %s|%s|%s", r.method, r.url(), r.client, strings.Join(r.fields.lines(), "|")))
	}
}

func open(t testing.TB, name, stdin string) *accessLog {
	t.Helper()
	l, err := openLog(name, strings.NewReader(stdin))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func TestAccessLog_GivesTheRequestsThatRulesSee(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		l := open(t, "-", line)
		got, err := readAll(l)
		if err != nil || strings.Join(got, "\n") != want || l.unreadable != 0 {
			t.Errorf("%s got %q, %v, %d unreadable lines, want %q", line, got, err, l.unreadable, want)
		}
	}
	const fields = "|User-Agent: curl/8|section-io-id: 4b1c"
	f(logged("GET /news?a=b HTTP/1.1", "www.example.com", "198.51.100.0", ""), "GET http://www.example.com/news?a=b|198.51.100.0"+fields)
	f(logged("PURGE /a%2fb/../|x HTTP/1.0", "", "2001:db8::", "https"), "PURGE https:///a%2fb/../|x|2001:db8::|User-Agent: curl/8|X-Forwarded-Proto: https|section-io-id: 4b1c")
	f(logged("GET http://www.example.com:80/a?b HTTP/1.1", "www.example.com:80", "", ""), "GET http://www.example.com:80/a?b|invalid IP"+fields)
	f(logged("GET http://www.example.com?b HTTP/1.1", "h", "", ""), "GET http://h/?b|invalid IP"+fields)
	f(logged("GET http://www.example.com HTTP/1.1", "h", "", ""), "GET http://h/|invalid IP"+fields)
	f(logged("OPTIONS * HTTP/1.1", "h", "", ""), "OPTIONS http://h*|invalid IP"+fields)
	f(logged("GET /://x HTTP/1.1", "h", "", ""), "GET http://h/://x|invalid IP"+fields)
	// What proxyd refuses before it looks at any rule.
	for _, refused := range []string{"", "GET", "GET /", "GET / HTTP/2.0", "GET  / HTTP/1.1", "CONNECT h:443 HTTP/1.1", "TRACE / HTTP/1.1", "GET /\x1b HTTP/1.1", "G(T / HTTP/1.1", "GET a HTTP/1.1"} {
		f(logged(refused, "h", "", ""), "")
	}
}

func TestAccessLog_CountsLinesThatHoldNoRecord(t *testing.T) {
	good := logged("GET / HTTP/1.1", "h", "", "")
	long := `{"request":"` + strings.Repeat("x", maxLine) + "\"}\n"
	text := good + "\n" + "level=INFO msg=started\n" + good[:40] + "\n" + `{"request":"GET / HTTP/1.1"}` + "\n" + long + `["a"]` + "\n" +
		`{"request":1,"hostname":"h"}` + "\n" + good + strings.TrimSuffix(good, "\n")
	l := open(t, "-", text)
	got, err := readAll(l)
	if err != nil || len(got) != 3 || l.unreadable != 6 || l.first != 3 || l.line != 10 {
		t.Errorf("%d requests, %v, %d of %d lines unreadable, the first %d", len(got), err, l.unreadable, l.line, l.first)
	}
}

// A line of any length up to the limit is read, whatever the buffers' sizes.
func TestAccessLog_ReadsLongLines(t *testing.T) {
	for _, n := range []int{60_000, 64<<10 - 400, 64 << 10, 65 << 10, 200_000, maxLine - 1000} {
		target := "/" + strings.Repeat("x", n)
		l := open(t, "-", logged("GET "+target+" HTTP/1.1", "h", "", "")+logged("GET /next HTTP/1.1", "h", "", ""))
		if got, err := readAll(l); err != nil || len(got) != 2 || !strings.HasPrefix(got[0], "GET http://h"+target+"|") {
			t.Errorf("%d: %d requests, %v", n, len(got), err)
		}
	}
}

func compress(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAccessLog_ReadsCompressedFilesByTheirContent(t *testing.T) {
	one := logged("GET /one HTTP/1.1", "h", "", "")
	file := filepath.Join(t.TempDir(), "access.log-20261121T060000Z.gz")
	// Two members, as after two compressions into one file.
	must(t, os.WriteFile(file, append(compress(t, one), compress(t, one)...), 0o644))
	if got, err := readAll(open(t, file, "")); err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := readAll(open(t, "-", string(compress(t, one)))); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	must(t, os.WriteFile(file, []byte(one), 0o644)) // not compressed, whatever its name
	if got, err := readAll(open(t, file, "")); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAccessLog_SaysWhyItCannotRead(t *testing.T) {
	dir := t.TempDir()
	cut := filepath.Join(dir, "cut.gz")
	whole := compress(t, strings.Repeat(logged("GET / HTTP/1.1", "h", "", ""), 9))
	must(t, os.WriteFile(cut, whole[:len(whole)-9], 0o644))
	f := func(name, want string) {
		t.Helper()
		l, err := openLog(name, nil)
		if err == nil {
			_, err = readAll(l)
			l.close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(filepath.Join(dir, "none"), "cannot read --requests "+dir+"/none: no such file or directory")
	f(dir, "cannot read --requests "+dir+" behind line 0: is a directory")
	f(cut, "cannot read --requests "+cut+" behind line 9: unexpected EOF")
	must(t, os.WriteFile(cut, whole[:5], 0o644))
	f(cut, "cannot read --requests "+cut+" behind line 0: unexpected EOF")
}

// endless is a log without an end, or one endless line, of so many bytes.
type endless struct {
	line []byte
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), e.left)], e.line[e.at:])
	e.at = (e.at + n) % len(e.line)
	e.left -= n
	return n, nil
}

func TestAccessLog_NeedsTheMemoryOfALineHoweverLargeItIs(t *testing.T) {
	for name, line := range map[string]string{"lines": logged("GET / HTTP/1.1", "h", "", ""), "one line": strings.Repeat("x", 1000)} {
		l, err := openLog("-", &endless{line: []byte(line), left: 64 << 20})
		must(t, err)
		var r request
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		most := uint64(0)
		for n := 0; l.next(&r) == nil; n++ {
			if n%10_000 == 0 {
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
		runtime.ReadMemStats(&now)
		if most = max(most, now.HeapAlloc); most > before.HeapAlloc+16<<20 {
			t.Errorf("%s: %d MiB of heap", name, (most-before.HeapAlloc)>>20)
		}
	}
}

// What can be read is what was written, however it is mixed with lines that cannot.
func FuzzAccessLog(f *testing.F) {
	f.Add("GET / HTTP/1.1", "www.example.com", "198.51.100.0", "noise\n")
	f.Add("GET http://h/ HTTP/1.0", "h", "", `{"request":"GET /x HTTP/1.1"}`+"\n")
	f.Add("GET / HTTP/1.1", "h", "", "\x1f\x8b") // what a compressed file begins with
	f.Fuzz(func(t *testing.T, line, host, client, noise string) {
		once, err := readAll(open(t, "-", logged(line, host, client, "")))
		if err != nil || len(once) > 1 {
			t.Fatalf("%q, %v", once, err)
		}
		l := open(t, "-", logged(line, host, client, "")+"\n"+noise+"\n"+logged("GET /last HTTP/1.1", "h", "", ""))
		got, err := readAll(l)
		if err != nil || len(got) < len(once)+1 || !slices.Equal(got[:len(once)], once) || !strings.HasPrefix(got[len(got)-1], "GET http://h/last|") {
			t.Fatalf("%q, %v: want %q first and /last at the end", got, err, once)
		}
		for _, request := range once {
			if strings.ContainsFunc(request, isControl) {
				t.Fatalf("%q has control characters", request)
			}
		}
	})
}
