package capture

import (
	"sync"
	"time"
)

// Sockets is the journal of what WebSockets say, beside that of their
// handshakes. It knows which of them are over for as long as the handshake is
// held, even when the entry of the end has left the budget.
type Sockets struct {
	*Journal
	handshakes *Journal

	mu    sync.Mutex
	over  map[uint64]time.Duration // how long they lasted
	sweep int                      // at this size over is rid of handshakes that have gone
}

// minSweep is the size at which over is swept first.
const minSweep = 1024

// NewSockets makes an empty journal for the sockets of handshakes.
func NewSockets(handshakes *Journal, o Options) *Sockets {
	return &Sockets{Journal: New(o), handshakes: handshakes, over: map[uint64]time.Duration{}, sweep: minSweep}
}

// Add is Journal.Add; a SocketEnd ends its socket.
func (s *Sockets) Add(e *Entry) uint64 {
	if e.Kind == SocketEnd {
		s.end(e.Socket, e.Duration)
	}
	return s.Journal.Add(e)
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

// Over tells whether the socket whose handshake has that number has ended, and
// how long it lasted.
func (s *Sockets) Over(seq uint64) (lasted time.Duration, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasted, over = s.over[seq]
	return lasted, over
}
