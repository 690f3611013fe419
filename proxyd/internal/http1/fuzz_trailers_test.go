package http1

import (
	"bytes"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// FuzzTrailers holds, of every trailer section that is taken: what is sent on of it parses to the same fields and loses nothing more,
// has none that frames or routes a message or says who sent it, and none that the head's Connection names.
func FuzzTrailers(f *testing.F) {
	f.Add([]byte("X-Sum: 1\r\nX-Hop:2 \r\nContent-Length: 3\r\n\r\n"), []byte("x-hop, close"))
	f.Add([]byte("Section-Io-Id: 1\r\nIF-match: *\r\nHost: a\r\nx-forwarded-host: b\r\n\r\n"), []byte(""))
	f.Add([]byte("\r\n"), []byte("te"))
	for line := range fieldLines {
		f.Add(head("X: y", line), []byte("x"))
	}
	f.Fuzz(func(t *testing.T, b, connection []byte) {
		end, err := HeadEnd(b, 0)
		if end == 0 || err != nil {
			return
		}
		section := b[:end]
		of := []Field{{Name: []byte("Connection"), Value: connection, Kind: Connection}}
		fields, err := ParseTrailers(section, of, nil)
		if err != nil {
			return
		}
		out := append(AppendFields(nil, fields), "\r\n"...)
		again, err := ParseTrailers(out, of, nil)
		if err != nil || !bytes.Equal(append(AppendFields(nil, again), "\r\n"...), out) {
			t.Fatalf("%q is sent as %q, which is %v, %v", section, out, again, err)
		}
		if i := slices.IndexFunc(again, func(f Field) bool { return f.Hop }); i >= 0 {
			t.Fatalf("%q is sent as %q, of which %q is not to be sent on", section, out, again[i].Name)
		}
		for _, f := range again {
			name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
			switch name {
			case "Connection", "Content-Length", "Transfer-Encoding", "Host", "Trailer", "Te", "Upgrade", "Via", "Expect", "Authorization",
				"Set-Cookie", "Cookie", "Content-Encoding", "Content-Type", "Content-Range", "Max-Forwards", "X-Forwarded-For", "True-Client-Ip":
				t.Errorf("%q is sent in a trailer", name)
			}
			for option := range strings.SplitSeq(string(connection), ",") {
				if strings.EqualFold(strings.Trim(option, " \t"), string(f.Name)) && !slices.Contains(notNominated[:], strings.ToLower(name)) {
					t.Errorf("%q is sent although Connection names it", name)
				}
			}
		}
	})
}
