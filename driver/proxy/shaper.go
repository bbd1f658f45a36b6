package proxy

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"starproxy/driver/tlsfault"
)

// shaper makes of our part of a handshake what a fault wants it to be. It is given what
// crypto/tls writes: whole records.
type shaper interface{ write(b []byte) error }

// newShaper returns the shaper of a fault; nil when our part stays as it is.
func newShaper(c *conn, f *tlsfault.Fault) shaper {
	switch f.Kind {
	case tlsfault.Alerted, tlsfault.Garbage, tlsfault.Plaintext:
		return mute{}
	case tlsfault.Abort, tlsfault.Stall:
		if f.After == tlsfault.ClientHello {
			return mute{}
		}
		return &cutter{c: c, after: f.After}
	case tlsfault.Slow:
		return &dripper{c: c, size: f.Bytes, wait: f.Wait()}
	}
	return nil
}

// mute drops everything.
type mute struct{}

func (mute) write([]byte) error { return nil }

// cutter sends records up to a message of the handshake, and then ends it.
type cutter struct {
	c         *conn
	after     tlsfault.Stage
	encrypted int // records so far
}

func (s *cutter) write(b []byte) error {
	for rest := b; len(rest) >= recordHeader; {
		n := recordHeader + int(rest[3])<<8 + int(rest[4])
		if n > len(rest) {
			break
		}
		last := s.ends(rest[0], rest[recordHeader:n])
		if rest = rest[n:]; last {
			if err := s.c.emit(b[:len(b)-len(rest)]); err != nil {
				return err
			}
			return errFault
		}
	}
	return s.c.emit(b)
}

// ends reports whether a record is the last one to send. crypto/tls begins a record
// for each message of a handshake. With TLS 1.3 they are encrypted behind the
// ServerHello: EncryptedExtensions come first, then the certificate (RFC 8446 section 2).
func (s *cutter) ends(kind byte, body []byte) bool {
	const applicationData, serverHello, certificate = 0x17, 2, 11
	switch {
	case kind == applicationData:
		s.encrypted++
		return s.after == tlsfault.Certificate && s.encrypted == 2
	case kind != recordHandshake || len(body) == 0:
		return false
	case body[0] == serverHello:
		return s.after == tlsfault.ServerHello && !isRetry(body)
	}
	return s.after == tlsfault.Certificate && body[0] == certificate
}

// isRetry reports whether a ServerHello is a HelloRetryRequest, by its random (RFC 8446
// section 4.1.3).
func isRetry(hello []byte) bool {
	const before = 1 + 3 + 2 // type, length, version
	random := sha256.Sum256([]byte("HelloRetryRequest"))
	return len(hello) > before && bytes.HasPrefix(hello[before:], random[:])
}

// dripper sends small pieces, and waits ahead of each.
type dripper struct {
	c    *conn
	size int // bytes
	wait time.Duration
}

func (s *dripper) write(b []byte) error {
	tick := time.NewTicker(s.wait)
	defer tick.Stop()
	for piece := range slices.Chunk(s.c.shortened(b), s.size) {
		select {
		case <-tick.C:
		case <-s.c.p.ctx.Done():
			return errStopped
		}
		s.c.mark()
		if _, err := s.c.Conn.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
