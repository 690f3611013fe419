package http1

import (
	"bytes"
	"math"
	"testing"
)

// parseRequest parses a head that must be good.
func parseRequest(t *testing.T, in []byte) *Request {
	t.Helper()
	r := new(Request)
	if err := parseWhole(in, r); err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return r
}

// parseWhole parses in, which must be one head and nothing more.
func parseWhole(in []byte, r *Request) error {
	end, err := HeadEnd(in, 0)
	if err == nil && end != len(in) {
		panic("BUG: the test's input is not one head: " + string(in))
	}
	if err == nil {
		err = ParseRequest(in, 1000, r)
	}
	return err
}

// refusal is a head and why it is refused.
type refusal struct {
	in   []byte
	want *Error
}

func TestParseRequest_LineOfThreePartsOnly(t *testing.T) {
	for _, c := range requestLines {
		var r Request
		if err := parseWhole(c.in, &r); err != error(c.want) {
			t.Errorf("%q: got %v, want %v", c.in, err, c.want)
		}
	}
}

var requestLines = []refusal{
	{[]byte("\r\n"), errRequestLine},
	{head(" ", "Host: a"), errRequestLine},
	{head("GET", "Host: a"), errRequestLine},
	{head("GET ", "Host: a"), errRequestLine},
	{head("GET /", "Host: a"), errRequestLine}, // HTTP/0.9
	{head("GET / ", "Host: a"), errRequestLine},
	{head("GET  HTTP/1.1", "Host: a"), errRequestLine},
	{head("GET  / HTTP/1.1", "Host: a"), errRequestLine},
	{head("GET /  HTTP/1.1", "Host: a"), errRequestLine},
	{head("GET / HTTP/1.1 ", "Host: a"), errRequestLine},
	{head("GET / HTTP/1.1\r", "Host: a"), errRequestLine},
	{head("GET\t/\tHTTP/1.1", "Host: a"), errRequestLine},
	{head("GET\x0b/ HTTP/1.1", "Host: a"), errRequestLine},
	{head(" GET / HTTP/1.1", "Host: a"), errMethod},
	{head("GE(T / HTTP/1.1", "Host: a"), errMethod},
	{head("GE\x00T / HTTP/1.1", "Host: a"), errMethod},
	{head("G\u00c9T / HTTP/1.1", "Host: a"), errMethod},
	{head("\x16\x03\x01 / HTTP/1.1", "Host: a"), errMethod}, // TLS
	{head("GET / HTTP/1.1\x00", "Host: a"), errRequestLine},
	{head("GET / HTTP/1.10", "Host: a"), errRequestLine},
	{head("GET / HTTP/11", "Host: a"), errRequestLine},
	{head("GET / HTTP/1,1", "Host: a"), errRequestLine},
	{head("GET / HTTP/1.x", "Host: a"), errRequestLine},
	{head("GET / HTTP/-1.1", "Host: a"), errRequestLine},
	{head("GET / http/1.1", "Host: a"), errRequestLine},
	{head("GET / HTTPS/1.1", "Host: a"), errRequestLine},
	{head("GET / HTTP/0.9", "Host: a"), errVersion},
	{head("GET / HTTP/2.0", "Host: a"), errVersion},
	{head("GET / HTTP/3.1", "Host: a"), errVersion},
	{[]byte("PRI * HTTP/2.0\r\n\r\n"), errVersion},
}

func TestParseRequest_LaterMinorVersionsCountAsOne(t *testing.T) {
	for version, minor := range map[string]int{"HTTP/1.0": 0, "HTTP/1.1": 1, "HTTP/1.2": 2, "HTTP/1.9": 9} {
		r := parseRequest(t, head("POST / "+version, "Host: a", "Content-Length: 1", "Expect: 100-continue"))
		if r.Minor != minor || r.KeepAlive != (minor > 0) || r.Continue != (minor > 0) {
			t.Errorf("%s: got %+v", version, r)
		}
	}
}

func TestParseRequest_MethodIsAnyTokenInItsOwnCase(t *testing.T) {
	for _, method := range []string{"GET", "get", "M-SEARCH", "PURGE", "!#$%&'*+-.^_`|~09azAZ", "connect"} {
		if r := parseRequest(t, head(method+" / HTTP/1.1", "Host: a")); string(r.Method) != method {
			t.Errorf("got method %q, want %q", r.Method, method)
		}
	}
}

func TestParseRequest_ConnectAndTraceRefused(t *testing.T) {
	for _, line := range []string{"CONNECT a:443 HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT * HTTP/1.1", "TRACE / HTTP/1.1", "TRACE http://a/ HTTP/1.0"} {
		var r Request
		if err := parseWhole(head(line, "Host: a"), &r); err != error(errMethodRefused) {
			t.Errorf("%s: got %v, want %v", line, err, errMethodRefused)
		}
	}
}

func TestParseRequest_TargetFormsGivePathAndHost(t *testing.T) {
	for _, c := range []struct {
		line, path, host string
		absolute         bool
	}{
		{"GET / HTTP/1.1", "/", "field", false},
		{"GET //other/x HTTP/1.1", "//other/x", "field", false},
		{"GET /a/../b//c/%2e%2e/;p?q=?/ HTTP/1.1", "/a/../b//c/%2e%2e/;p?q=?/", "field", false},
		{"GET /http://other/ HTTP/1.1", "/http://other/", "field", false},
		{"GET /{\"'<>|\\^`}@: HTTP/1.1", "/{\"'<>|\\^`}@:", "field", false},
		{"GET /%zz%0 HTTP/1.1", "/%zz%0", "field", false}, // not ours to decode
		{"OPTIONS * HTTP/1.1", "*", "field", false},
		{"GET http://target/x HTTP/1.1", "/x", "target", true},
		{"GET hTTps://TARGET:8080/x?y HTTP/1.1", "/x?y", "TARGET:8080", true},
		{"GET http://target//x HTTP/1.1", "//x", "target", true},
		{"GET http://target HTTP/1.1", "/", "target", true},
		{"GET http://target?x HTTP/1.1", "/?x", "target", true},
		{"GET http://target?x/y HTTP/1.1", "/?x/y", "target", true},
		{"GET http://[::1]:80/ HTTP/1.1", "/", "[::1]:80", true},
		{"OPTIONS http://target HTTP/1.1", "*", "target", true},
		{"OPTIONS http://target/ HTTP/1.1", "/", "target", true},
		{"OPTIONS http://target?x HTTP/1.1", "/?x", "target", true},
	} {
		r := parseRequest(t, head(c.line, "Host: field"))
		if string(r.Path) != c.path || string(r.Host) != c.host || r.Absolute != c.absolute {
			t.Errorf("%s: got path %q, host %q, absolute %v, want %q, %q, %v", c.line, r.Path, r.Host, r.Absolute, c.path, c.host, c.absolute)
		}
	}
}

func TestParseRequest_TargetThatTwoCouldReadDifferentlyRefused(t *testing.T) {
	for _, c := range targets {
		var r Request
		if err := parseWhole(c.in, &r); err != error(c.want) {
			t.Errorf("%q: got %v, want %v", c.in, err, c.want)
		}
	}
}

var targets = []refusal{
	{head("GET /# HTTP/1.1", "Host: a"), errTarget},
	{head("GET /x#y HTTP/1.1", "Host: a"), errTarget},
	{head("GET http://a/#y HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\xff HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\u00e9 HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\x00 HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\x7f HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\t HTTP/1.1", "Host: a"), errTarget},
	{head("GET /\r HTTP/1.1", "Host: a"), errTarget},
	{head("GET /x y HTTP/1.1", "Host: a"), errRequestLine},
	{head("GET x HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET ?x HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET . HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET \\ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET %2f HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET * HTTP/1.1", "Host: a"), errTargetForm},
	{head("OPTIONS ** HTTP/1.1", "Host: a"), errTargetForm},
	{head("options * HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET a:80 HTTP/1.1", "Host: a"), errTargetForm}, // authority-form is CONNECT's
	{head("GET ftp://a/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http:/a HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http:///x HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://?x HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://:80/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://user@a/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://user:word@a/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://a\\b/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://a:x/ HTTP/1.1", "Host: a"), errTargetForm},
	{head("GET http://[::1/ HTTP/1.1", "Host: a"), errTargetForm},
}

func TestParseRequest_HostIsAHostWithAnOptionalPort(t *testing.T) {
	for _, host := range goodHosts {
		if r := parseRequest(t, head("GET / HTTP/1.1", "Host: "+host)); string(r.Host) != host {
			t.Errorf("got host %q, want %q", r.Host, host)
		}
	}
	for _, host := range badHosts {
		var r Request
		if err := parseWhole(head("GET / HTTP/1.1", "Host: "+host), &r); err != error(errHostInvalid) {
			t.Errorf("Host: %q: got %v, want %v", host, err, errHostInvalid)
		}
	}
}

var goodHosts = []string{
	"", // the target has no authority
	"a", "a.example", "A_b-c.Example.", "xn--bcher-kva.example", "127.0.0.1", "a:80", "a:", "a:0080", "a%20b", "a%C3%A9:80", "a!$&'()*+,;=b~",
	"[::1]", "[::1]:80", "[::]:", "[2001:DB8::1]", "[::ffff:192.0.2.1]:8080", "[1:2:3:4:5:6:7:8]",
}

var badHosts = []string{
	":80", ":", "a:b", "a:80x", "a:+80", "a:-1", "a:80:80", "a::80", "::1", "2001:db8::1",
	"[", "]", "[]", "[]:80", "[::1", "::1]", "[::1]x", "[::1]80", "[::1]:x", "[::1]:80:80", "x[::1]", "[::1][::1]", "[[::1]]",
	"[1.2.3.4]", "[a]", "[::g]", "[:::]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[v1.a]",
	"user@a", "user:word@a", "@", "a/b", "a/", "http://a", "a?", "a#", "a b", "a\tb", "a,b c", "a\\b", "a\"", "<a>", "{a}", "a|b", "a^b", "a`b",
	"a%", "a%2", "a%zz", "a%2g", "\u00e9.example", "a\xff", "a\u3002b",
}

func TestParseRequest_OneHostNeededFromHTTP11(t *testing.T) {
	for _, c := range hosts {
		var r Request
		if err := parseWhole(c.in, &r); err != error(c.want) {
			t.Errorf("%q: got %v, want %v", c.in, err, c.want)
		}
	}
	if r := parseRequest(t, head("GET / HTTP/1.0")); r.Host != nil {
		t.Errorf("got host %q, want none", r.Host)
	}
	if r := parseRequest(t, head("GET / HTTP/1.0", "Host:")); r.Host == nil || len(r.Host) != 0 {
		t.Errorf("got host %q, want an empty one that is not nil", r.Host)
	}
}

var hosts = []refusal{
	{head("GET / HTTP/1.1"), errHostMissing},
	{head("GET http://a/ HTTP/1.1"), errHostMissing},
	{head("GET / HTTP/1.1", "Host: a", "Host: a"), errHostRepeated},
	{head("GET / HTTP/1.1", "Host: a", "X: y", "hOST: b"), errHostRepeated},
	{head("GET / HTTP/1.0", "Host: a", "Host: a"), errHostRepeated},
	{head("GET / HTTP/1.1", "Host:", "Host: a"), errHostRepeated},
	{head("GET http://a/ HTTP/1.1", "Host: b", "Host: b"), errHostRepeated},
	{head("GET http://a/ HTTP/1.1", "Host: b/"), errHostInvalid}, // even if it is not used
	{head("GET / HTTP/1.0", "Host: a/"), errHostInvalid},
}

func TestParseRequest_LineIsKeptOfARefusedRequest(t *testing.T) {
	for in, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":                  "GET / HTTP/1.1",
		"nonsense\r\n\r\n":                        "nonsense",
		"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n":   "GET /\xff HTTP/1.1",
		"GET / HTTP/1.1\r\nno colon here\r\n\r\n": "GET / HTTP/1.1",
		"\r\n": "",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": "GET / HTTP/1.1",
	} {
		var r Request
		if err := ParseRequest([]byte(in), 1000, &r); err == nil || string(r.Line) != want {
			t.Errorf("%q: got line %q and error %v, want %q and an error", in, r.Line, err, want)
		}
	}
}

func TestParseRequest_NothingStaysOfTheRequestBefore(t *testing.T) {
	var r Request
	before := head("POST http://b/x HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: websocket", "TE: trailers", "Expect: 100-continue", "Content-Length: 5")
	if err := parseWhole(before, &r); err != nil {
		t.Fatal(err)
	}
	if err := parseWhole(head("GET / HTTP/1.0"), &r); err != nil {
		t.Fatal(err)
	}
	if r.Host != nil || r.Absolute || r.Body != None || r.Length != 0 || r.KeepAlive || r.Continue || r.Upgrade || r.Trailers || len(r.Fields) != 0 {
		t.Errorf("something of the request before is left: %+v", r)
	}
}

func TestParseRequest_ConnectionLivesOnUnlessSomebodyObjects(t *testing.T) {
	for _, c := range []struct {
		version, connection string
		want                bool
	}{
		{"HTTP/1.1", "", true},
		{"HTTP/1.1", "close", false},
		{"HTTP/1.1", "CLOSE", false},
		{"HTTP/1.1", "keep-alive", true},
		{"HTTP/1.1", "keep-alive, close", false},
		{"HTTP/1.1", "x,\tclose ,y", false},
		{"HTTP/1.1", "closed", true},
		{"HTTP/1.1", "\"close\"", true},
		{"HTTP/1.0", "", false},
		{"HTTP/1.0", "keep-alive", true},
		{"HTTP/1.0", "Keep-Alive", true},
		{"HTTP/1.0", "keep-alive, close", false},
	} {
		if r := parseRequest(t, head("GET / "+c.version, "Host: a", "Connection: "+c.connection)); r.KeepAlive != c.want {
			t.Errorf("%s with Connection: %s: lives on: %v, want %v", c.version, c.connection, r.KeepAlive, c.want)
		}
	}
	if r := parseRequest(t, head("GET / HTTP/1.1", "Host: a", "Connection: x", "Connection: close")); r.KeepAlive {
		t.Error("close in the second of two Connection fields was not seen")
	}
	if r := parseRequest(t, head("GET / HTTP/1.0", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5")); r.KeepAlive {
		t.Error("Proxy-Connection and Keep-Alive must not keep a connection alive")
	}
}

func TestParseRequest_ExpectIsTakenOnlyWhereItHasAMeaning(t *testing.T) {
	for _, c := range []struct {
		want bool
		in   []byte
	}{
		{true, head("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Expect: 100-continue")},
		{true, head("POST / HTTP/1.1", "Host: a", "Expect: 100-Continue", "Transfer-Encoding: chunked")},
		{false, head("POST / HTTP/1.1", "Host: a", "Content-Length: 0", "Expect: 100-continue")},
		{false, head("GET / HTTP/1.1", "Host: a", "Expect: 100-continue")},
		{false, head("POST / HTTP/1.0", "Content-Length: 1", "Expect: 100-continue")}, // RFC 9110 section 10.1.1
	} {
		if r := parseRequest(t, c.in); r.Continue != c.want {
			t.Errorf("%q: a 100 is awaited: %v, want %v", c.in, r.Continue, c.want)
		}
	}
	for _, value := range []string{"", "200-ok", "100-continue, 100-continue", "100-continue;x", "\"100-continue\""} {
		var r Request
		if err := parseWhole(head("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Expect: "+value), &r); err != error(errExpect) {
			t.Errorf("Expect: %s: got %v, want %v", value, err, errExpect)
		}
	}
}

func TestParseRequest_UpgradeNeedsItsOptionAndIsNeverH2C(t *testing.T) {
	for _, c := range []struct {
		want bool
		in   []byte
	}{
		{true, head("GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket")},
		{true, head("GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: keep-alive, upgrade")},
		{true, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: a, b/2", "Upgrade: c")},
		{true, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: h2cx")},
		{false, head("GET / HTTP/1.1", "Host: a", "Upgrade: websocket")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade:")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: ,")},
		{false, head("GET / HTTP/1.0", "Host: a", "Connection: upgrade", "Upgrade: websocket")}, // RFC 9110 section 7.8
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: H2C")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: h2c/2")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: websocket, h2c")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: h2c", "Upgrade: websocket")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", `Upgrade: "h2c"`)}, // no token: somebody may trim it
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: h2c;x")},
		{false, head("GET / HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: websocket/")},
	} {
		if r := parseRequest(t, c.in); r.Upgrade != c.want {
			t.Errorf("%q: may be upgraded: %v, want %v", c.in, r.Upgrade, c.want)
		}
	}
}

func TestParseRequest_TrailersAreWantedOnlyWhenTESaysSo(t *testing.T) {
	for value, want := range map[string]bool{"trailers": true, "gzip;q=0.5, Trailers": true, "": false, "gzip": false, "trailersx": false} {
		if r := parseRequest(t, head("GET / HTTP/1.1", "Host: a", "TE: "+value, "Connection: te")); r.Trailers != want {
			t.Errorf("TE: %s: trailers are wanted: %v, want %v", value, r.Trailers, want)
		}
	}
	for _, in := range [][]byte{
		head("GET / HTTP/1.1", "Host: a", "TE: trailers"),
		head("GET / HTTP/1.1", "Host: a", "TE: trailers", "Connection: keep-alive"),
		head("GET / HTTP/1.0", "Host: a", "TE: trailers", "Connection: te"),
	} {
		if r := parseRequest(t, in); r.Trailers {
			t.Errorf("%q: trailers are wanted", in)
		}
	}
}

func TestLineEnded_AtTheFirstLF(t *testing.T) {
	if LineEnded([]byte("GET / HTTP/1.1\r")) || LineEnded(nil) || !LineEnded([]byte("GET / HTTP/1.1\r\n")) {
		t.Error("a line ends with LF and not before")
	}
}

func TestParse_DoesNotWriteToItsInput(t *testing.T) {
	for _, in := range [][]byte{head("GET HTTP://A?x HTTP/1.1", "hOST: B", "CONNECTION: Close, X", "X: 1"), browserRequest} {
		before := bytes.Clone(in)
		parseRequest(t, in)
		if !bytes.Equal(before, in) {
			t.Errorf("the input became %q, was %q", in, before)
		}
	}
}

func TestParseRequest_MaxForwardsIsOneNumberWhereItMatters(t *testing.T) {
	const refused = -2
	for _, c := range []struct {
		in   []byte
		want int64
	}{
		{head("OPTIONS / HTTP/1.1", "Host: a"), -1},
		{head("OPTIONS / HTTP/1.1", "Host: a", "MAX-FORWARDS: 0"), 0},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 007"), 7},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9223372036854775800"), math.MaxInt64 - 7},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9223372036854775806"), math.MaxInt64 - 1},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9223372036854775807"), math.MaxInt64},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9223372036854775808"), math.MaxInt64},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 99999999999999999999999999999999999999990"), math.MaxInt64},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9999999999999999999999999999999999999999x"), refused},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 00000000000000000000000000000000000000003"), 3},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 9223372036854775799"), 9223372036854775799},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards:"), refused},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: -1"), refused},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 1, 2"), refused},
		{head("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 1", "Max-Forwards: 1"), refused},
		{head("GET / HTTP/1.1", "Host: a", "Max-Forwards: x"), -1}, // RFC 9110 section 7.6.2: may be ignored
	} {
		var r Request
		switch err := parseWhole(c.in, &r); {
		case c.want == refused && err != error(errMaxForwards):
			t.Errorf("%q: got %v, want %v", c.in, err, errMaxForwards)
		case c.want != refused && (err != nil || r.MaxForwards != c.want):
			t.Errorf("%q: got %d and %v, want %d", c.in, r.MaxForwards, err, c.want)
		}
	}
}
