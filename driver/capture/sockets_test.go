package capture

import (
	"net/http"
	"testing"
	"time"
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
		if _, over := s.Over(seq); over {
			t.Fatalf("socket %d is over before it ended", seq)
		}
		s.Add(&Entry{Kind: SocketEnd, Socket: seq, Duration: time.Duration(seq)})
	}
	if kept := s.Stats().Entries; kept >= n {
		t.Fatalf("all %d ends are held", kept)
	}
	for _, seq := range []uint64{1, n / 2, n} {
		if lasted, over := s.Over(seq); !over || lasted != time.Duration(seq) {
			t.Errorf("socket %d: over %v after %d", seq, over, lasted)
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
