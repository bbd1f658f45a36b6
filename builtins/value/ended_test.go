package value

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// TestBuildingEnds checks that a value of a client's data is not built any
// further when the client has left or the time is over.
func TestBuildingEnds(t *testing.T) {
	t.Parallel()
	left, cancel := context.WithCancel(t.Context())
	cancel()
	var keys []string
	for i := range 20_000 {
		keys = append(keys, fmt.Sprint(i))
	}
	array := []byte("[" + strings.Repeat("1,", 20_000) + "1]")
	mapping, list := map[string]any{}, []any{}
	for _, k := range keys {
		mapping[k] = nil
	}
	for range 200_000 {
		list = append(list, int64(1))
	}
	thawed, err := DecodeJSON(nil, array)
	if err != nil {
		t.Fatal(err)
	}
	for name, build := range map[string]func(c *call.Call) error{
		"object": func(c *call.Call) error { _, err := DecodeJSON(c, []byte(object(keys))); return err },
		"array":  func(c *call.Call) error { _, err := DecodeJSON(c, array); return err },
		"scan":   func(c *call.Call) error { _, err := scanJSON(c, array, "20001.x"); return err },
		"state":  func(c *call.Call) error { _, err := Within(c, list); return err },
		"to JSON": func(c *call.Call) error {
			_, err := ToGo(c, starlark.NewList(make([]starlark.Value, 200_000)))
			return err
		},
		"dict": func(c *call.Call) error {
			m := c.Maker(0)
			for _, k := range keys {
				if err := m.Set(starlark.String(k), starlark.None); err != nil {
					return err
				}
			}
			return nil
		},
		"copy":    func(c *call.Call) error { _, err := Mutable(c, thawed); return err },
		"thawing": func(c *call.Call) error { t := thawer{call: c}; _, err := t.value(thawed); return err },
	} {
		if err := build(&call.Call{Context: left}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the client has left: %v", name, err)
		}
		if err := build(&call.Call{Context: t.Context(), Deadline: time.Now().Add(-time.Second)}); !errors.Is(err, call.ErrTime) {
			t.Errorf("%s: the time is over: %v", name, err)
		}
		if err := build(&call.Call{Context: t.Context()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// object is the JSON text of an object with these keys.
func object(keys []string) string { return `{"` + strings.Join(keys, `":1,"`) + `":1}` }
