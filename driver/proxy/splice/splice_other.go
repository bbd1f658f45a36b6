//go:build !linux

package splice

import "net"

// Available reports whether bodies are moved without reading them. Here they are
// copied.
const Available = false

// moveTo copies what is left.
func (m *Mover) moveTo(to *net.TCPConn, moved func(), stop func() bool) (int64, error) {
	return m.copyTo(to, moved, func() bool { return !stop() })
}
