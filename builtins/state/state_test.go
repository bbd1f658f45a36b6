package state_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := state.New()
	if v, ok := s.Get("a"); v != nil || ok {
		t.Errorf("Get of nothing = %v, %v", v, ok)
	}
	s.Set("b", "x")
	s.Set("a", nil)
	if v, ok := s.Get("a"); v != nil || !ok {
		t.Errorf("Get of a null = %v, %v; want nil, true", v, ok)
	}
	if got := s.Keys(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("Keys = %v", got)
	}
	if got := s.All(); !reflect.DeepEqual(got, map[string]any{"a": nil, "b": "x"}) {
		t.Errorf("All = %v", got)
	}
	if v, ok := s.Pop("b"); v != "x" || !ok {
		t.Errorf("Pop = %v, %v", v, ok)
	}
	if s.Delete("b") {
		t.Error("Delete of a key that is gone = true")
	}
	if n := s.Clear(); n != 1 {
		t.Errorf("Clear = %d, want 1", n)
	}
}

func TestValuesAreCopied(t *testing.T) {
	t.Parallel()
	s := state.New()
	in := map[string]any{"list": []any{1.0, 2.5}}
	s.Set("k", in)
	in["list"].([]any)[0] = "changed"
	in["more"] = true
	got, _ := s.Get("k")
	if want := (jsonvalue.Object{{Key: "list", Value: []any{json.Number("1.0"), json.Number("2.5")}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	type point struct {
		X int `json:"x"`
	}
	for _, c := range []struct{ in, want any }{
		{nil, nil}, {true, true}, {"s", "s"}, {3, int64(3)}, {uint8(3), int64(3)},
		{3.0, json.Number("3.0")}, {-3.5, json.Number("-3.5")}, {1e300, json.Number("1e+300")},
		{json.Number("12"), int64(12)}, {json.Number("1.50"), json.Number("1.50")}, {json.Number("-0"), json.Number("-0")},
		{json.Number("18446744073709551615"), json.Number("18446744073709551615")}, {uint64(math.MaxUint64), json.Number("18446744073709551615")},
		{new(big.Int).Lsh(big.NewInt(1), 70), json.Number("1180591620717411303424")},
		{[]string{"a"}, []any{"a"}}, {point{4}, jsonvalue.Object{{Key: "x", Value: int64(4)}}},
		{map[string]any{"b": 1, "a": 2}, jsonvalue.Object{{Key: "a", Value: int64(2)}, {Key: "b", Value: int64(1)}}},
		{time.Duration(5), int64(5)}, {errors.ErrUnsupported, jsonvalue.Object{}},
	} {
		if got, err := state.Value(c.in); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("Value(%#v) = %#v, %v, want %#v", c.in, got, err, c.want)
		}
	}
	if got, err := state.Value(func() {}); err != nil || reflect.TypeOf(got).Kind() != reflect.String {
		t.Errorf("Value of a function = %v, %v, want text", got, err)
	}
	for _, bad := range []any{math.Inf(1), json.Number("1e400"), json.Number("bad"), jsonvalue.Object{{Key: "a", Value: []any{math.NaN()}}}} {
		if got, err := state.Value(bad); err == nil {
			t.Errorf("Value(%#v) = %#v, want an error", bad, got)
		}
		if err := state.New().Set("k", bad); err == nil {
			t.Errorf("Set(%#v): want an error", bad)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	s := state.New()
	const clients, rounds = 64, 50
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range rounds {
				_, err := s.Update("n", func(old any, ok bool) (any, error) {
					n, _ := old.(int64)
					return n + 1, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, _ := s.Get("n"); n != int64(clients*rounds) {
		t.Errorf("n = %v, want %d", n, clients*rounds)
	}
	if _, err := s.Update("n", func(any, bool) (any, error) { return nil, errors.ErrUnsupported }); err == nil {
		t.Error("the error of fn is lost")
	}
	if n, _ := s.Get("n"); n != int64(clients*rounds) {
		t.Errorf("a failed update changed n to %v", n)
	}
	// fn may use the store: no lock is held.
	if v, err := s.Update("m", func(any, bool) (any, error) { s.Set("other", 1); return "v", nil }); v != "v" || err != nil {
		t.Errorf("Update = %v, %v", v, err)
	}
}

// All changes are told in their order, and no change that failed.
func TestTell(t *testing.T) {
	t.Parallel()
	s := state.New()
	var told []string
	s.Tell(func(c state.Change) { told = append(told, fmt.Sprint(c.Key, " ", c.Value, " ", c.Removed)) })
	s.Set("a", 1)
	s.Update("a", func(any, bool) (any, error) { return 2, nil })
	s.Update("a", func(any, bool) (any, error) { return nil, errors.New("no") })
	s.Set(strings.Repeat("k", state.MaxKey+1), 1)
	s.Machine("m").Move(nil, "next")
	s.Delete("none")
	s.Delete("a")
	s.Set("b", "x")
	s.Clear()
	want := []string{"a 1 false", "a 2 false", "scenario.m next false", "a <nil> true", "b x false", "b <nil> true", "scenario.m <nil> true"}
	if !slices.Equal(told, want) {
		t.Errorf("told: got %q, want %q", told, want)
	}
}
