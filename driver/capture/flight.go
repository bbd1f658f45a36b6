package capture

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
)

// CutOff is how captures name what [Flights.Cut] did to an exchange, see [Entry.Met].
const CutOff = "cut off by hand"

// ErrCut is the error of an exchange that somebody ended with [Flights.Cut].
var ErrCut = errors.New(CutOff)

// State is what an exchange in flight waits for.
type State uint32

// The states of exchanges in flight.
const (
	Answering      State = iota // a mock, a script or a recording makes the answer
	Connecting                  // the proxy connects to the real server
	Waiting                     // for the answer of the real server
	Delayed                     // for the end of a delay that was set
	Sending                     // the answer is sent to the device
	Stalled                     // a fault holds the answer back
	Joined                      // a WebSocket, or a stream of bytes that are not HTTP
	HeldRequest                 // somebody holds the request
	HeldResponse                // somebody holds the answer
	numberOfStates = iota
)

// String returns the name of the state, as views show it.
func (s State) String() string {
	return [numberOfStates]string{
		"answering", "connecting", "waiting", "delayed", "sending", "stalled", "open", "held request", "held response",
	}[s]
}

// Cutter ends an exchange.
type Cutter interface {
	// CutOff resets the connections of an exchange on both sides. It does not wait for
	// the exchange to end.
	CutOff()
}

// Flight is an exchange that has not ended. The proxy keeps it beside its own data of the
// exchange, so that it needs no memory of its own. The zero value is ready for
// [Flights.Enter].
type Flight struct {
	number uint64
	state  atomic.Uint32
	cut    atomic.Bool
	// received and sent count bytes that no recorder counts, see Received and Sent.
	received, sent atomic.Int64

	// The lock of the shard guards these.
	in         bool
	next, prev *Flight
	request    *Entry // only the fields of the request, and Seq
	cutter     Cutter
	up, down   *Recorder // of the bodies, nil for none
	response   *exchange.Response
	endpoint   string
	source     string
	cutting    chan struct{} // closed when CutOff has returned, nil when it does not run
}

// Set notes what the exchange waits for.
func (f *Flight) Set(s State) { f.state.Store(uint32(s)) }

// State returns what the exchange waits for.
func (f *Flight) State() State { return State(f.state.Load()) }

// Received counts bytes from the device that no [Recorder] counts.
func (f *Flight) Received(n int64) { f.received.Add(n) }

// Sent counts bytes to the device that no [Recorder] counts.
func (f *Flight) Sent(n int64) { f.sent.Add(n) }

// shards is the number of parts of the table. Each has a lock of its own, so that
// requests that begin and end at the same time do not wait for each other.
const shards = 16

// Flights are the exchanges in flight. They may be used by any number of goroutines. A
// request that nobody looks at costs it three locks that are free, and no memory.
type Flights struct {
	last   atomic.Uint64
	shards [shards]shard

	watched atomic.Bool // somebody waits for a change
	mu      sync.Mutex
	changed follow.Signal
}

// shard is a part of the table: a list of flights. The padding keeps the locks of two
// parts out of one line of the processor's cache.
type shard struct {
	mu   sync.Mutex
	head *Flight
	_    [48]byte
}

func (t *Flights) shard(number uint64) *shard { return &t.shards[number%shards] }

// Number returns the number for an exchange that begins: the first one is 1.
func (t *Flights) Number() uint64 { return t.last.Add(1) }

// Enter adds an exchange with a number of [Flights.Number]. request has the fields of an
// entry that are known when the header of the request has been read; they must not change
// before [Flights.Leave]. body counts and keeps the body of the request, nil for none.
func (t *Flights) Enter(f *Flight, number uint64, request *Entry, body *Recorder, c Cutter) {
	s := t.shard(number)
	s.mu.Lock()
	f.number, f.request, f.up, f.cutter, f.in = number, request, body, c, true
	f.prev, f.next = nil, s.head
	if s.head != nil {
		s.head.prev = f
	}
	s.head = f
	s.mu.Unlock()
	t.notify()
}

// Answer notes that an answer is sent. Neither its header nor its body may change before
// [Flights.Leave]. body counts and keeps the bytes of it, nil for none.
func (t *Flights) Answer(f *Flight, res *exchange.Response, body *Recorder, endpoint, source string) {
	s := t.shard(f.number)
	s.mu.Lock()
	f.response, f.down, f.endpoint, f.source = res, body, endpoint, source
	s.mu.Unlock()
}

// Leave removes an exchange that ends. It does nothing for one that is not in the table.
// When Cut ends the exchange at the same time, it waits for that. It reports whether
// somebody has cut the exchange.
func (t *Flights) Leave(f *Flight) (cut bool) {
	s := t.shard(f.number)
	s.mu.Lock()
	if f.in {
		f.in = false
		if f.prev != nil {
			f.prev.next = f.next
		} else {
			s.head = f.next
		}
		if f.next != nil {
			f.next.prev = f.prev
		}
		f.next, f.prev = nil, nil
		defer t.notify()
	}
	cut = f.cut.Load()
	cutting := f.cutting
	s.mu.Unlock()
	if cutting != nil {
		<-cutting
	}
	return cut
}

// WasCut reports whether somebody has cut the exchange.
func (f *Flight) WasCut() bool { return f.cut.Load() }

// Cut resets the connections of an exchange on both sides. Its entry tells that with
// [ErrCut] and [CutOff]. Cut reports false if there is no such exchange in flight. It does
// not wait for the exchange to end.
func (t *Flights) Cut(number uint64) bool {
	s := t.shard(number)
	s.mu.Lock()
	f := s.find(number)
	if f == nil || f.cutter == nil {
		s.mu.Unlock()
		return false
	}
	if f.cut.Load() {
		s.mu.Unlock()
		return true
	}
	done := make(chan struct{})
	f.cut.Store(true)
	f.cutting = done
	c := f.cutter
	s.mu.Unlock()
	defer close(done)
	c.CutOff()
	return true
}

// Set notes what the exchange with a number waits for. It reports false if there is no
// such exchange in flight.
func (t *Flights) Set(number uint64, to State) bool {
	s := t.shard(number)
	s.mu.Lock()
	f := s.find(number)
	s.mu.Unlock()
	if f == nil {
		return false
	}
	f.Set(to)
	t.notify()
	return true
}

// find returns the flight with a number, nil for none. The lock is held.
func (s *shard) find(number uint64) *Flight {
	f := s.head
	for f != nil && f.number != number {
		f = f.next
	}
	return f
}

// Changed returns a channel that is closed when an exchange begins or ends next. Bytes
// that pass do not close it.
func (t *Flights) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched.Store(true)
	return t.changed.Changed()
}

// notify wakes those who wait for a change. When nobody does, it costs one atomic load.
func (t *Flights) notify() {
	if !t.watched.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched.Store(false)
	t.changed.Notify()
}

// Open is an exchange in flight, as it was when somebody looked at it.
type Open struct {
	// Entry has what is known so far. Live is its number; Seq is 0, unless it is the
	// handshake of a WebSocket or the beginning of a stream that is in the journal. The
	// sizes of the bodies are those of the bytes so far, which [Open.Bodies] fills in.
	*Entry
	State State
	// Sending says that the header of the answer is known.
	Sending  bool
	up, down *Recorder
}

// open copies what is known of a flight. The lock is held.
func (f *Flight) open() *Open {
	e := *f.request
	e.Live, e.Open = f.number, true
	e.RequestBody, e.ResponseBody = Blob{Size: f.received.Load()}, Blob{Size: f.sent.Load()}
	o := &Open{Entry: &e, State: f.State(), up: f.up, down: f.down}
	if res := f.response; res != nil {
		o.Sending = true
		e.Status, e.ResponseHeader, e.Origin = res.Status, res.Header, res.Origin
		e.Endpoint, e.Source = f.endpoint, f.source
		if b, ok := res.Body.(exchange.Stored); ok && f.down == nil {
			e.ResponseBody = StoredBlob(b).first(e.ResponseBody.Size)
		}
	}
	return o
}

// first returns the first n bytes of a body.
func (b Blob) first(n int64) Blob {
	b.Size = min(n, b.Size)
	if b.Path == "" {
		b.Data = b.Data[:min(b.Size, int64(len(b.Data)))]
	}
	return b
}

// size fills in how many bytes have passed. It is called without the lock, because a
// recorder may be writing to a file.
func (o *Open) size() {
	if o.up != nil {
		o.RequestBody.Size = o.up.Size()
	}
	if o.down != nil {
		o.ResponseBody.Size = o.down.Size()
	}
}

// Bodies fills in the bytes of the bodies so far, at most limit bytes of each.
func (o *Open) Bodies(limit int) {
	if o.up != nil {
		o.RequestBody = o.up.Peek(limit)
	}
	if o.down != nil {
		o.ResponseBody = o.down.Peek(limit)
	}
}

// List returns the exchanges in flight, in the order in which they began.
func (t *Flights) List() []*Open {
	var list []*Open
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for f := s.head; f != nil; f = f.next {
			list = append(list, f.open())
		}
		s.mu.Unlock()
	}
	for _, o := range list {
		o.size()
	}
	slices.SortFunc(list, func(a, b *Open) int { return cmp.Compare(a.Live, b.Live) })
	return list
}

// Get returns the exchange with a number, nil if it is not in flight.
func (t *Flights) Get(number uint64) *Open {
	s := t.shard(number)
	s.mu.Lock()
	f := s.find(number)
	var o *Open
	if f != nil {
		o = f.open()
	}
	s.mu.Unlock()
	if o != nil {
		o.size()
	}
	return o
}

// Flights are the exchanges in flight whose entries the journal will get.
func (j *Journal) Flights() *Flights { return &j.flights }

// Size returns how many bytes have been written.
func (r *Recorder) Size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size
}

// Peek returns the body so far, with a copy of at most limit of its first bytes. The record
// goes on.
func (r *Recorder) Peek(limit int) Blob {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := Blob{Size: r.size, Truncated: r.cut}
	if r.out == nil {
		b.Data = append([]byte{}, r.buf[:min(limit, len(r.buf))]...)
		b.Truncated = b.Truncated || int64(len(b.Data)) < b.Size
		return b
	}
	data, err := io.ReadAll(io.NewSectionReader(r.out, 0, min(int64(limit), r.written)))
	if room := min(limit-len(data), len(r.buf)); err == nil && room > 0 {
		data = append(data, r.buf[:room]...)
	}
	b.Data = data
	b.Truncated = b.Truncated || int64(len(b.Data)) < b.Size
	return b
}
