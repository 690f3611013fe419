package exchange

import (
	"bytes"
	"net/netip"
)

// parseAddr reads an IP address, with optional white space around it. Unlike netip.ParseAddr it makes no string of an IPv4
// address, which nearly all are: the access log needs one for each request.
func parseAddr(b []byte) (netip.Addr, bool) {
	b = bytes.Trim(b, " \t")
	if len(b) == 0 || len(b) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return netip.Addr{}, false
	}
	if bytes.IndexByte(b, ':') >= 0 {
		addr, err := netip.ParseAddr(string(b))
		return addr.WithZone(""), err == nil
	}
	var quad [4]byte
	part, digits, n := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && n == 0 {
				return netip.Addr{}, false // a leading zero: for some it means octal
			}
			n = 10*n + int(c-'0')
			if digits++; n > 255 || digits > 3 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && part < 3:
			quad[part] = byte(n)
			part, digits, n = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	quad[3] = byte(n)
	return netip.AddrFrom4(quad), true
}
