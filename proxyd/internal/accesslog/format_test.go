package accesslog

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() *Record {
	return &Record{
		Time:           time.Date(2026, 11, 21, 8, 18, 22, 123456789, time.FixedZone("", 2*3600)),
		Taken:          12345678 * time.Nanosecond,
		Request:        []byte("GET /news/a?utm_source=x HTTP/1.1"),
		Target:         []byte("/news/a?utm_source=x"),
		Status:         200,
		Bytes:          1234,
		BodyBytes:      1024,
		BytesIn:        321,
		ContentType:    []byte("text/html; charset=utf-8"),
		Host:           []byte("www.example.com"),
		Referer:        []byte("https://www.example.com/"),
		UserAgent:      []byte(`Mozilla/5.0 (X11; Linux x86_64) "quoted" \ back`),
		ForwardedProto: []byte("https"),
		Tag:            []byte("section=news"),
		ID:             []byte("4b1c7d2e"),
		Client:         netip.MustParseAddr("198.51.100.77"),
		UpstreamStatus: 200,
		UpstreamTaken:  9 * time.Millisecond,
		Cache:          httpcache.Pass,
		Reason:         httpcache.Passed,
	}
}

func TestLine_IsExactlyTheGoldenOne(t *testing.T) {
	refused := &Record{
		Time:    time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC),
		Request: []byte("GET /\x00\x1b[2J\xff\r\n \u00fc\u2028\u009b31m HTTP/1.1"),
		Status:  400, Bytes: 180, BodyBytes: 40, BytesIn: 31,
		Client: netip.MustParseAddr("2001:db8:1:2:3:4:5:6"),
		Cache:  httpcache.Pass, Reason: httpcache.BadRequestLine,
	}
	answered := example()
	answered.UpstreamStatus, answered.UpstreamTaken, answered.Tag = 0, 0, nil
	answered.Cache, answered.Reason, answered.Rule = httpcache.Synth, httpcache.Responded, `the "old" blog`
	var got []byte
	got = appendEnd(appendLine(got, example(), config.AddressMasked, &second{}), 1)
	got = appendEnd(appendLine(got, refused, config.AddressMasked, &second{}), 2)
	got = appendEnd(appendLine(got, &Record{}, config.AddressMasked, &second{}), 1<<63-1)
	got = appendEnd(appendLine(got, answered, config.AddressMasked, &second{}), 3)
	const golden = "testdata/lines.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLine_ShowsAsMuchOfTheClientAsIsConfigured(t *testing.T) {
	f := func(client string, show config.ClientAddress, want string) {
		t.Helper()
		r := &Record{}
		if client != "" {
			r.Client = netip.MustParseAddr(client)
		}
		if got := decode(t, appendEnd(appendLine(nil, r, show, &second{}), 1))["client"]; got != want {
			t.Errorf("%s of %q is %q, want %q", show, client, got, want)
		}
	}
	f("198.51.100.77", config.AddressMasked, "198.51.100.0")
	f("198.51.100.77", config.AddressFull, "198.51.100.77")
	f("198.51.100.77", config.AddressNone, "")
	f("::ffff:198.51.100.77", config.AddressMasked, "198.51.100.0")
	f("::ffff:198.51.100.77", config.AddressFull, "198.51.100.77")
	f("2001:db8:1:2:3:4:5:6", config.AddressMasked, "2001:db8:1::")
	f("2001:db8:1:2:3:4:5:6", config.AddressFull, "2001:db8:1:2:3:4:5:6")
	f("fe80::1%eth0\"", config.AddressFull, "fe80::1")
	f("fe80::1%eth0", config.AddressMasked, "fe80::")
	f("", config.AddressMasked, "")
	f("", config.AddressFull, "")
}

func TestLine_WritesTimesInMilliseconds(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := string(appendMilliseconds(nil, d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	f(0, "0")
	f(-time.Second, "0")
	f(1, "0.000")
	f(999499*time.Nanosecond, "0.999")
	f(999501*time.Nanosecond, "1.000")
	f(2*time.Hour+time.Microsecond, "7200000.001")
}

func TestLine_TimeIsThatOfTheStandardLibrary(t *testing.T) {
	var s second
	for _, when := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(1<<31, 999_999_999), time.Date(2028, 2, 29, 23, 59, 59, 1e6-1, time.FixedZone("", -5*3600)),
		time.Unix(1<<31, 999_999), time.Unix(1<<31, 1_000_000), time.Unix(1<<31+1, 0), time.Unix(1<<31, 42_000_000),
	} {
		if got, want := string(s.appendTime(nil, when)), when.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLine_NeedsNoMemoryOfItsOwn(t *testing.T) {
	r, dst, s := example(), make([]byte, 0, 4096), &second{}
	if n := testing.AllocsPerRun(100, func() { dst = appendLine(dst[:0], r, config.AddressMasked, s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever a record holds: the line is one line of valid JSON, gives back what was UTF-8, and obeys no terminal.
func FuzzLine(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1"), []byte("/?x"), int64(0), 200, []byte{10, 0, 0, 1})
	f.Add([]byte("\x00\x1f\x7f\"\\\xff\xed\xa0\x80\xc2\x9b\u2028"), []byte("\xf0\x9f\x98\x80"), int64(-1), -1, []byte(nil))
	f.Add([]byte("\xe2\x80"), []byte("\xf0\x9f\x98"), int64(1<<62), 1<<31, make([]byte, 16))
	f.Fuzz(func(t *testing.T, text, target []byte, number int64, status int, client []byte) {
		address, _ := netip.AddrFromSlice(client)
		r := &Record{
			Time: time.Unix(number%(1<<37), 0), Taken: time.Duration(number), Request: text, Target: target, Status: status,
			Bytes: number, BodyBytes: number, BytesIn: number, ContentType: text, Host: text, Referer: text, UserAgent: text,
			ForwardedProto: text, Tag: text, ID: text, Client: address, UpstreamStatus: status, UpstreamTaken: time.Duration(number),
			Cache: httpcache.Pass, Reason: httpcache.Passed, Rule: string(text),
		}
		line := appendEnd(appendLine(nil, r, config.AddressFull, &second{}), uint64(number)>>1)
		if i := bytes.IndexFunc(line, func(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }); i != len(line)-1 {
			t.Fatalf("a control character at %d of %d in %q", i, len(line), line)
		}
		if !utf8.Valid(line) {
			t.Fatalf("not UTF-8: %q", line)
		}
		fields := decode(t, line)
		want := strings.Builder{}
		for _, c := range string(text) { // ranging makes U+FFFD of each byte that is not UTF-8
			want.WriteRune(c)
		}
		for _, key := range []string{
			"request", "content_type", "hostname", "referrer", "useragent", "http_x_forwarded_proto", "section_io_tag",
			"section_io_id", "rule",
		} {
			if fields[key] != want.String() {
				t.Errorf("%s is %q, want %q", key, fields[key], want.String())
			}
		}
		path, _, _ := strings.Cut(string(target), "?")
		if utf8.ValidString(path) && fields["uri_path"] != path {
			t.Errorf("uri_path is %q, want %q", fields["uri_path"], path)
		}
		if len(fields) != 22 {
			t.Errorf("%d keys: %v", len(fields), fields)
		}
	})
}

func decode(t *testing.T, line []byte) map[string]string {
	t.Helper()
	var fields map[string]string
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return fields
}

// Each byte at each place, beside neighbours that borrow or lend.
func TestVerbatim_FindsEachByteThatDoesNotStandForItself(t *testing.T) {
	for place := range 16 {
		for neighbour := range 256 {
			if !standsForItself[neighbour] {
				continue
			}
			for c := range 256 {
				b := bytes.Repeat([]byte{byte(neighbour)}, 16)
				b[place] = byte(c)
				for _, part := range [][]byte{b, b[place/2:], b[place : place+1]} {
					if got := verbatim(part); got != standsForItself[c] {
						t.Fatalf("%q: %v, want %v", part, got, standsForItself[c])
					}
				}
			}
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	r, dst, s := example(), make([]byte, 0, 4096), &second{}
	r.UserAgent = []byte("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
	b.ReportAllocs()
	for b.Loop() {
		dst = appendLine(dst[:0], r, config.AddressMasked, s)
	}
}
