package view

import (
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// Why returns, for JSON, what answered the request of a captured exchange, or the mocks
// that come nearest to it now.
func (s *Service) Why(e *capture.Entry) any { return s.why(e) }

// why returns what answered the request, or why no mock did.
func (s *Service) why(e *capture.Entry) any {
	switch {
	case e.Kind != capture.HTTP, e.Live != 0 && e.Seq == 0 && e.Status == 0: // nobody has answered it yet
		return nil
	case e.Origin == exchange.FromReplay:
		return map[string]any{"recording": e.Source}
	case e.Endpoint != "":
		w := map[string]any{"endpoint": e.Endpoint, "source": e.Source}
		if ep := s.Table.Get(e.Endpoint); ep != nil && ep.Source.File != "" {
			w["file"], w["line"] = ep.Source.File, ep.Source.Line
		}
		return w
	case e.Origin == exchange.FromProxy && !e.Unmatched: // its own page, which comes before all mocks
		return nil
	}
	return map[string]any{"misses": s.missesOf(e)}
}

// maxNearest is how many mocks that come nearest to a request are told.
const maxNearest = 5

// miss is a mock that comes near to a request, and why it did not answer.
type miss struct {
	Endpoint string   `json:"endpoint"`
	Source   string   `json:"source"`
	Why      []string `json:"why"`
}

// missesOf returns the mocks that come nearest to a request: those that a recording
// tells, else those of now.
func (s *Service) missesOf(e *capture.Entry) []miss {
	misses := []miss{}
	if s.misses != nil {
		return append(misses, s.misses[e.Seq]...)
	}
	if s.Table.Len() > 0 && s.Mocks() {
		for _, m := range s.Table.Misses(e.Request(maxPiece), maxNearest) {
			misses = append(misses, miss{m.Endpoint.Name, m.Endpoint.Source.String(), m.Why})
		}
	}
	return misses
}

// missesKey is the key of a flow's metadata for the mocks that came nearest to a request
// that no mock answered: a list of [endpoint, source, reason, …].
const missesKey = "starproxy.misses"

// Describe adds to the flow of an exchange what people and the mocks say of it: the mark,
// the comment, and the mocks that came nearest when none answered and no real server
// did.
func (s *Service) Describe(f *flow.Flow, e *capture.Entry) {
	f.Marked, f.Comment = s.Mark(e.Seq)
	if !e.Unmatched || e.Kind != capture.HTTP || e.Origin != exchange.FromProxy {
		return
	}
	var list []any
	for _, m := range s.missesOf(e) {
		row := []any{m.Endpoint, m.Source}
		for _, why := range m.Why {
			row = append(row, why)
		}
		list = append(list, row)
	}
	if list != nil && f.Metadata != nil {
		f.Metadata[missesKey] = list
	}
}

// missesOf returns what Describe has written, nil for nothing.
func missesOf(f *flow.Flow) (misses []miss) {
	list, _ := f.Metadata[missesKey].([]any)
	for _, row := range list {
		var words []string
		values, _ := row.([]any)
		for _, v := range values {
			if word, ok := v.(string); ok {
				words = append(words, word)
			}
		}
		if len(words) >= 2 && len(misses) < maxNearest {
			misses = append(misses, miss{words[0], words[1], words[2:]})
		}
	}
	return misses
}
