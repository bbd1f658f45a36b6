//go:build !linux

package splice

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Transparent reports whether the system tells the address that a connection was for
// before it was led here.
const Transparent = false

// Destination fails: only Linux is known to tell the address.
func Destination(*net.TCPConn) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.ErrUnsupported
}

// LetTransparent leaves the socket as it is.
func LetTransparent(string, string, syscall.RawConn) error { return nil }
