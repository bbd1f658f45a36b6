package value

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
)

// Fault is what fault() makes.
type Fault struct {
	kind  string
	after int64
	// Answer is the response that begins before the fault, or nil.
	Answer *Response
}

// NewFault makes a fault of a kind that [exchange.NewFault] knows.
func NewFault(kind string, after int64, answer *Response) (*Fault, error) {
	f := &Fault{kind, after, answer}
	_, err := f.Respond()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Respond makes the response that is the fault.
func (f *Fault) Respond() (*exchange.Response, error) {
	var res *exchange.Response
	if f.Answer != nil {
		res = f.Answer.res
	}
	return exchange.NewFault(f.kind, f.after, res)
}

func (f *Fault) String() string        { return fmt.Sprintf("fault(%q)", f.kind) }
func (f *Fault) Type() string          { return "fault" }
func (f *Fault) Truth() starlark.Bool  { return true }
func (f *Fault) Hash() (uint32, error) { return 0, errors.New("unhashable: fault") }

// Freeze freezes the answer.
func (f *Fault) Freeze() {
	if f.Answer != nil {
		f.Answer.Freeze()
	}
}

// AttrNames lists the fields and methods.
func (f *Fault) AttrNames() []string { return faults.AttrNames() }

// Attr returns the field or method with that name.
func (f *Fault) Attr(name string) (starlark.Value, error) { return faults.Attr(f, name) }

var faults = NewTable("fault", "fault", "What fault() makes.",
	Field("kind", "What happens.", func(f *Fault) (starlark.Value, error) {
		return starlark.String(f.kind), nil
	}),
	Field("after", "How many bytes of the body are sent before it.", func(f *Fault) (starlark.Value, error) {
		return starlark.MakeInt64(f.after), nil
	}),
)

// Interface guard.
var _ starlark.HasAttrs = (*Fault)(nil)
