package capture

import (
	"net/http"
	"strings"

	"starproxy/builtins/exchange"
)

// Outcome is the way in which a request was answered.
type Outcome uint8

// The outcomes of a request.
const (
	Mocked    Outcome = iota // a mock or a script answered, with an injected fault too
	Patched                  // the real server answered, and a mock changed the answer
	Replayed                 // a recording answered
	Forwarded                // the real server answered
	Rejected                 // no mock, or no recording, answers it, and no server was to be asked
	Failed                   // a server, a script or the device failed, or the transfer broke off
	Served                   // the proxy itself answered, as on its page with the CA certificate

	outcomes = iota
)

// String returns the word for metrics and logs.
func (o Outcome) String() string {
	return [outcomes]string{"mocked", "patched", "replayed", "forwarded", "rejected", "failed", "served"}[o]
}

// Outcome returns the outcome of an entry of kind [HTTP].
func (e *Entry) Outcome() Outcome {
	switch {
	case e.Unmatched && (e.Origin == exchange.FromReplay || e.Origin == exchange.FromProxy && e.Status == http.StatusNotImplemented):
		return Rejected
	case e.Error != "" && !strings.HasPrefix(e.Error, exchange.ErrFault.Error()):
		return Failed
	}
	switch e.Origin {
	case exchange.FromServer:
		return Forwarded
	case exchange.FromPatch:
		return Patched
	case exchange.FromReplay:
		return Replayed
	case exchange.FromProxy:
		return Served
	}
	return Mocked
}

// Tally counts all entries that were added to a journal.
type Tally struct {
	requests [outcomes]uint64
	// Unmatched counts the requests that no mock, or no recording, matches.
	Unmatched uint64
	// Streams counts the tunnels that did not carry HTTP.
	Streams uint64
}

// count counts an entry. It runs for each request, under the journal's lock.
func (t *Tally) count(e *Entry) {
	switch e.Kind {
	case HTTP:
		t.requests[e.Outcome()]++
		if e.Unmatched {
			t.Unmatched++
		}
	case TCP:
		t.Streams++
	}
}

// Requests returns the number of requests for each outcome, by its word.
func (t *Tally) Requests() map[string]uint64 {
	m := make(map[string]uint64, outcomes)
	for o, n := range t.requests {
		m[Outcome(o).String()] = n
	}
	return m
}

// Tally returns the counts of all entries that were added, whether or not the journal still
// has them.
func (j *Journal) Tally() Tally {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tally
}
