package rpc

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"reflect"
	"slices"

	"starproxy/builtins/excerpt"
)

// Table is a set of methods that can be called by name.
type Table struct {
	log    *slog.Logger
	rows   []Row
	byName map[string]*Row
	before func(context.Context) // nil for nobody
	called func(Called)          // nil for nobody
}

// Called is a call of a method that changes something, after its end.
type Called struct {
	Method string
	Args   []Arg
	// Result is the answer; nil when the call has failed with Err.
	Result any
	Err    error
}

// Arg is an argument with the name of its parameter.
type Arg struct {
	Name  string
	Value any
}

// Tell has called called after each call of a method that changes something. It may be
// called once, before the table is used.
func (t *Table) Tell(called func(Called)) { t.called = called }

// Before has fn called ahead of each method. It is set before the table is used.
func (t *Table) Before(fn func(context.Context)) { t.before = fn }

// NewTable makes a table of rows, in their order. log hears of calls that should
// have changed something and failed.
func NewTable(log *slog.Logger, rows ...[]Row) *Table {
	t := &Table{log: log, rows: slices.Concat(rows...), byName: map[string]*Row{}}
	for i := range t.rows {
		t.byName[t.rows[i].Name] = &t.rows[i]
	}
	return t
}

// Methods describes all methods, in their order.
func (t *Table) Methods() []Info {
	out := make([]Info, len(t.rows))
	for i := range t.rows {
		out[i] = t.rows[i].Info
	}
	return out
}

// Method describes the method of that name.
func (t *Table) Method(name string) (Info, bool) {
	r := t.byName[name]
	if r == nil {
		return Info{}, false
	}
	return r.Info, true
}

// Call calls a method of kind [Call] with positional arguments: nil, bool,
// string, and numbers as float64 or int. The result is a string or a bool. A
// failure is a [*Refusal] or the context's own error.
func (t *Table) Call(ctx context.Context, name string, args []any) (any, error) {
	r, out, err := t.invoke(ctx, name, Call, args)
	if err != nil {
		return nil, err
	}
	answer, err := r.answer(out)
	return answer, AsRefusal(err)
}

// Value is Call whose result is the value of the method itself, for callers that
// encode it in their own way.
func (t *Table) Value(ctx context.Context, name string, args []any) (any, error) {
	_, out, err := t.invoke(ctx, name, Call, args)
	if err != nil {
		return nil, err
	}
	return out.Interface(), nil
}

// Stream calls a method of kind [Stream]. Its items are strings; an error is
// the last thing that it yields. What the stream holds is released when the
// iteration ends, or never taken when it is not begun.
func (t *Table) Stream(ctx context.Context, name string, args []any) (iter.Seq2[any, error], error) {
	values, err := t.Values(ctx, name, args)
	if err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		for item, err := range values {
			if err == nil {
				item, err = text(item)
			}
			if !yield(item, AsRefusal(err)) || err != nil {
				return
			}
		}
	}, nil
}

// Values is Stream whose items are the values of the method itself. An item that
// is a []byte may be used until the next one is asked for.
func (t *Table) Values(ctx context.Context, name string, args []any) (iter.Seq2[any, error], error) {
	_, out, err := t.invoke(ctx, name, Stream, args)
	if err != nil {
		return nil, err
	}
	seq := out.Interface().(iter.Seq2[any, error])
	return func(yield func(any, error) bool) {
		for item, err := range seq {
			if !yield(item, AsRefusal(err)) || err != nil {
				return
			}
		}
	}, nil
}

// Connect calls a method of kind [ByteStream]; the caller closes the connection.
func (t *Table) Connect(ctx context.Context, name string) (net.Conn, error) {
	_, out, err := t.invoke(ctx, name, ByteStream, nil)
	if err != nil {
		return nil, err
	}
	return out.Interface().(net.Conn), nil
}

// invoke calls the function of a row and returns its first result.
func (t *Table) invoke(ctx context.Context, name string, kind Kind, args []any) (r *Row, result reflect.Value, err error) {
	r = t.byName[name]
	switch {
	case r == nil:
		return nil, result, Refuse(NotFound, "method %s not found on driver", name)
	case r.Kind != kind:
		return nil, result, Refuse(NotFound, "method %s missing marker %s", name, kind.marker())
	}
	values, bad := unpack(name, r.Params, args)
	if bad != nil {
		t.warn(r, nil, bad)
		return nil, result, bad
	}
	in := make([]reflect.Value, 0, 1+len(values))
	in = append(in, reflect.ValueOf(&ctx).Elem())
	for _, v := range values {
		in = append(in, reflect.ValueOf(v))
	}
	if t.before != nil {
		t.before(ctx)
	}
	out := r.fn.Call(in)
	t.tell(r, values, out)
	if err, _ := out[1].Interface().(error); err != nil {
		t.warn(r, values, err)
		return nil, result, AsRefusal(err)
	}
	return r, out[0], nil
}

// tell tells a call, unless its method only looks.
func (t *Table) tell(r *Row, values []any, out []reflect.Value) {
	if t.called == nil || r.Kind != Call || r.looks() {
		return
	}
	c := Called{Method: r.Name}
	if c.Err, _ = out[1].Interface().(error); c.Err == nil {
		c.Result = out[0].Interface()
	}
	for i, v := range values {
		if name := r.Params[i].Name; name != "content_base64" {
			c.Args = append(c.Args, Arg{name, v})
		}
	}
	t.called(c)
}

// CallFailed is the message of the warning about a call that did not change what
// it should have changed. Its attributes are call, reason, and those arguments
// that tell what was asked.
const CallFailed = "call failed"

// maxTold is how much of an argument a warning tells, in characters.
const maxTold = 200

// told returns the parameters whose arguments a warning tells.
func told() []string {
	return []string{"method", "path", "key", "mode", "replay_file", "filename", "name", "relative_path", "addon_name", "file_path",
		"scenario", "state"}
}

// warn logs why a method did not change what it should have changed. A failure
// of a method that only reads matters to its caller alone.
func (t *Table) warn(r *Row, values []any, err error) {
	if !r.changes() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	attrs := []slog.Attr{slog.String("call", r.Name), slog.String("reason", err.Error())}
	for i, v := range values {
		if name := r.Params[i].Name; slices.Contains(told(), name) && v != "" {
			if s, ok := v.(string); ok {
				v = excerpt.Cut(s, maxTold)
			}
			attrs = append(attrs, slog.Any(name, v))
		}
	}
	t.log.LogAttrs(context.Background(), slog.LevelWarn, CallFailed, attrs...)
}
