package exchange

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestClientAddress_IsTheOneThatTheEdgeSaw(t *testing.T) {
	f := func(trueClient, forwardedFor, want string) {
		t.Helper()
		addr, ok := clientAddress([]byte(trueClient), []byte(forwardedFor))
		if got := addr.String(); ok != (want != "") || ok && got != want {
			t.Errorf("True-Client-IP %q, X-Forwarded-For %q: %s, %v; want %q", trueClient, forwardedFor, got, ok, want)
		}
	}
	f("192.0.2.1", "192.0.2.9", "192.0.2.1")
	f("", "192.0.2.7, 192.0.2.8,192.0.2.9", "192.0.2.9")
	f("nonsense", "\t2001:db8::1 ", "2001:db8::1")
	f("", "fe80::1%eth0", "fe80::1")
	f("", "192.0.2.7, nonsense", "") // what comes before was not written by the edge
	f("192.0.2.1, 192.0.2.2", "", "")
	f("", "192.0.2.010", "") // as netip has it: for some this is 192.0.2.8
	f("", "", "")
	f("", ",", "")
}

// FuzzClientAddress: whatever a client writes before what the edge has written, the address is the edge's, or none.
func FuzzClientAddress(f *testing.F) {
	f.Add("", "192.0.2.9, ", "192.0.2.1")
	f.Add("nonsense", "", "2001:db8::1")
	f.Add("192.0.2.1, 192.0.2.2", "x,,\t", " fe80::1%lo ")
	f.Add("::ffff:192.0.2.1", "1.2.3.4,", "1.2.3")
	f.Fuzz(func(t *testing.T, trueClient, client, edge string) {
		edge = strings.ReplaceAll(edge, ",", "")
		want, wantErr := netip.ParseAddr(strings.Trim(trueClient, " \t"))
		if wantErr != nil {
			want, wantErr = netip.ParseAddr(strings.Trim(edge, " \t"))
		}
		got, ok := clientAddress([]byte(trueClient), []byte(client+","+edge))
		if ok && (wantErr != nil || got != want.WithZone("")) || !ok && wantErr == nil && want.Zone() == "" {
			t.Errorf("True-Client-IP %q, X-Forwarded-For %q: %v, %v; netip says %v, %v", trueClient, client+","+edge, got, ok, want, wantErr)
		}
	})
}

func FuzzParseAddr(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", " 2001:db8::1\t", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "::ffff:192.0.2.1", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := parseAddr(b)
		if !ok {
			return
		}
		if again, ok := parseAddr([]byte(addr.String())); !ok || again != addr || addr.Zone() != "" || !addr.IsValid() {
			t.Errorf("%q is %v, which is %v", b, addr, again)
		}
		// Whatever the standard library takes means the same here.
		if std, err := netip.ParseAddr(string(b)); err == nil && std.WithZone("") != addr {
			t.Errorf("%q is %v; netip says %v", b, addr, std)
		}
	})
}

func TestDateCache_IsNeverOfAnotherSecond(t *testing.T) {
	var d dateCache
	now := time.Date(1994, 11, 6, 8, 49, 37, 999_999_999, time.FixedZone("", 3600))
	for range 2 {
		if got := string(d.at(now)); got != "Sun, 06 Nov 1994 07:49:37 GMT" {
			t.Errorf("%s", got)
		}
	}
	if got := string(d.at(now.Add(1))); got != "Sun, 06 Nov 1994 07:49:38 GMT" {
		t.Errorf("a nanosecond later: %s", got)
	}
	if got := string(d.at(now)); got != "Sun, 06 Nov 1994 07:49:37 GMT" {
		t.Errorf("back again: %s", got)
	}
}
