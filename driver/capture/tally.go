package capture

import (
	"net/http"
	"strings"

	"starproxy/builtins/exchange"
)

// Outcome is what became of a request.
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

// String is the word that metrics and logs show.
func (o Outcome) String() string {
	return [outcomes]string{"mocked", "patched", "replayed", "forwarded", "rejected", "failed", "served"}[o]
}

// Outcome tells what became of the request of an entry of kind [HTTP].
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

// Tally counts what was ever added to a journal.
type Tally struct {
	requests [outcomes]uint64
	// Unmatched requests are those that no mock, or no recording, answers.
	Unmatched uint64
	// Streams are tunnels that carried something else than HTTP.
	Streams uint64
}

// count counts an entry. It is called for every request, under the journal's
// lock, and does no more than add.
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

// Requests counts the requests by the word of their outcome, all words included.
func (t *Tally) Requests() map[string]uint64 {
	m := make(map[string]uint64, outcomes)
	for o, n := range t.requests {
		m[Outcome(o).String()] = n
	}
	return m
}

// Tally tells what was ever added to the journal, whether or not it is still
// there.
func (j *Journal) Tally() Tally {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tally
}
