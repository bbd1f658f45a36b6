package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"strings"
	"testing"
)

// TestResults checks how the result of a function becomes the answer to a caller.
func TestSomeOf(t *testing.T) {
	t.Parallel()
	for want, numbers := range map[string][]uint64{"none": nil, "@7": {7}, "@1, @2": {1, 2},
		"@1, @2, @3, @4, @5, @6, @7, @8, @9, @10, …": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}} {
		if got := SomeOf(numbers); got != want {
			t.Errorf("%v: got %q, want %q", numbers, got, want)
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	var nothing any
	table := NewTable(slog.New(slog.DiscardHandler), []Row{
		New("text", "Text.", func(context.Context) (string, error) { return `"a"`, nil }),
		New("truth", "Bool.", func(context.Context) (bool, error) { return true, nil }),
		New("value", "Text in a variable of any type.", func(context.Context) (any, error) { return "a", nil }),
		New("nothing", "Null.", func(context.Context) (any, error) { return nothing, nil }),
		New("list", "A list.", func(context.Context) ([]int, error) { return []int{}, nil }),
		New("bad", "A value without JSON.", func(context.Context) (func(), error) { return func() {}, nil }),
		New("items", "A stream.", func(context.Context) (iter.Seq2[any, error], error) {
			return func(yield func(any, error) bool) {
				_ = yield("a", nil) && yield([]string{"<"}, nil) && yield(nil, fs.ErrNotExist) && yield("too much", nil)
			}, nil
		}),
	})
	for name, want := range map[string]any{"text": `"a"`, "truth": true, "value": `"a"`, "nothing": "null", "list": "[]"} {
		if got, err := table.Call(t.Context(), name, nil); got != want || err != nil {
			t.Errorf("%s: got %#v, %v, want %#v", name, got, err, want)
		}
	}
	var refusal *Refusal
	if _, err := table.Call(t.Context(), "bad", nil); !errors.As(err, &refusal) || refusal.Code != Internal {
		t.Errorf("bad: got %v, want a refusal with the code INTERNAL", err)
	}
	seq, err := table.Stream(t.Context(), "items", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for item, err := range seq {
		if refusal = nil; errors.As(err, &refusal) {
			item = refusal.Code
		}
		got = append(got, fmt.Sprint(item))
	}
	if s := strings.Join(got, " "); s != `a ["<"] NOT_FOUND` {
		t.Errorf("items: got %s", s)
	}
}

// TestRowsThatDoNotFit checks that a row whose parameters are not those of its
// function is found when it is made.
func TestRowsThatDoNotFit(t *testing.T) {
	t.Parallel()
	fn := func(context.Context, string, int) (string, error) { return "", nil }
	for name, params := range map[string][]Param{
		"too few":         {Need("a")},
		"too many":        {Need("a"), Need("b"), Need("c")},
		"a wrong default": {Need("a"), With("b", "1")},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: made", name)
				}
			}()
			New("m", "M.", fn, params...)
		}()
	}
	row := New("m", "M.", fn, Need("a"), With("b", 1))
	if p := row.Params; p[0].Type != "string" || p[1].Type != "int" {
		t.Errorf("got the types %s and %s", p[0].Type, p[1].Type)
	}
}

// TestWarnings checks which failures the log hears of.
func TestWarnings(t *testing.T) {
	t.Parallel()
	fail := func(_ context.Context, key string) (string, error) { return "", Refuse(NotFound, "none of %s", key) }
	leave := func(context.Context, string) (string, error) { return "", context.Canceled }
	var log bytes.Buffer
	heard := map[string]bool{
		"start": true, "restart": true, "set_mock": true, "load_scenario": true, "put_mock": true, "enable_mock": true,
		"reset_mocks": true, "upload_part": true, "get_state": false, "remove_mock": false, "list": false,
	}
	rows := []Row{New("set_late", "Leave.", leave, Need("key"))}
	for name := range heard {
		rows = append(rows, New(name, "Fail.", fail, Need("key")))
	}
	table := NewTable(slog.New(slog.NewTextHandler(&log, nil)), rows)
	for _, r := range rows {
		log.Reset()
		table.Call(t.Context(), r.Name, []any{strings.Repeat("k", 300)})
		want := heard[r.Name]
		if told := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "call="+r.Name+" "); told != want {
			t.Errorf("%s: told %v, want %v: %s", r.Name, told, want, log.String())
		}
		if cut := strings.Repeat("k", maxTold) + "…"; want && !strings.Contains(log.String(), "key="+cut) {
			t.Errorf("%s: the argument is not cut: %s", r.Name, log.String())
		}
	}
}

// TestCodes checks that each code has a name of its own that is read again.
func TestCodes(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for c := Internal; c <= FailedPrecondition; c++ {
		text, err := c.MarshalText()
		var again Code
		if err2 := again.UnmarshalText(text); err != nil || err2 != nil || again != c || names[string(text)] {
			t.Errorf("%d: %s, %v, %v, read as %d", c, text, err, err2, again)
		}
		names[string(text)] = true
		if status, _ := (&Refusal{Code: c}).Status(); status < 400 {
			t.Errorf("%s has the HTTP status %d", text, status)
		}
	}
	if new(Code).UnmarshalText([]byte("OK")) == nil {
		t.Error("OK is the name of a code")
	}
	if Code(99).String() != "INTERNAL" {
		t.Errorf("got %s for an unknown code", Code(99))
	}
}
