package driver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"starproxy/builtins/follow"
	"starproxy/driver/filter"
	"starproxy/driver/hold"
	"starproxy/driver/rpc"
)

// holds are the methods about exchanges that are held so that they can be edited.
type holds struct{ table *hold.Table }

// rows are for the table of methods.
func (s *holds) rows() []rpc.Row {
	id := rpc.Need("id")
	return []rpc.Row{
		rpc.New("intercept", "Hold the exchanges that a filter expression picks until they are released, at most timeout seconds: on "+
			"the side request, response or both; an empty expression releases all and holds none any more.", s.intercept,
			rpc.With("expr", ""), rpc.With("side", string(hold.Request)), rpc.With("timeout", hold.DefaultTimeout.Seconds())),
		rpc.New("list_held", "List the exchanges that are held as JSON, the oldest first; without one, wait up to so many seconds for "+
			"the first.", s.list, rpc.With("wait", 0.0)),
		rpc.New("watch_held", "Stream the list of the exchanges that are held when it changes.", s.watch),
		rpc.New("get_held", "Tell all of a held exchange as JSON: its request, and its response if that is held.", s.get, id),
		rpc.New("release", "Let a held exchange go on, with changes if there are some: a JSON object of method, url, headers, body "+
			"and body_base64 for a request, and of status, headers, body and body_base64 for a response.", s.release,
			id, rpc.With("changes_json", "{}")),
		rpc.New("answer_held", "Answer a held exchange by hand: a JSON object of status, headers, body and body_base64. No mock and no "+
			"server gets a held request then.", s.answer, id, rpc.Need("response_json")),
		rpc.New("abort_held", "Reset the connection of a held exchange, or its stream over HTTP/2.", s.abort, id),
		rpc.New("release_all", "Let all held exchanges go on unchanged.", s.releaseAll),
	}
}

// interceptStatus is the part of status about exchanges that are held.
type interceptStatus struct {
	Expr string    `json:"expr"`
	Side hold.Side `json:"side"`
	// Timeout is how long an exchange is held, in seconds.
	Timeout float64 `json:"timeout"`
	// Held is the number of exchanges that are held now.
	Held int `json:"held"`
	// Passed counts the exchanges that were not held because too many were.
	Passed uint64 `json:"passed"`
	// Changes counts the changes of what is held.
	Changes uint64 `json:"changes"`
}

// status returns what status tells; nil while nothing is to be held.
func (s *holds) status() *interceptStatus {
	r, ok := s.table.Rule()
	if !ok {
		return nil
	}
	return &interceptStatus{r.Expr, r.Side, r.Timeout.Seconds(), len(s.table.List()), s.table.Passed(), s.table.Changes()}
}

func (s *holds) intercept(_ context.Context, expr, side string, timeout float64) (string, error) {
	if expr == "" {
		return fmt.Sprintf("Intercept is off; released: %d", s.table.Off()), nil
	}
	if err := s.table.Set(expr, hold.Side(side), inSeconds(min(timeout, 2*hold.MaxTimeout.Seconds()))); err != nil {
		about := "side"
		var wrong *filter.Error
		if errors.As(err, &wrong) {
			about = "expr"
		}
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: about, Text: "intercept: " + err.Error()}
	}
	what := side
	if side == string(hold.Both) {
		what = "request and response"
	}
	return fmt.Sprintf("Intercept set: the %s of %s, for %v at most", what, expr, inSeconds(timeout)), nil
}

// rowsOf returns what is held for JSON.
func (s *holds) rowsOf() []hold.Row {
	rows := []hold.Row{}
	for _, h := range s.table.List() {
		rows = append(rows, h.Row())
	}
	return rows
}

func (s *holds) list(ctx context.Context, wait float64) ([]hold.Row, error) {
	if wait <= 0 {
		return s.rowsOf(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(inSeconds(min(wait, hold.MaxTimeout.Seconds())), hold.MaxTimeout))
	defer cancel()
	for {
		changed := s.table.Changed()
		if rows := s.rowsOf(); len(rows) > 0 || !follow.Any(ctx, changed) {
			return rows, nil
		}
	}
}

// heldPace is the shortest time between two lists of watch_held.
const heldPace = 100 * time.Millisecond

func (s *holds) watch(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for {
			changed := s.table.Changed()
			if !yield(s.rowsOf(), nil) {
				return
			}
			if !follow.Paced(ctx, heldPace, changed) {
				return
			}
		}
	}, nil
}

// held returns the held exchange with the number id.
func (s *holds) held(method string, id int) (*hold.Held, error) {
	if id > 0 {
		if h := s.table.Get(uint64(id)); h != nil {
			return h, nil
		}
	}
	return nil, s.notHeld(method, id)
}

// notHeld refuses a number, and tells those that are held.
func (s *holds) notHeld(method string, id int) error {
	text := fmt.Sprintf("%s: no exchange %d is held: it went on, or its device left; held now: ", method, id)
	var ids []uint64
	for _, row := range s.rowsOf() {
		ids = append(ids, row.ID)
	}
	return &rpc.Refusal{Code: rpc.NotFound, About: "id", Text: text + rpc.SomeOf(ids)}
}

func (s *holds) get(_ context.Context, id int) (*hold.Detail, error) {
	h, err := s.held("get_held", id)
	if err != nil {
		return nil, err
	}
	d := h.Detail()
	return &d, nil
}

func (s *holds) release(_ context.Context, id int, changes string) (string, error) {
	h, err := s.held("release", id)
	if err != nil {
		return "", err
	}
	c, err := hold.ParseChange(changes, h)
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "changes_json", Text: "release: " + err.Error()}
	}
	if !s.table.Release(h, c) {
		return "", s.notHeld("release", id)
	}
	return fmt.Sprintf("Released: %d", id), nil
}

func (s *holds) answer(_ context.Context, id int, response string) (string, error) {
	h, err := s.held("answer_held", id)
	if err != nil {
		return "", err
	}
	a, err := hold.ParseAnswer(response)
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "response_json", Text: "answer_held: " + err.Error()}
	}
	if !s.table.Answer(h, a) {
		return "", s.notHeld("answer_held", id)
	}
	return fmt.Sprintf("Answered: %d", id), nil
}

func (s *holds) abort(_ context.Context, id int) (string, error) {
	h, err := s.held("abort_held", id)
	if err != nil {
		return "", err
	}
	if !s.table.Abort(h) {
		return "", s.notHeld("abort_held", id)
	}
	return fmt.Sprintf("Aborted: %d", id), nil
}

func (s *holds) releaseAll(context.Context) (string, error) {
	return fmt.Sprintf("Released: %d", s.table.ReleaseAll()), nil
}

// Reset holds nothing any more, and releases all.
func (s *holds) Reset() { s.table.Off() }
