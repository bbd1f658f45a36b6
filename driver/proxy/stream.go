package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

const (
	// maxStream bounds what is kept of each direction of a stream, in bytes;
	// pieceCost is the memory of a piece beside its data, in bytes.
	maxStream = 2 << 20
	pieceCost = 128
	// pieceSize is how much of a stream is read at once, in bytes.
	pieceSize = 16 << 10
)

// stream journals and records the bytes that pass between a device and a real
// server: its entry at once, then the pieces, then its end. A nil stream does
// nothing.
type stream struct {
	j     *capture.Sockets
	rec   Recorder // nil records nothing
	entry capture.Entry
	fly   *capture.Flight

	mu       sync.Mutex
	up, down half
	byClient bool // the device ended its half first
	reason   string
	closed   bool
	ended    bool
}

// half is one direction of a stream.
type half struct {
	size int64 // bytes that passed
	cost int   // memory of the pieces that are kept, in bytes
	cut  bool  // some are not kept
}

// stream journals the beginning of one, nil where nobody is to see it.
// f is its flight.
func (p *Proxy) stream(e *capture.Entry, f *capture.Flight) *stream {
	if p.cfg.Journal == nil {
		return nil
	}
	seq := p.cfg.Journal.Add(e)
	if p.cfg.Sockets == nil || seq == 0 {
		return nil
	}
	return &stream{j: p.cfg.Sockets, rec: p.cfg.Recorder, entry: *e, fly: f}
}

// half returns one direction; mu is held.
func (s *stream) half(fromClient bool) *half {
	if fromClient {
		return &s.up
	}
	return &s.down
}

// note journals bytes of one direction as a piece, as far as there is room, and
// records all of them.
func (s *stream) note(b []byte, fromClient bool) {
	if s == nil || len(b) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.half(fromClient)
	h.size += int64(len(b))
	s.flew(int64(len(b)), fromClient)
	if s.ended {
		return
	}
	e := &capture.Entry{
		Kind: capture.Message, Proto: capture.ProtoTCP, Start: time.Now(), Socket: s.entry.Seq, FromClient: fromClient,
		Binary: capture.IsBinary(b),
	}
	body := &e.ResponseBody
	if fromClient {
		body = &e.RequestBody
	}
	*body = capture.Blob{Size: int64(len(b)), Data: b}
	if s.rec != nil {
		s.rec.Message(&s.entry, e)
	}
	room := maxStream - h.cost - pieceCost
	if body.Truncated = room < len(b); body.Truncated {
		h.cut = true
	}
	if room <= 0 {
		return
	}
	body.Data = bytes.Clone(b[:min(len(b), room)])
	h.cost += len(body.Data) + pieceCost
	s.j.Add(e)
}

// fault returns an error that names the side that failed in a direction. It is nil
// for errors that follow from an end: our own close, a peer that closes TLS without
// close_notify. It is nil for a device that resets the connection, too: many devices
// leave so. Then the reset is the reason of the end.
func (s *stream) fault(err error, fromClient bool) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	var op *net.OpError
	device := fromClient == (!errors.As(err, &op) || op.Op != "write")
	reset := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case device && reset:
		if s != nil {
			s.mu.Lock()
			s.reason = "the device reset the connection"
			s.mu.Unlock()
		}
		return nil
	case reset:
		return errors.New("the server reset the connection")
	case device:
		return fmt.Errorf("device: %w", err)
	}
	return fmt.Errorf("server: %w", err)
}

// full reports whether no more bytes of a direction are kept or recorded.
func (s *stream) full(fromClient bool) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.half(fromClient).cut && s.rec == nil
}

// count counts bytes that passed without a look.
func (s *stream) count(n int64, fromClient bool) {
	if s != nil {
		s.mu.Lock()
		s.half(fromClient).size += n
		s.flew(n, fromClient)
		s.mu.Unlock()
	}
}

// flew counts bytes for those who look at the exchanges in flight.
func (s *stream) flew(n int64, fromClient bool) {
	if fromClient {
		s.fly.Received(n)
	} else {
		s.fly.Sent(n)
	}
}

// closing notes which side ended first.
func (s *stream) closing(byClient bool) {
	if s != nil {
		s.mu.Lock()
		if !s.closed {
			s.closed, s.byClient = true, byClient
		}
		s.mu.Unlock()
	}
}

// end journals that the stream is over; why is empty unless it failed.
func (s *stream) end(why string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	e := s.entry
	e.Kind, e.Socket, e.Duration, e.FromClient, e.Error = capture.SocketEnd, s.entry.Seq, time.Since(e.Start), s.byClient, why
	e.CloseReason = s.reason
	if s.fly.WasCut() {
		e.Error = capture.ErrCut.Error()
		e.Notes = append(slices.Clip(e.Notes), exchange.Note{Level: exchange.Met, Text: capture.CutOff})
	}
	e.RequestBody = capture.Blob{Size: s.up.size, Truncated: s.up.cut}
	e.ResponseBody = capture.Blob{Size: s.down.size, Truncated: s.down.cut}
	s.j.Add(&e)
	if s.rec != nil {
		s.rec.SocketEnd(&e)
	}
}

// pipe copies both ways until both sides have ended, passing half-closes on,
// and journals the end.
func (s *stream) pipe(device, server net.Conn) {
	done := make(chan error)
	go func() { done <- s.copy(server, device, true) }()
	err := s.copy(device, server, false)
	if e := <-done; err == nil {
		err = e
	}
	device.Close()
	server.Close()
	if err != nil {
		s.end(err.Error())
	} else {
		s.end("")
	}
}

// copy copies one way and passes the end on. An error ends the other way too,
// which then fails as well: only the first one is given.
func (s *stream) copy(dst, src net.Conn, fromClient bool) error {
	err := s.transfer(dst, src, fromClient)
	s.closing(fromClient)
	if err != nil {
		dst.Close()
		src.Close()
		return s.fault(err, fromClient)
	}
	closeWrite(dst)
	return nil
}

// transfer copies one way: piece by piece while they are kept, then by the
// fastest way that there is.
func (s *stream) transfer(dst, src net.Conn, fromClient bool) error {
	buf := make([]byte, pieceSize)
	for !s.full(fromClient) {
		n, err := src.Read(buf)
		s.note(buf[:n], fromClient)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); err == nil {
				err = werr
			}
		}
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
	n, err := io.Copy(dst, src)
	s.count(n, fromClient)
	return err
}
