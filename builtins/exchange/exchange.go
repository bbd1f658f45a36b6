// Package exchange holds the values that every part of starproxy speaks: the
// request of a device, the response it gets, and the Handler that turns one
// into the other.
//
// An Exchange belongs to the goroutine that serves it; what it points to may be
// read by others once it has been journaled. A Response may be shared by many
// exchanges (a static mock builds one and answers with it for ever), so nobody
// changes a Response that he did not make: use [Response.Clone].
//
// The proxy makes Exchanges, mock and script answer them, capture remembers them.
package exchange

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Handler answers an exchange.
//
// A nil Response without an error means that the handler does not answer: the
// request goes to the real server. An error that is (or wraps) an
// [UpstreamError] becomes a 502 with the reason, any other a 500.
type Handler interface {
	Respond(ctx context.Context, x *Exchange) (*Response, error)
}

// HandlerFunc lets a function be a Handler.
type HandlerFunc func(ctx context.Context, x *Exchange) (*Response, error)

// Respond calls f.
func (f HandlerFunc) Respond(ctx context.Context, x *Exchange) (*Response, error) { return f(ctx, x) }

// Exchange is one request and what happens to it.
type Exchange struct {
	// ID numbers the exchanges of a proxy, from 1.
	ID uint64
	// Start is when the request's header had been read.
	Start time.Time
	// Client is the address the device connected from.
	Client netip.AddrPort
	// Request is never nil.
	Request *Request
	// Endpoint is the key of the endpoint that answered, as it was written
	// ("GET /api/v1/status"), or empty.
	Endpoint string
	// Source says where that endpoint was defined ("happy.yaml:12"), or empty.
	Source string
	// Unmatched says that no mock, or no recording, answers the request.
	Unmatched bool
	// Params holds what the {name} segments of the endpoint's path matched.
	Params map[string]string
	// Gone ends when the endpoint that answers is removed or replaced; nil means
	// never. Streams and sockets of the endpoint end with it. The proxy ends
	// bodies without a length itself.
	Gone context.Context
	// Notes collects what handlers and scripts have to say about this exchange.
	Notes Notes
	// Edits are what was changed of the request and of the response, in the order in
	// which it happened.
	Edits []Edit
	// Forward asks the real server for its answer to Request as it is now.
	// Its errors are of type *UpstreamError, or *DeviceError where the device
	// failed meanwhile, but for ErrBodySpent and for a request that can't be
	// written as HTTP.
	Forward func(context.Context) (*Response, error)

	after afterwards
}

// Edit is a change of one part of a request or response that was under way.
type Edit struct {
	// By is who made it, such as "hand".
	By string
	// Side is "request" or "response", Part "method", "url", "status", "headers" or
	// "body".
	Side, Part string
	// Before and After are the part as it was and as it went on: of headers, lines of
	// the form "Name: value", each with a line feed; of a body its text, without its
	// content encoding.
	Before, After string
}

// MaxEdited is how much of a part an [Edit] has, in bytes.
const MaxEdited = 64 << 10

// Note is a remark on an exchange: a warning, a script's log line, a backtrace, or
// a fault that was set for it.
type Note struct {
	Level string // "info", "warning", "error" or [Met]
	Text  string
}

// Met is the level of the notes that [Notes.Meet] adds.
const Met = "met"

// Notes is a list of remarks that several goroutines may append to. The zero
// value is ready for use.
type Notes struct {
	mu   sync.Mutex
	list []Note
}

// maxNotes bounds what one exchange can carry.
const maxNotes = 200

// Add appends a remark. Beyond 200 remarks an exchange drops further ones.
func (n *Notes) Add(level, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.list) < maxNotes {
		n.list = append(n.list, Note{Level: level, Text: text})
	}
}

// Meet records that the exchange met a fault or a condition that somebody has set,
// such as "fault reset (ota.yaml:12)" or "network edge". A name is recorded once.
func (n *Notes) Meet(name string) {
	n.mu.Lock()
	met := slices.Contains(n.list, Note{Met, name})
	n.mu.Unlock()
	if !met {
		n.Add(Met, name)
	}
}

// List returns the remarks so far, or nil.
func (n *Notes) List() []Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.list[:len(n.list):len(n.list)]
}
