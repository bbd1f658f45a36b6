package driver

import (
	"context"

	"starproxy/driver/capture"
)

// Metrics are the counters of a proxy, as get_metrics gives them in JSON. They
// begin with the driver and go on when the proxy is stopped and started.
type Metrics struct {
	// Source identifies the driver. The counters of another source began at 0.
	Source string `json:"source"`
	// Mode is that of the proxy, or "stopped".
	Mode string `json:"mode"`
	// Mocks are the endpoints in force.
	Mocks int `json:"mocks"`
	// Requests counts by outcome, see [capture.Outcome].
	Requests map[string]uint64 `json:"requests"`
	// Unmatched counts requests that no mock, or no recording, answers.
	Unmatched uint64 `json:"unmatched"`
	// Refused counts refused requests of devices, see [proxy.Counters]. They are
	// not among Requests.
	Refused uint64 `json:"refused"`
	// Streams counts tunnels that carried a protocol other than HTTP.
	Streams uint64 `json:"streams"`
	// Dials counts attempts to connect to real servers by their result, see
	// [proxy.Counters].
	Dials map[string]uint64 `json:"dials"`
	// TLSFailures counts failed handshakes by peer, device or server, and reason.
	TLSFailures map[string]map[string]uint64 `json:"tls_failures"`
	// ScriptErrors counts exchanges in which a script failed.
	ScriptErrors uint64 `json:"script_errors"`
	// Journal tells how full the journal of captures is.
	Journal capture.Stats `json:"journal"`
}

func (r *reporter) getMetrics(context.Context) (*Metrics, error) {
	tally := r.journal.Tally()
	devices, servers := r.counters.TLSFailures()
	return &Metrics{
		Source: r.journal.ID(), Mode: r.life.mode(), Mocks: r.endpoints.Table().Len(),
		Requests: tally.Requests(), Unmatched: tally.Unmatched, Refused: r.counters.RefusedRequests(), Streams: tally.Streams,
		Dials:        r.counters.Dials(),
		TLSFailures:  map[string]map[string]uint64{"device": devices, "server": servers},
		ScriptErrors: r.endpoints.Script.Failures(),
		Journal:      r.journal.Stats(),
	}, nil
}
