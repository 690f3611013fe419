package config

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// parseNetwork reads an address, or a network in CIDR notation, as the network that it stands for. IPv6 addresses that map IPv4 ones
// are those. message says what is wrong with s; "" when nothing is.
func parseNetwork(s string) (network netip.Prefix, message string) {
	address, length, isNetwork := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return network, notAddress(s, address)
	case addr.Zone() != "":
		return network, fmt.Sprintf("want the address without its zone; did you mean %q?", addr.WithZone(""))
	}
	size := addr.BitLen()
	n := size
	if isNetwork {
		n, err = strconv.Atoi(length)
		if err != nil || length != strconv.Itoa(n) || n < 0 || n > size {
			return network, notLength(addr, length)
		}
	}
	if addr.Is4In6() {
		if n < 96 {
			return network, "want the network in its IPv4 form, such as \"203.0.113.0/24\""
		}
		addr, n = addr.Unmap(), n-96
	}
	return netip.PrefixFrom(addr, n).Masked(), ""
}

// parseAddress reads an address. message says what is wrong with s; "" when nothing is.
func parseAddress(s string) (addr netip.Addr, message string) {
	network, message := parseNetwork(s)
	if message == "" && strings.Contains(s, "/") {
		message = fmt.Sprintf("want one address; did you mean %q?", network.Addr())
	}
	return network.Addr(), message
}

const wantNetwork = `want an address or a network such as "203.0.113.7", "203.0.113.0/24", "2001:db8::/32"`

// notAddress says what is wrong with s, the address in which is none.
func notAddress(s, address string) string {
	if len(s) > 100 {
		return wantNetwork
	}
	meant := func(s string) string { return fmt.Sprintf("%s; did you mean %q?", wantNetwork, s) }
	if trimmed := strings.TrimSpace(s); trimmed != s {
		if _, err := netip.ParseAddr(trimmed); err == nil {
			return meant(trimmed)
		}
	}
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return meant(withPort.Addr().String())
	}
	if inside, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inside, "]") {
		if addr, err := netip.ParseAddr(inside[:len(inside)-1]); err == nil {
			return meant(addr.String())
		}
	}
	if strings.Contains(s, "-") {
		return "ranges are not taken: want networks such as \"203.0.113.0/24\""
	}
	if network := fromStars(address); network != "" {
		return meant(network)
	}
	return wantNetwork
}

// fromStars returns the network that somebody meant who wrote 203.0.113.* or 203.0; "" when that is not to be told.
func fromStars(s string) string {
	s = strings.TrimSuffix(strings.TrimRight(s, "*."), ".")
	parts := strings.Split(s, ".")
	if s == "" || len(parts) > 3 {
		return ""
	}
	given := len(parts)
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	addr, err := netip.ParseAddr(strings.Join(parts, "."))
	if err != nil || !addr.Is4() {
		return ""
	}
	return netip.PrefixFrom(addr, 8*given).String()
}

// notLength says what is wrong with the length of a network's prefix.
func notLength(addr netip.Addr, length string) string {
	if mask, err := netip.ParseAddr(length); err == nil && mask.Is4() && addr.Is4() {
		b := mask.As4()
		m := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if n := bits.LeadingZeros32(^m); m == ^uint32(0)<<(32-n) {
			return fmt.Sprintf("want the length of the network in bits; did you mean \"%v/%d\"?", addr, n)
		}
	}
	return fmt.Sprintf("/%s: want /0 to /%d behind an IPv%c address", length, addr.BitLen(), "46"[addr.BitLen()/128])
}
