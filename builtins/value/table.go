package value

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// Table has the fields and methods of a Starlark type. It looks them up for scripts
// and documents them.
type Table[T starlark.Value] struct {
	name, doc string
	rows      []Row[T]
	byName    map[string]reading[T]
	names     []string
}

// Row is a field, which has Get, or a method, which has Call. Doc may have line
// breaks, which are removed.
type Row[T starlark.Value] struct {
	Name, Doc string
	Get       func(T) (starlark.Value, error)
	Call      func(T, *call.Call, call.Args) (starlark.Value, error)
}

// reading is how a row is read.
type reading[T starlark.Value] struct {
	get    func(T) (starlark.Value, error)
	method *starlark.Builtin // to be bound to a value
}

// Field returns a row that is read.
func Field[T starlark.Value](name, doc string, get func(T) (starlark.Value, error)) Row[T] {
	return Row[T]{Name: name, Doc: doc, Get: get}
}

// Method returns a row that is called.
func Method[T starlark.Value](name, doc string, fn func(T, *call.Call, call.Args) (starlark.Value, error)) Row[T] {
	return Row[T]{Name: name, Doc: doc, Call: fn}
}

// NewTable makes the table of a type. name is the usual name of such a value in
// scripts. prefix comes before the names of methods in errors.
func NewTable[T starlark.Value](name, prefix, doc string, rows ...Row[T]) *Table[T] {
	t := &Table[T]{name: name, doc: doc, rows: rows, byName: map[string]reading[T]{}}
	for _, r := range rows {
		t.names = append(t.names, r.Name)
		a := reading[T]{get: r.Get}
		if r.Call != nil {
			a.method = call.Receiving(prefix+"."+r.Name, r.Call)
		}
		t.byName[r.Name] = a
	}
	slices.Sort(t.names)
	return t
}

// Attr returns the field or method of v with that name, or nil when there is none.
func (t *Table[T]) Attr(v T, name string) (starlark.Value, error) {
	a := t.byName[name]
	switch {
	case a.get != nil:
		return a.get(v)
	case a.method != nil:
		return a.method.BindReceiver(v), nil
	}
	return nil, nil
}

// AttrNames lists the names in alphabetical order.
func (t *Table[T]) AttrNames() []string { return slices.Clone(t.names) }

// Type documents the values of the table.
func (t *Table[T]) Type() Type {
	doc := Type{Name: t.name, Doc: flat(t.doc)}
	for _, r := range t.rows {
		a := Attr{Name: r.Name, Doc: flat(r.Doc)}
		if r.Call != nil {
			a.Method = true
			a.Params = call.Function(func(c *call.Call, a call.Args) (starlark.Value, error) {
				var none T
				return r.Call(none, c, a)
			}).Signature(r.Name)
		}
		doc.Attrs = append(doc.Attrs, a)
	}
	return doc
}

// flat returns a text without its line breaks.
func flat(doc string) string { return strings.Join(strings.Fields(doc), " ") }

// Type documents a type of values with fields or methods.
type Type struct {
	// Name is the usual name of such a value in scripts: "req".
	Name, Doc string
	Attrs     []Attr
}

// Attr is a field or a method of a value.
type Attr struct {
	Name string
	// Method says that it is called; Params is its parameter list.
	Method bool
	Params string
	Doc    string
}

// Types returns the list of values with fields of their own, in the order in
// which the reference shows them.
func Types() []Type {
	return []Type{
		requests.Type(), bodyParts.Type(), responses.Type(), outs.Type(), sockets.Type(), messages.Type(), matches.Type(), cells.Type(),
	}
}
