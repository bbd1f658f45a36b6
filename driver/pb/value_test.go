package pb_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"starproxy/driver/pb"
)

func TestValueRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   any
		want any
	}{
		{"nil", nil, nil},
		{"bool", true, true},
		{"int", 200, 200.0},
		{"int64", int64(7), 7.0},
		{"uint16 by JSON", uint16(9), 9.0},
		{"float", 1.5, 1.5},
		{"NaN", math.NaN(), nil},
		{"infinity", math.Inf(1), nil},
		{"json number", json.Number("12"), 12.0},
		{"large int", int64(1) << 60, 1152921504606846976.0},
		{"large json number", json.Number("18446744073709551616"), 18446744073709551616.0},
		{"text", "héllo", "héllo"},
		{"bytes", []byte("abc"), "abc"},
		{"list", []any{1, "a", nil}, []any{1.0, "a", nil}},
		{"strings by JSON", []string{"a", "b"}, []any{"a", "b"}},
		{"map", map[string]any{"k": []any{true}}, map[string]any{"k": []any{true}}},
		{"header by JSON", map[string]string{"A": "b"}, map[string]any{"A": "b"}},
		{"time", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z"},
		{"struct by JSON", struct {
			N int `json:"n"`
		}{3}, map[string]any{"n": 3.0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := pb.NewValue(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			wire, err := proto.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			back := new(structpb.Value)
			if err := proto.Unmarshal(wire, back); err != nil {
				t.Fatal(err)
			}
			if got := pb.Native(back); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

func TestValueRefused(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range 200 {
		deep = []any{deep}
	}
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"binary text", "\xff", "not valid UTF-8"},
		{"binary key", map[string]any{"\xff": 1}, "not valid UTF-8"},
		{"inside a list", []any{"\xff"}, "not valid UTF-8"},
		{"deep", deep, "nested more than"},
		{"channel", make(chan int), "cannot send a chan int"},
		{"number", json.Number("1e999"), "does not fit"},
		{"int", int64(1)<<53 + 1, "no double holds the number 9007199254740993 exactly"},
		{"uint64 by JSON", uint64(math.MaxUint64), "no double holds the number 18446744073709551615 exactly"},
		{"large number", []any{json.Number("-18446744073709551617")}, "no double holds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := pb.NewValue(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := pb.NewValues([]any{1, "\xff"}); err == nil || !strings.HasPrefix(err.Error(), "argument 2: ") {
		t.Errorf("error %v does not name the argument", err)
	}
}

func TestNativeOfNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []*structpb.Value{nil, {}, structpb.NewNullValue()} {
		if got := pb.Native(v); got != nil {
			t.Errorf("%v is %#v, want nil", v, got)
		}
	}
	if got := pb.Natives(nil); got == nil || len(got) != 0 {
		t.Errorf("no arguments are %#v, want an empty list", got)
	}
}
