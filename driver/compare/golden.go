package compare

import (
	"iter"

	"starproxy/driver/capture"
	"starproxy/driver/flow"
	"starproxy/driver/mask"
)

// Golden yields the part of a session that a comparison needs, for a file that is kept:
// flows without the bodies of responses and without what servers sent over WebSockets and
// TCP streams. Secrets are masked, see [mask.Masker.Flow]. flows is read twice.
func Golden(flows iter.Seq2[*flow.Flow, error]) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		m := mask.New(mask.Options{})
		for f, err := range flows {
			if err == nil {
				err = m.Learn(goldenOf(f))
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		for f, err := range flows {
			if err == nil {
				f, err = m.Flow(goldenOf(f))
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func goldenOf(f *flow.Flow) *flow.Flow {
	g := *f
	if f.Response != nil {
		r := *f.Response
		r.Header = r.Header.Clone()
		r.Header.DropBody()
		r.Body = flow.Body{Blob: capture.Blob{}}
		g.Response = &r
	}
	if f.WebSocket != nil {
		w := *f.WebSocket
		w.Messages = nil
		for _, m := range f.WebSocket.Messages {
			if m.FromClient && !f.Stream {
				w.Messages = append(w.Messages, m)
			}
		}
		g.WebSocket = &w
	}
	return &g
}
