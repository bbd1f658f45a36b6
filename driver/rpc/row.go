package rpc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"reflect"
	"slices"
	"strings"
)

// Kind is the way in which a method is called.
type Kind uint8

// The kinds of methods.
const (
	Call       Kind = iota // one answer
	Stream                 // answers as they come
	ByteStream             // a connection
)

// marker returns the name of the kind in Python drivers.
func (k Kind) marker() string {
	switch k {
	case Stream:
		return "marker_streamingdrivercall"
	case ByteStream:
		return "marker_streamcall"
	}
	return "marker_drivercall"
}

// Info describes a method to whoever offers it.
type Info struct {
	Name string
	// Doc is one sentence.
	Doc  string
	Kind Kind
	// Params in the order of the arguments.
	Params []Param
	// JSON says that the answer, or an item of a stream that is no base64, is JSON text.
	JSON bool
}

// Row is a method: its description, and the function that is called.
type Row struct {
	Info
	fn reflect.Value
}

// New makes the row of a function. Its parameters are a context and those that
// params name, of type string, int, float64 or bool. Its results are a value and
// an error:
//
//   - A string or a bool is the answer as it is, and a json.RawMessage is JSON
//     text already. Of any other type, the answer is the value as JSON text.
//   - An iter.Seq2[any, error] makes the method a Stream. The same holds for its
//     items, but a []byte is encoded in base64.
//   - A net.Conn makes the method a ByteStream.
//
// It panics when fn and params do not fit.
func New(name, doc string, fn any, params ...Param) Row {
	r := Row{Info{Name: name, Doc: doc}, reflect.ValueOf(fn)}
	t := r.fn.Type()
	switch t.Out(0) {
	case reflect.TypeFor[iter.Seq2[any, error]]():
		r.Kind = Stream
	case reflect.TypeFor[net.Conn]():
		r.Kind = ByteStream
	}
	k := t.Out(0).Kind()
	r.JSON = r.Kind != ByteStream && k != reflect.String && k != reflect.Bool
	if t.NumIn() != 1+len(params) {
		panic(fmt.Sprintf("method %s: got %d parameters for a function of %d", name, len(params), t.NumIn()-1))
	}
	for i, p := range params { // after the context
		in := t.In(i + 1)
		if p.Default != nil && reflect.TypeOf(p.Default) != in {
			panic(fmt.Sprintf("method %s: parameter %s: got a default of type %T, want %s", name, p.Name, p.Default, in))
		}
		p.Type = typeName(in.Kind())
		r.Params = append(r.Params, p)
	}
	return r
}

// Need names a parameter that callers have to give.
func Need(name string) Param { return Param{Name: name} }

// With names a parameter that callers may leave out, and its value then.
func With(name string, value any) Param { return Param{Name: name, Default: value} }

// typeName returns the Go type of a parameter by the name that callers know.
func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "int"
	case reflect.Float64:
		return "float"
	case reflect.Bool:
		return "bool"
	}
	return "string"
}

// changes reports whether the method changes how the proxy answers: a failure
// may then spoil all that follows.
func (r *Row) changes() bool {
	verb, _, _ := strings.Cut(r.Name, "_")
	return slices.Contains([]string{"start", "restart", "set", "load", "put", "enable", "reset", "upload"}, verb)
}

// looks reports whether the method changes nothing, going by its name.
func (r *Row) looks() bool {
	verb, _, _ := strings.Cut(r.Name, "_")
	return slices.Contains([]string{"get", "list", "show", "check", "is", "status", "wait", "watch", "capture", "doctor", "tls",
		"missing", "try", "export", "annotate", "save", "expect", "mock", "count"}, verb)
}

// answer turns the first result of the function into the answer to a caller.
func (r *Row) answer(out reflect.Value) (any, error) {
	if k := out.Type().Kind(); k == reflect.String || k == reflect.Bool {
		return out.Interface(), nil
	}
	if data, ok := out.Interface().(json.RawMessage); ok {
		return string(data), nil
	}
	return JSON(out.Interface())
}

// text turns an item of a stream into an answer.
func text(item any) (any, error) {
	switch item := item.(type) {
	case string:
		return item, nil
	case json.RawMessage:
		return string(item), nil
	case []byte:
		return base64.StdEncoding.EncodeToString(item), nil
	}
	return JSON(item)
}
