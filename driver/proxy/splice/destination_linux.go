package splice

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Transparent reports whether the system tells the address that a connection was for
// before it was led here.
const Transparent = true

// originalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h, and IP6T_SO_ORIGINAL_DST of
// linux/netfilter_ipv6/ip6_tables.h.
const originalDst = 80

// Destination returns the address that the device connected to. With REDIRECT and DNAT
// the connection tracking of the system knows it, with TPROXY it is the local address
// of the socket. For a connection that was not led here it is the listener's own.
func Destination(c *net.TCPConn) (netip.AddrPort, error) {
	local, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, errors.ErrUnsupported
	}
	to := netip.AddrPortFrom(local.AddrPort().Addr().Unmap(), local.AddrPort().Port())
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	err = raw.Control(func(fd uintptr) {
		if to.Addr().Is4() {
			// The answer, a sockaddr_in, is shorter than this struct.
			if m, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, originalDst); err == nil {
				a := m.Multiaddr
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), uint16(a[2])<<8|uint16(a[3]))
			}
			return
		}
		if m, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.SOL_IPV6, originalDst); err == nil {
			port := m.Addr.Port // in the order of the network
			to = netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), ntohs(port))
		}
	})
	return to, err
}

// ntohs returns a number whose bytes are in the order of the network.
func ntohs(n uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], n)
	return uint16(b[0])<<8 | uint16(b[1])
}

// LetTransparent lets a socket accept connections to the addresses of others, as TPROXY
// needs it. Without the right to do so the socket stays as it is: REDIRECT needs
// nothing. It is for the Control of a net.ListenConfig.
func LetTransparent(network, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		if network == "tcp6" || network == "udp6" {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
		}
	})
}
