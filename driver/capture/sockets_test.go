package capture

import (
	"net/http"
	"testing"
)

// A socket stays over when the entry of its end has gone, for as long as its
// handshake is there.
func TestSocketsAreOver(t *testing.T) {
	t.Parallel()
	handshakes := New(Options{})
	defer handshakes.Close()
	s := NewSockets(handshakes, Options{MaxBytes: 4 << 10})
	defer s.Close()
	const n = 3 * minSweep
	for range n {
		e := &Entry{Method: "GET", Status: http.StatusSwitchingProtocols}
		seq := handshakes.Add(e)
		if s.Over(seq) {
			t.Fatalf("socket %d is over before it ended", seq)
		}
		s.Add(&Entry{Kind: SocketEnd, Socket: seq})
	}
	if kept := s.Stats().Entries; kept >= n {
		t.Fatalf("all %d ends are held", kept)
	}
	for _, seq := range []uint64{1, n / 2, n} {
		if !s.Over(seq) {
			t.Errorf("socket %d is not over", seq)
		}
	}
	// What has been cleared is forgotten, some time.
	handshakes.Clear()
	for range 3 * n {
		s.Add(&Entry{Kind: SocketEnd, Socket: handshakes.Add(&Entry{})})
		if handshakes.Last()%minSweep == 0 {
			handshakes.Clear()
		}
	}
	if len(s.over) > 2*n {
		t.Errorf("%d sockets are remembered, none of their handshakes is there", len(s.over))
	}
}
