package endpoints

import (
	"context"
	"slices"
	"time"

	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// maxChanges bounds the changes that can be undone.
const maxChanges = 20

// The values of [mock.Source.By].
const (
	byClient = "set by a client"
	byPerson = "set in the page"
)

// change is a change of the endpoints that can be undone.
type change struct {
	what          string // "the mock GET /a was removed"
	at            time.Time
	before, after layers
	from, to      *loaded // the scenario before and after; nil for none
	lost          []mock.Report
}

// undoable makes a change, and remembers it if do returns true, which it returns. s.mu is
// held.
func (s *Service) undoable(what string, do func() bool) bool {
	c := &change{what: what, at: time.Now(), before: s.layers, from: s.loaded}
	reports := s.table.Report()
	if !do() {
		return false
	}
	c.after, c.to = s.layers, s.loaded
	left := make(map[*mock.Endpoint]bool, len(reports))
	for _, ep := range s.table.List() {
		left[ep] = true
	}
	c.lost = slices.DeleteFunc(reports, func(r mock.Report) bool { return left[r.Endpoint] })
	if len(s.changes) == maxChanges {
		s.changes = slices.Delete(s.changes, 0, 1)
	}
	s.changes = append(s.changes, c)
	return true
}

// Undo undoes the latest change that Put, Remove, Clear, Reset, Load or LoadText made, and
// says what that was. Endpoints that were set one by one after that change stay. Those that
// come back have their hits, and are disabled if they were; sequences and named scenarios
// are in the state in which the change has left them. ok is false when there is nothing to
// undo: a start in mock mode forgets all changes.
func (s *Service) Undo() (what string, ok bool) {
	s.mu.Lock()
	n := len(s.changes) - 1
	if n < 0 || s.closed {
		s.mu.Unlock()
		return "", false
	}
	c := s.changes[n]
	s.changes = s.changes[:n:n]
	s.restore(c)
	s.retain()
	l := s.loaded
	s.unlock()
	if l != nil {
		s.reload(l) // its files may have changed while nobody watched them
	}
	return c.what, true
}

// restore puts the endpoints in force that were so before a change; s.mu is held.
func (s *Service) restore(c *change) {
	back := c.before
	if c.from == s.loaded { // it may have been reloaded since
		back.scenario = s.layers.scenario
	}
	for _, ep := range s.layers.set {
		if !slices.Contains(c.after.set, ep) {
			back.put(ep)
		}
	}
	s.layers = back
	s.table.Arrange(back.list(), c.lost...)
	if c.from != s.loaded {
		s.adopt(c.from)
	}
}

// changeRow is a change as list_mock_changes tells it.
type changeRow struct {
	What string  `json:"what"`
	Time float64 `json:"time"` // seconds since 1970
}

// listChanges lists the changes that can be undone, the latest first.
func (s *Service) listChanges(context.Context) ([]changeRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]changeRow, len(s.changes))
	for i, c := range s.changes {
		list[len(list)-1-i] = changeRow{c.what, float64(c.at.UnixMilli()) / 1000}
	}
	return list, nil
}

// undo is the method undo_mocks.
func (s *Service) undo(context.Context) (string, error) {
	what, ok := s.Undo()
	if !ok {
		return "", rpc.Refuse(rpc.FailedPrecondition, "undo_mocks: there is no change to undo")
	}
	return "Undone: " + what, nil
}
