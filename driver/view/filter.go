package view

import (
	"context"
	"errors"

	"starproxy/driver/capture"
	"starproxy/driver/filter"
	"starproxy/driver/rpc"
)

// Filter returns the filter of an expression, for one goroutine; nil when the
// expression is empty. The filter matches nothing once ctx is done, because a
// search in many bodies takes a while. A refusal names the method that was called.
func (s *Service) Filter(ctx context.Context, method, expr string) (capture.Filter, error) {
	return s.filter(ctx, method, expr, s.Journal.Last())
}

// filter is Filter whose finder of messages sorts those of handshakes up to the
// number sorted at its first question.
func (s *Service) filter(ctx context.Context, method, expr string, sorted uint64) (capture.Filter, error) {
	x, err := filter.Parse(expr)
	if err != nil {
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument filter_expr: %s", method, err)
	}
	m := messages{all: s.Sockets.Journal, until: sorted}
	f := x.Filter(m.of, s.notes())
	if f == nil {
		return nil, nil
	}
	return func(e *capture.Entry) bool {
		e.Open = s.isOpen(e)
		return ctx.Err() == nil && f(e)
	}, nil
}

// checkFilter tells somebody who is writing an expression whether it is right.
func (s *Service) checkFilter(_ context.Context, text string) (map[string]any, error) {
	x, err := filter.Parse(text)
	if err == nil {
		return map[string]any{"ok": true, "canonical": x.String()}, nil
	}
	answer := map[string]any{"ok": false, "error": err.Error()}
	var bad *filter.Error
	if errors.As(err, &bad) {
		answer["column"] = bad.Column
	}
	return answer, nil
}

func (s *Service) listFilterOperators(context.Context) ([]filter.Operator, error) {
	return filter.Operators(), nil
}

// messages finds the messages of sockets, for one reader.
type messages struct {
	all *capture.Journal
	// Messages of handshakes up to this number are sorted once, at the first
	// question. A reader that has come to a later handshake needs them no more.
	until  uint64
	sorted map[uint64][]*capture.Entry
}

// of yields the messages of the socket whose handshake has the number seq.
func (m *messages) of(seq uint64, yield func(*capture.Entry) bool) {
	if seq > m.until {
		m.sorted = nil
		for e := range m.all.All(func(e *capture.Entry) bool { return e.Kind == capture.Message && e.Socket == seq }) {
			if !yield(e) {
				return
			}
		}
		return
	}
	if m.sorted == nil {
		m.sorted = map[uint64][]*capture.Entry{}
		for e := range m.all.All(func(e *capture.Entry) bool { return e.Kind == capture.Message }) {
			m.sorted[e.Socket] = append(m.sorted[e.Socket], e)
		}
	}
	for _, e := range m.sorted[seq] {
		if !yield(e) {
			return
		}
	}
}

// notes are what users told of exchanges and devices.
type notes struct {
	*marks
	*devices
}

func (s *Service) notes() notes { return notes{s.marks, s.devices} }
