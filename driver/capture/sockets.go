package capture

import (
	"sync"
	"time"
)

// Sockets is the journal of the messages of WebSockets and the pieces of streams. Their
// handshakes and beginnings are in another journal. As long as that has the handshake,
// Sockets knows whether the socket has ended, even when it has dropped the entry of the
// end.
type Sockets struct {
	*Journal
	handshakes *Journal

	mu    sync.Mutex
	over  map[uint64]time.Duration // how long the sockets lasted that have ended
	sweep int                      // size of over at which dropped handshakes are removed

	streams streams
}

// minSweep is the first value of Sockets.sweep.
const minSweep = 1024

// NewSockets returns an empty journal for the sockets and streams of handshakes. It must be
// called before handshakes is used. Events of handshakes show the bytes of streams then.
func NewSockets(handshakes *Journal, o Options) *Sockets {
	s := &Sockets{Journal: New(o), handshakes: handshakes, over: map[uint64]time.Duration{}, sweep: minSweep}
	handshakes.sockets = s
	return s
}

// Add is [Journal.Add]. A SocketEnd ends its socket.
func (s *Sockets) Add(e *Entry) uint64 {
	if e.Kind == SocketEnd {
		s.end(e.Socket, e.Duration)
	}
	seq := s.Journal.Add(e)
	if e.Proto == ProtoTCP && seq != 0 {
		s.mu.Lock()
		s.index(e.Socket, seq)
		s.mu.Unlock()
	}
	return seq
}

func (s *Sockets) end(seq uint64, lasted time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over[seq] = lasted
	if len(s.over) < s.sweep {
		return
	}
	first := s.handshakes.Stats().First
	for seq := range s.over {
		if seq < first {
			delete(s.over, seq)
		}
	}
	s.sweep = max(2*len(s.over), minSweep)
}

// Over reports whether the socket whose handshake has the number seq has ended, and how
// long it lasted.
func (s *Sockets) Over(seq uint64) (lasted time.Duration, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasted, over = s.over[seq]
	return lasted, over
}
