package http1

import (
	"math"
	"strconv"
	"testing"
)

func TestFraming_RequestBodyEndsWhereItsFieldsSay(t *testing.T) {
	for _, c := range []struct {
		body   Body
		length int64
		in     []byte
	}{
		{None, 0, head("GET / HTTP/1.1", "Host: a")},
		{None, 0, head("POST / HTTP/1.1", "Host: a")}, // a request never ends with its connection
		{None, 0, head("POST / HTTP/1.0", "Connection: close")},
		{None, 0, head("POST / HTTP/1.1", "Host: a", "Content-Length: 0")},
		{Length, 5, head("POST / HTTP/1.1", "Host: a", "Content-Length: 5")},
		{Length, 5, head("GET / HTTP/1.1", "Host: a", "content-length:\t 5 \t")},
		{Length, 5, head("HEAD / HTTP/1.1", "Host: a", "Content-Length: 5")},
		{Length, 5, head("POST / HTTP/1.0", "Content-Length: 5")},
		{Length, 5, head("POST / HTTP/1.1", "Host: a", "Content-Length: 0000000000000000005")}, // 1*DIGIT
		{Length, math.MaxInt64, head("POST / HTTP/1.1", "Host: a", "Content-Length: 9223372036854775807")},
		{Chunked, 0, head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")},
		{Chunked, 0, head("GET / HTTP/1.1", "Host: a", "TRANSFER-ENCODING:  \tChunKed ")},
		{None, 0, head("POST / HTTP/1.1", "Host: a", "Content_Length: 5", "Transfer_Encoding: chunked", "X-Content-Length: 5")},
	} {
		if r := parseRequest(t, c.in); r.Body != c.body || r.Length != c.length {
			t.Errorf("%q: got body %d of %d bytes, want %d of %d", c.in, r.Body, r.Length, c.body, c.length)
		}
	}
}

func TestFraming_ResponseBodyEndsWhereItsHeadAndRequestSay(t *testing.T) {
	for _, c := range []struct {
		body        Body
		length      int64
		headRequest bool
		in          []byte
	}{
		{UntilClose, 0, false, head("HTTP/1.1 200 OK")},
		{UntilClose, 0, false, head("HTTP/1.0 404 Not Found")},
		{None, 0, false, head("HTTP/1.1 200 OK", "Content-Length: 0")},
		{Length, 5, false, head("HTTP/1.1 200 OK", "Content-Length: 5")},
		{Length, 5, false, head("HTTP/1.1 205 Reset Content", "Content-Length: 5")},
		{Chunked, 0, false, head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")},
		{None, 0, true, head("HTTP/1.1 200 OK")},
		{None, 0, true, head("HTTP/1.1 200 OK", "Content-Length: 5")},
		{None, 0, true, head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")},
		{None, 0, false, head("HTTP/1.1 100 Continue", "Content-Length: 5")},
		{None, 0, false, head("HTTP/1.1 103 Early Hints", "Transfer-Encoding: chunked")},
		{None, 0, false, head("HTTP/1.1 204 No Content", "Content-Length: 5")},
		{None, 0, false, head("HTTP/1.1 304 Not Modified", "Content-Length: 5")},
		{None, 0, false, head("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked")},
	} {
		if r := parseResponse(t, c.in, c.headRequest); r.Body != c.body || r.Length != c.length {
			t.Errorf("%q: got body %d of %d bytes, want %d of %d", c.in, r.Body, r.Length, c.body, c.length)
		}
	}
}

func TestFraming_AmbiguousMessageRefused(t *testing.T) {
	for _, c := range ambiguous {
		minor := "1"
		if c.old {
			minor = "0"
		}
		request := head(append([]string{"POST / HTTP/1." + minor, "Host: a"}, c.fields...)...)
		if err := parseWhole(request, new(Request)); err != error(c.want) {
			t.Errorf("request with %q: got %v, want %v", c.fields, err, c.want)
		}
		// Where no body follows, the fields are no less ambiguous: the next reader may not know what the request was.
		for _, status := range []string{"200", "204", "304", "100"} {
			for _, headRequest := range []bool{false, true} {
				response := head(append([]string{"HTTP/1." + minor + " " + status + " x"}, c.fields...)...)
				if err := ParseResponse(response, headRequest, new(Response)); err == nil {
					t.Errorf("response %s with %q (HEAD: %v) was taken", status, c.fields, headRequest)
				}
			}
		}
	}
}

var ambiguous = []struct {
	fields []string
	old    bool // HTTP/1.0
	want   *Error
}{
	{[]string{"Content-Length: 5", "Transfer-Encoding: chunked"}, false, errTwoLengths},
	{[]string{"Transfer-Encoding: chunked", "Content-Length: 5"}, false, errTwoLengths},
	{[]string{"Transfer-Encoding: chunked", "X: y", "content-length: 0"}, false, errTwoLengths},
	{[]string{"Content-Length: 0", "Transfer-Encoding: identity"}, false, errTwoLengths},
	{[]string{"Content-Length: 5", "Transfer-Encoding:"}, false, errTwoLengths},
	{[]string{"Content-Length: 5", "Transfer-Encoding: chunked"}, true, errTwoLengths},

	{[]string{"Content-Length: 5", "Content-Length: 5"}, false, errLengthRepeated},
	{[]string{"Content-Length: 5", "Content-Length: 6"}, false, errLengthRepeated},
	{[]string{"Content-Length: 0", "CONTENT-LENGTH: 5"}, false, errLengthRepeated},
	{[]string{"Content-Length: 5", "Content-Length:"}, false, errLengthRepeated},
	{[]string{"Content-Length: 5, 5"}, false, errLengthInvalid},
	{[]string{"Content-Length: 5,"}, false, errLengthInvalid},
	{[]string{"Content-Length: 5 5"}, false, errLengthInvalid},
	{[]string{"Content-Length:"}, false, errLengthInvalid},
	{[]string{"Content-Length: +5"}, false, errLengthInvalid},
	{[]string{"Content-Length: -5"}, false, errLengthInvalid},
	{[]string{"Content-Length: -0"}, false, errLengthInvalid},
	{[]string{"Content-Length: 0x5"}, false, errLengthInvalid},
	{[]string{"Content-Length: 5.0"}, false, errLengthInvalid},
	{[]string{"Content-Length: 5e1"}, false, errLengthInvalid},
	{[]string{"Content-Length: 5_0"}, false, errLengthInvalid},
	{[]string{"Content-Length: \"5\""}, false, errLengthInvalid},
	{[]string{"Content-Length: five"}, false, errLengthInvalid},
	{[]string{"Content-Length: \u0665"}, false, errLengthInvalid}, // a digit elsewhere
	{[]string{"Content-Length: 9223372036854775808"}, false, errLengthInvalid},
	{[]string{"Content-Length: 9999999999999999999"}, false, errLengthInvalid},
	{[]string{"Content-Length: 18446744073709551621"}, false, errLengthInvalid}, // 5 modulo 1<<64
	{[]string{"Content-Length: 00000000000000000005"}, false, errLengthInvalid}, // padded beyond any number

	{[]string{"Transfer-Encoding: chunked"}, true, errCodingOld},
	{[]string{"Transfer-Encoding: gzip"}, true, errCodingOld},
	{[]string{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked", "Transfer-Encoding: gzip"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked, chunked"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked, gzip"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: gzip, chunked, chunked"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: gzip"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: gzip", "Transfer-Encoding: chunked"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: identity"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding:"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: ,"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: xchunked"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunkedx"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunke"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: \"chunked\""}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked;q=1"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked identity"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked\xa0"}, false, errCodingOrder},
	{[]string{"Transfer-Encoding: chunked,"}, false, errCodingEmpty},
	{[]string{"Transfer-Encoding: ,chunked"}, false, errCodingEmpty},
	{[]string{"Transfer-Encoding: gzip, chunked"}, false, errCodingUnknown},
	{[]string{"Transfer-Encoding: identity, chunked"}, false, errCodingUnknown},
}

func TestFraming_LengthIsSentOnWithoutLeadingZeros(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "000": "0", "5": "5", "010": "10", "0000000000000000005": "5", "100": "100"} {
		request := parseRequest(t, head("POST / HTTP/1.1", "Host: a", "Content-Length: "+in))
		response := parseResponse(t, head("HTTP/1.1 200 OK", "X: y", "Content-Length: "+in), false)
		for _, f := range []Field{request.Fields[1], response.Fields[1]} {
			if string(f.Value) != want {
				t.Errorf("Content-Length: %s is sent on as %s, want %s", in, f.Value, want)
			}
		}
	}
}

func TestParseLength_EveryNumberThatFits(t *testing.T) {
	for _, n := range []int64{0, 1, 9, 10, 99, 1<<31 - 1, 1 << 31, 1<<32 + 5, 999999999999999999, 1000000000000000000, math.MaxInt64 - 1, math.MaxInt64} {
		if got, ok := parseLength([]byte(strconv.FormatInt(n, 10))); got != n || !ok {
			t.Errorf("%d: got %d, %v", n, got, ok)
		}
	}
	for _, n := range []uint64{math.MaxInt64 + 1, math.MaxInt64 + 2, 9300000000000000000, 9999999999999999999, 1e19, math.MaxUint64} {
		if got, ok := parseLength([]byte(strconv.FormatUint(n, 10))); ok {
			t.Errorf("%d does not fit, but was taken as %d", n, got)
		}
	}
}
