package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// lines is a header section, a "Name: value" each.
type lines []string

func (l lines) Len() int { return len(l) }

func (l lines) Field(i int) (name, value []byte) {
	n, v, _ := strings.Cut(l[i], ": ")
	return []byte(n), []byte(v)
}

func TestClientAddress_IsTheOneThatTheEdgeSaw(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.99")
	defaults := []string{"True-Client-IP", "X-Forwarded-For"}
	f := func(names []string, want string, fields ...string) {
		t.Helper()
		if got := ClientAddress(names, lines(fields), peer); got.String() != want {
			t.Errorf("%q of %q: %s; want %s", names, fields, got, want)
		}
	}
	f(defaults, "192.0.2.1", "X-Forwarded-For: 192.0.2.9", "true-client-ip: 192.0.2.1")
	f(defaults, "192.0.2.9", "X-Forwarded-For: 192.0.2.7, 192.0.2.8,192.0.2.9")
	f(defaults, "192.0.2.9", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 192.0.2.8,192.0.2.9")
	f(defaults, "2001:db8::1", "True-Client-IP: nonsense", "X-Forwarded-For: \t2001:db8::1 ")
	f(defaults, "fe80::1", "X-Forwarded-For: fe80::1%eth0")
	f(defaults, "192.0.2.1", "X-Forwarded-For: ::ffff:192.0.2.1")
	f(defaults, "192.0.2.99", "X-Forwarded-For: 192.0.2.7, nonsense") // what comes before was not written by the edge
	f(defaults, "192.0.2.2", "True-Client-IP: 192.0.2.1, 192.0.2.2")  // whoever is nearer to us has written the last
	f(defaults, "192.0.2.99", "X-Forwarded-For: 192.0.2.010")         // as netip has it: for some this is 192.0.2.8
	f(defaults, "192.0.2.99")
	f(defaults, "192.0.2.99", "X-Forwarded-For: ,", "X-Forwarded-Foo: 192.0.2.1", "X-Forwarded_For: 192.0.2.1")
	f([]string{"X-Real-IP"}, "192.0.2.3", "True-Client-IP: 192.0.2.1", "x-real-ip: 192.0.2.3")
	f(nil, "192.0.2.99", "True-Client-IP: 192.0.2.1")
}

// FuzzClientAddress: whatever a client writes before what the edge has written, the address is the edge's, or the connection's.
func FuzzClientAddress(f *testing.F) {
	f.Add("", "192.0.2.9, ", "192.0.2.1")
	f.Add("nonsense", "", "2001:db8::1")
	f.Add("192.0.2.1 192.0.2.2", "x,,\t", " fe80::1%lo ")
	f.Add("::ffff:192.0.2.1", "1.2.3.4,", "1.2.3")
	peer := netip.MustParseAddr("192.0.2.99")
	parse := func(s string) (netip.Addr, error) {
		if s = strings.Trim(s, " \t"); len(s) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") { // netip takes zones of any length
			return netip.Addr{}, errors.ErrUnsupported
		}
		return netip.ParseAddr(s)
	}
	f.Fuzz(func(t *testing.T, trueClient, client, edge string) {
		edge, trueClient = strings.ReplaceAll(edge, ",", ""), strings.ReplaceAll(trueClient, ",", "")
		want, err := parse(trueClient)
		if err != nil {
			want, err = parse(edge)
		}
		if err != nil {
			want = peer
		}
		fields := lines{"True-Client-IP: " + trueClient, "X-Forwarded-For: " + client + "," + edge}
		if got := ClientAddress([]string{"True-Client-IP", "X-Forwarded-For"}, fields, peer); got != want.WithZone("").Unmap() {
			t.Errorf("%q: %v; netip says %v", fields, got, want)
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
		if std, err := netip.ParseAddr(string(b)); err == nil && std.WithZone("").Unmap() != addr {
			t.Errorf("%q is %v; netip says %v", b, addr, std)
		}
	})
}
