//go:build unix

package proxy

import (
	"sync/atomic"
	"syscall"
	"testing"
)

// TestKeepAlive checks that TCP asks for peers that say nothing, on both sides.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.dial()
	eventually(t, "accepted", func() bool { return b.open() == 1 })
	server, err := b.p.upstream.dial(t.Context(), silence(t, new(atomic.Int32)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	for k := range b.p.conns {
		for side, c := range map[string]any{"device": k.(*frontConn).lane.tcp, "server": server} {
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				if on, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); err != nil || on == 0 {
					t.Errorf("%s: keep-alive is %d, %v", side, on, err)
				}
			})
		}
	}
}
