package policy

import (
	"bytes"
	"net/netip"
	"unsafe"

	"section.internal/contract/ascii"
)

// ClientAddress returns the address that the edge saw: that of the first of the names (client.address_from) whose field holds a
// valid one, and peer, which the connection has, where none does. Of a list, and of a field that is there several times, the last
// element counts: those before it came from the client. It allocates nothing.
func ClientAddress(names []string, fields Fields, peer netip.Addr) netip.Addr {
	for _, name := range names {
		for i := fields.Len() - 1; i >= 0; i-- {
			n, value := fields.Field(i)
			if !ascii.EqualFold(n, name) {
				continue
			}
			if addr, ok := parseAddr(lastElement(value)); ok {
				return addr
			}
			break
		}
	}
	return peer
}

// parseAddr reads an IP address, with optional white space around it. Unlike netip.ParseAddr it needs no string of
// it: every request has one.
func parseAddr(b []byte) (netip.Addr, bool) {
	b = ascii.TrimSpace(b)
	if len(b) == 0 || len(b) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return netip.Addr{}, false
	}
	if bytes.IndexByte(b, ':') >= 0 {
		addr, err := netip.ParseAddr(unsafe.String(&b[0], len(b))) // a string of its own would be an allocation; nobody keeps this one
		return addr.WithZone("").Unmap(), err == nil
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
