// Package addrtest gives tests addresses that are nobody else's.
package addrtest

import (
	"net/netip"
	"syscall"
	"testing"
)

// Nobody returns an address at which nobody listens, and nobody will until the end of the test, but for whom the test itself
// starts there. A port that is only free may be somebody's a moment later.
func Nobody(tb testing.TB) string {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { syscall.Close(fd) })
	// With it the socket keeps the port from those whom the kernel gives any, but not from a listener that asks for this one and
	// has set it too, as Go's do.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		tb.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	own := bound.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(own.Addr), uint16(own.Port)).String()
}
