//go:build !unix

package proxy

import "net"

// quiet trusts the retry of requests to find closed connections.
func quiet(net.Conn) bool { return true }
