// Package ipliteral knows the one kind of host that is no name and no IPv4 address: an IPv6 address in brackets (RFC 3986 section
// 3.2.2).
package ipliteral

import "net/netip"

// Is says whether host is an IPv6 address in brackets. A zone is refused: it means nothing on another machine. It allocates, but
// hardly anybody asks for a host in this form; all others are known at once.
func Is[T string | []byte](host T) bool {
	n := len(host)
	if n < len("[::]") || host[0] != '[' || host[n-1] != ']' {
		return false
	}
	addr, err := netip.ParseAddr(string(host[1 : n-1]))
	return err == nil && addr.Is6() && addr.Zone() == ""
}
