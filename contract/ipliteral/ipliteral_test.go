package ipliteral

import "testing"

func TestIs_AnIPv6AddressInBracketsAlone(t *testing.T) {
	f := func(host string, want bool) {
		t.Helper()
		if Is(host) != want || Is([]byte(host)) != want {
			t.Errorf("Is(%q) is not %v", host, want)
		}
	}
	for _, good := range []string{"[::]", "[::1]", "[2001:db8::1]", "[2001:DB8:0:0:0:0:0:1]", "[::ffff:192.0.2.1]"} {
		f(good, true)
	}
	for _, bad := range []string{
		"", "[", "]", "[]", "[:]", "::1", "[::1", "::1]", "[::1]:80", "[::1] ", " [::1]", "[[::1]]", "[192.0.2.1]", "[fe80::1%eth0]", "[fe80::1%25eth0]",
		"[v1.x]", "[a]", "[2001:db8::1::2]", "[12345::]", "192.0.2.1", "www.example.com",
	} {
		f(bad, false)
	}
}

func TestIs_CostsNothingForANameOrAnIPv4Address(t *testing.T) {
	host := []byte("www.example.com")
	if n := testing.AllocsPerRun(100, func() { Is(host) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
