package config

import (
	"net/netip"
	"testing"
)

func TestParseNetwork_TakesAddressesAndNetworksOfBothKinds(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		got, message := parseNetwork(s)
		if message != "" || got.String() != want {
			t.Errorf("%q: %v, %q", s, got, message)
		}
	}
	f("203.0.113.7", "203.0.113.7/32")
	f("203.0.113.7/24", "203.0.113.0/24")
	f("0.0.0.0/0", "0.0.0.0/0")
	f("2001:DB8::1", "2001:db8::1/128")
	f("2001:db8::1/32", "2001:db8::/32")
	f("::/0", "::/0")
	f("::ffff:203.0.113.7", "203.0.113.7/32")
	f("::ffff:203.0.113.7/96", "0.0.0.0/0")
	f("::ffff:203.0.113.7/120", "203.0.113.0/24")
}

// FuzzParseNetwork: what is taken is a network in its shortest form, which says the same when it is read again; anything else has a
// message.
func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "10.0.0.0/8", "2001:db8::/32", "::ffff:1.2.3.4/100", "fe80::1%e", "1.2.3.*", "1-2", "[::1]:80", "1.2.3.4/255.255.0.0", " 1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		network, message := parseNetwork(s)
		if message != "" {
			if network != (netip.Prefix{}) {
				t.Errorf("%q is %v and wrong: %s", s, network, message)
			}
			return
		}
		again, message := parseNetwork(network.String())
		if message != "" || again != network || network != network.Masked() || network.Addr().Is4In6() {
			t.Errorf("%q is %v, and that is %v, %q", s, network, again, message)
		}
	})
}
