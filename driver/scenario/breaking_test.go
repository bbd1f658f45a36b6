package scenario

import (
	"errors"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// TestFaultRate checks that a fault by chance comes as often as it should, and
// that the answer comes otherwise.
func TestFaultRate(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string][2]int{"0": {0, 0}, "0.2": {150, 250}, "1": {1000, 1000}} {
		s, err := Parse("a.yaml", []byte("GET /x: {body: whole, fault: {kind: reset, rate: "+rate+"}}"), seeded(3))
		if err != nil {
			t.Fatal(err)
		}
		faults := 0
		for range 1000 {
			res, err := s.Endpoints[0].Handler.Respond(t.Context(), &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/x"}})
			if err != nil {
				t.Fatal(err)
			}
			if errors.Is(res.Err, exchange.ErrFault) {
				faults++
			} else if b, _ := res.Body.(exchange.Bytes); string(b) != "whole" {
				t.Fatalf("got %q", b)
			}
		}
		if faults < want[0] || faults > want[1] {
			t.Errorf("rate %s: %d of 1000 failed, want %v", rate, faults, want)
		}
	}
}

// closer is a body of a real server that notes whether it was closed.
type closer struct {
	exchange.Bytes
	closed *bool
}

func (c closer) Close() error { *c.closed = true; return nil }

// TestFaultOverRules checks a fault beside rules: it comes only where a rule
// holds, and what the rule had already asked for is closed.
func TestFaultOverRules(t *testing.T) {
	t.Parallel()
	s, err := Parse("a.yaml", []byte("GET /x: {fault: reset, rules: [{match: {query: {a: '1'}}, patch: {}}, {match: {query: {a: '2'}}, fault: stall}]}"), seeded(3))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	ask := func(target string) *exchange.Response {
		t.Helper()
		x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: target}}
		x.Forward = forwardTo(&exchange.Response{Status: 200, Body: closer{exchange.Bytes("x"), &closed}})
		res, err := s.Endpoints[0].Handler.Respond(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := ask("/x"); res != nil {
		t.Errorf("no rule holds: got %v, want the real server", res)
	}
	if res := ask("/x?a=1"); res == nil || !errors.Is(res.Err, exchange.ErrFault) || !strings.HasSuffix(res.Err.Error(), "reset") {
		t.Errorf("got %+v, want a reset", res)
	}
	if !closed {
		t.Error("the real server's answer was not closed")
	}
	if res := ask("/x?a=2"); res == nil || !strings.HasSuffix(res.Err.Error(), "reset") {
		t.Errorf("got %+v, want a reset", res)
	}
}
