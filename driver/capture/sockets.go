package capture

import (
	"sync"
	"time"
)

// Sockets is the journal of what WebSockets and streams say, beside that of
// their handshakes and beginnings. It knows which of them are over for as long as the handshake is
// held, even when the entry of the end has left the budget.
type Sockets struct {
	*Journal
	handshakes *Journal

	mu    sync.Mutex
	over  map[uint64]time.Duration // how long they lasted
	sweep int                      // at this size over is rid of handshakes that have gone

	streams streams
}

// minSweep is the size at which over is swept first.
const minSweep = 1024

// NewSockets makes an empty journal for the sockets and streams of handshakes,
// whose events tell from then on what streams carry. It must be called before
// handshakes is used.
func NewSockets(handshakes *Journal, o Options) *Sockets {
	s := &Sockets{Journal: New(o), handshakes: handshakes, over: map[uint64]time.Duration{}, sweep: minSweep}
	handshakes.sockets = s
	return s
}

// Add is Journal.Add; a SocketEnd ends its socket.
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

// Over tells whether the socket whose handshake has that number has ended, and
// how long it lasted.
func (s *Sockets) Over(seq uint64) (lasted time.Duration, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lasted, over = s.over[seq]
	return lasted, over
}
