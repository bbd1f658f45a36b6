package proxy

import (
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
)

// drainIdle is how long the answer of a mock waits for more of a request that
// may go on for as long as its answer, see drain.
const drainIdle = 100 * time.Millisecond

// drain reads the rest of a request's body when a mock or the proxy answers: many
// devices read no answer before they have sent all. A body that is on its way to a
// server is left to finish. done must be called after the answer.
//
// Over HTTP/2 a request without a length may be one side of a conversation, as
// in gRPC: then the device does not end it before it has the answer. Such a body
// is read while the answer is sent, once no more of it comes for drainIdle.
func (s *serving) drain(res *exchange.Response) (done func()) {
	if s.incoming == nil || res.Origin == exchange.FromServer || s.up != nil {
		return func() {}
	}
	if s.r.h2 == nil || s.r.length >= 0 {
		if err := s.incoming.Drain(); err != nil {
			s.err = err
		}
		return func() {}
	}
	var moved atomic.Int64
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for more := true; more && err == nil; moved.Add(1) {
			more, err = s.incoming.Discard()
		}
	}()
	for before := int64(-1); before != moved.Load(); {
		before = moved.Load()
		select {
		case <-ended:
			s.err = err
			return func() {}
		case <-time.After(drainIdle):
		}
	}
	return func() {
		s.r.body.Close() // what comes now is dropped
		<-ended
	}
}
