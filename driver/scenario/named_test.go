package scenario

import (
	"errors"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// TestStateStays checks that a state does not change where nothing answers, and
// where the answer fails.
func TestStateStays(t *testing.T) {
	t.Parallel()
	env := seeded(1)
	s, err := Parse("a.yaml", []byte(`
GET /none: {state: {scenario: s, then: moved}, rules: [{match: {query: {x: "1"}}, body: 1}]}
GET /broken: {state: {scenario: s, then: moved}, body_template: "{{1 // 0}}"}
GET /ok: {state: {scenario: s, is: Started, then: moved}}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	machine := env.Script.State().Machine("s")
	ask := func(i int) (*exchange.Response, error) {
		return s.Endpoints[i].Handler.Respond(t.Context(), &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/x"}})
	}
	if res, err := ask(0); res != nil || err != nil || machine.Now() != "Started" {
		t.Errorf("no rule holds: got %v, %v and the state %s", res, err, machine.Now())
	}
	if res, err := ask(1); res != nil || err == nil || machine.Now() != "Started" {
		t.Errorf("the template fails: got %v, %v and the state %s", res, err, machine.Now())
	}
	if res, err := ask(2); res == nil || err != nil || machine.Now() != "moved" {
		t.Errorf("got %v, %v and the state %s", res, err, machine.Now())
	}
	if _, err := ask(2); !errors.Is(err, mock.ErrMoved) {
		t.Errorf("in another state: got %v, want %v", err, mock.ErrMoved)
	}
	if got := s.Endpoints[2].States["s"]; len(got) != 2 {
		t.Errorf("the endpoint names %v, want Started and moved", got)
	}
}
