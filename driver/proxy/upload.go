package proxy

import (
	"bufio"
	"context"
	"io"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/h1"
)

// A server may answer before it has read the whole request (RFC 9112 section
// 9.3), so a large body is uploaded on a goroutine beside the answer. Nobody may
// read it when the request is served, for the next one follows: finish waits for
// that goroutine, or stops it.

const (
	// inlineBody is the largest request body that is read whole before it is
	// forwarded, so that the request can be repeated on another connection.
	inlineBody = 64 << 10
	// lastWord is how long a server that takes no more of a body may need to
	// say why.
	lastWord = time.Second
	// lastBytes is how long an answer waits for the end of an upload that needs
	// no more than a write.
	lastBytes = 10 * time.Millisecond
	// lingerIdle and lingerTotal bound how long the rest of an upload that no
	// server takes is read from the device: a connection that is closed while
	// bytes arrive is reset, and the reset can destroy the answer (RFC 9112
	// section 9.6).
	lingerIdle  = 5 * time.Second
	lingerTotal = 30 * time.Second
)

// upload is a request body on its way to the server, beside the answer.
type upload struct {
	c       *h1Conn       // nil for HTTP/2
	pump    *pump         // for HTTP/2, else nil
	stop    chan struct{} // ends the pump
	p       payload
	moved   atomic.Int64 // bytes that the server's connection took
	broke   atomic.Bool  // by the device, which the server may notice before done is closed
	done    chan struct{}
	err     error // set before done is closed
	refused bool  // the server took no more; set before done is closed
}

// upload starts to send a stream.
func (s *serving) upload(c *h1Conn, p payload) *upload {
	if s.up == nil {
		s.fullDuplex()
	}
	up := &upload{c: c, p: p, done: make(chan struct{})}
	s.up = up
	c.users.Add(1)
	go func() {
		up.err = up.write()
		switch {
		case up.err == nil:
		case up.refused:
			c.spent.Store(true)
			c.SetReadDeadline(time.Now().Add(lastWord)) // an answer may be there already
		default:
			up.broke.Store(true)
			c.Close() // the server sees that the body broke off
		}
		p.release()
		c.leave(up.err == nil || up.refused) // the answer's reader closes a spent connection
		close(up.done)
	}()
	return up
}

// fullDuplex prepares for a body that is read while the answer is sent. A device that
// waits for 100 Continue gets it now: after an answer it would wait for ever, or send
// another request.
func (s *serving) fullDuplex() {
	if s.h1 != nil && s.h1.s.body != nil {
		s.h1.s.body.invite()
	}
}

// over reports whether the upload has ended, well or not.
func (u *upload) over() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// wait returns when the upload is over, the server took nothing for idle, or
// ctx ended.
func (u *upload) wait(ctx context.Context, idle time.Duration) {
	t := time.NewTimer(idle)
	defer t.Stop()
	for before := u.moved.Load(); ; {
		select {
		case <-u.done:
			return
		case <-ctx.Done():
			return
		case <-t.C:
			now := u.moved.Load()
			if now == before {
				return
			}
			before = now
			t.Reset(idle)
		}
	}
}

// write streams the body, with its trailers when it is chunked. Each piece is sent as
// soon as it was read.
func (u *upload) write() error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	w, chunked := u.c.bw, u.p.length < 0
	dst := io.Writer(w)
	if chunked {
		dst = h1.ChunkWriter{W: w}
	}
	for {
		n, err := u.p.stream.Read(buf[:])
		if n > 0 {
			if e := u.pass(dst, w, buf[:n]); e != nil && (err == nil || err == io.EOF) {
				return e
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if chunked {
		var trailer exchange.Header
		if u.p.trailer != nil {
			trailer = u.p.trailer()
		}
		_ = h1.ChunkWriter{W: w}.End(trailer) // w keeps the error
	}
	err := w.Flush()
	u.refused = err != nil
	return err
}

func (u *upload) pass(dst io.Writer, w *bufio.Writer, b []byte) error {
	_, err := dst.Write(b)
	if err == nil {
		err = w.Flush()
	}
	u.refused = err != nil
	u.moved.Add(int64(len(b)))
	return err
}

// finish sees to an upload that the answer was quicker than. The device has its
// whole answer first. Then the server gets the rest of the body as long as it
// takes it, since it may need it (RFC 9112 section 9.3); what no server takes
// is read and dropped, within bounds.
func (s *serving) finish() {
	s.takeBack()
	up := s.up
	if up == nil {
		return
	}
	if up.pump != nil {
		defer up.pump.free()
	}
	ctx := s.ctx
	if s.incoming.Whole() {
		// Nobody reads from the device any more. The last bytes are on their
		// way; then the connection is there for the next request.
		if up.wait(ctx, lastBytes); up.pump != nil && !up.over() {
			s.cut(up) // nobody fetches the last piece
		}
		return
	}
	switch {
	case s.conn.abort:
		s.cut(up)
		return
	case s.r.h2 != nil:
		// The answer ends when the handler returns. A stream of unknown length
		// may wait for that end.
		if up.p.length >= 0 {
			up.wait(ctx, lingerIdle)
		}
		s.cut(up)
		return
	}
	s.sayEnd()
	idle := idleTimeout
	if up.c.broken.Load() {
		idle = lingerIdle
	}
	if up.wait(ctx, idle); !up.over() {
		s.cut(up)
	} else if !s.incoming.Whole() {
		s.linger()
	}
}

// cut stops an upload.
func (s *serving) cut(up *upload) {
	if up.c != nil {
		up.c.Close()
	} else {
		close(up.stop)
	}
	if !s.incoming.Whole() {
		// The next request can't be told from the rest of the body.
		if s.r.h2 != nil {
			s.r.body.Close()
		} else {
			s.closing()
			s.h1.SetReadDeadline(time.Unix(1, 0))
		}
	}
	<-up.done
}

// linger reads the rest of the device's body. The connection is closed when the body
// does not end in time.
func (s *serving) linger() {
	end := time.Now().Add(lingerTotal)
	for time.Now().Before(end) {
		s.h1.SetReadDeadline(time.Now().Add(lingerIdle))
		if more, err := s.incoming.Discard(); err != nil {
			break
		} else if !more {
			s.h1.SetReadDeadline(time.Time{})
			return
		}
	}
	s.closing()
}

// closing has the device's connection closed once the device has all that was sent.
func (s *serving) closing() {
	s.conn.abort = true
	if nc := s.cl.base(); nc != nil {
		nc.linger.Store(true)
	}
}

// sayEnd sends the end of the answer.
func (s *serving) sayEnd() {
	s.h1.end()
	if s.h1.closes && s.h1.left < 0 && !s.h1.chunked {
		closeWrite(s.cl.conn) // it is the end of the body
	}
}
