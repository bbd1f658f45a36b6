package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/big"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
)

// FromGo makes a Starlark value of a JSON value. Containers are new and may be
// changed by the script that gets them.
func FromGo(v any) starlark.Value {
	switch v := v.(type) {
	case nil:
		return starlark.None
	case starlark.Value:
		return v
	case bool:
		return starlark.Bool(v)
	case string:
		return starlark.String(v)
	case []byte:
		return starlark.Bytes(v)
	case int:
		return starlark.MakeInt(v)
	case int64:
		return starlark.MakeInt64(v)
	case uint64:
		return starlark.MakeUint64(v)
	case float64:
		return starlark.Float(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case json.Number:
		n, err := jsonvalue.Value(v)
		if err != nil {
			f, _ := v.Float64() // decoded documents have no such number
			return starlark.Float(f)
		}
		return FromGo(n)
	case time.Time:
		return startime.Time(v)
	case time.Duration:
		return startime.Duration(v)
	case []any:
		list := make([]starlark.Value, len(v))
		for i, e := range v {
			list[i] = FromGo(e)
		}
		return starlark.NewList(list)
	case []string:
		list := make([]starlark.Value, len(v))
		for i, e := range v {
			list[i] = starlark.String(e)
		}
		return starlark.NewList(list)
	case jsonvalue.Object:
		d := starlark.NewDict(len(v))
		for _, m := range v {
			d.SetKey(starlark.String(m.Key), FromGo(m.Value))
		}
		return d
	case map[string]any:
		return FromGo(jsonvalue.Sorted(v))
	}
	data, err := json.Marshal(v)
	if err != nil {
		return starlark.String(fmt.Sprint(v))
	}
	x, err := DecodeJSON(nil, data)
	if err != nil {
		return starlark.String(fmt.Sprint(v))
	}
	return x
}

// ToGo converts a Starlark value to a JSON value of package jsonvalue. The limits of
// the run c apply; if c is nil, there are none. An int beyond int64 becomes a
// json.Number. A dict becomes an object and keeps its order. A value without a JSON
// form, such as a function, is an error.
func ToGo(c *call.Call, v starlark.Value) (any, error) {
	t := converter{call: c}
	g, err := t.value(v, call.MaxDepth)
	if err == nil {
		err = t.Pay(c)
	}
	return g, err
}

// Within is FromGo with the limits of the run c.
func Within(c *call.Call, v any) (starlark.Value, error) {
	var t Tally
	t.count(v)
	if t.parts > maxConverted {
		return nil, errParts
	}
	if t.Err != nil {
		return nil, t.Err
	}
	if err := t.Pay(c); err != nil {
		return nil, err
	}
	var made starlark.Value
	if err := c.Aside(t.parts > longConversion, "conversion", func() { made = FromGo(v) }); err != nil {
		return nil, err // another goroutine is still setting made
	}
	return made, nil
}

// maxConverted is the largest number of parts in one conversion. A list that occurs
// many times in a value is copied each time.
const maxConverted = 4_000_000

var errParts = fmt.Errorf("value has more than %d parts", maxConverted)

// longConversion is the number of parts from which a conversion runs on another
// goroutine, so that the run can end meanwhile.
const longConversion = 1 << 17

// The cost of parts. A part takes partBytes bytes, and a map counts as PartsOfMap
// parts. One step is charged for partsPerStep parts.
const (
	partBytes    = 48
	PartsOfMap   = 12
	partsPerStep = 32
)

// Tally counts the parts of a conversion and charges the run for them.
type Tally struct {
	parts int
	paid  int
	Err   error // set for a map with too many keys of the same hash
}

// payEvery is the number of parts after which the run is charged.
const payEvery = 1 << 15

// Add adds parts to the count. It returns an error if there are too many.
func (t *Tally) Add(c *call.Call, parts int) error {
	if t.parts += parts; t.parts > maxConverted {
		return errParts
	}
	if t.parts-t.paid > payEvery {
		return t.Pay(c)
	}
	return nil
}

// Pay charges the run for the parts that were added since the last charge.
func (t *Tally) Pay(c *call.Call) error {
	n := t.parts - t.paid
	t.paid = t.parts
	if n < payEvery/16 {
		return nil
	}
	if err := c.Look(); err != nil {
		return err
	}
	if err := c.Charge(n / partsPerStep); err != nil {
		return err
	}
	return c.Reserve(n * partBytes)
}

// count counts the parts of a JSON value.
func (t *Tally) count(v any) {
	t.parts++
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if t.count(e); t.parts > maxConverted {
				return
			}
		}
	case jsonvalue.Object:
		t.parts += PartsOfMap
		t.Keys(len(v), func(yield func(string) bool) {
			for _, m := range v {
				if !yield(m.Key) {
					return
				}
			}
		})
		for _, m := range v {
			if t.count(m.Value); t.parts > maxConverted {
				return
			}
		}
	case map[string]any:
		t.parts += PartsOfMap
		t.Keys(len(v), maps.Keys(v))
		for _, e := range v {
			if t.count(e); t.parts > maxConverted {
				return
			}
		}
	}
}

// Keys checks the keys of a map that becomes a dict, and sets Err if too many of them
// have the same hash.
func (t *Tally) Keys(n int, keys iter.Seq[string]) {
	if n <= call.CrowdFrom || t.Err != nil {
		return
	}
	t.Err = call.Crowded(n, func(yield func(starlark.Value) bool) {
		for k := range keys {
			if !yield(starlark.String(k)) {
				return
			}
		}
	})
}

type converter struct {
	Tally
	call *call.Call
}

func (c *converter) value(v starlark.Value, depth int) (any, error) {
	parts := 1
	if _, ok := v.(starlark.IterableMapping); ok {
		parts = PartsOfMap
	}
	if err := c.Add(c.call, parts); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	case starlark.Int:
		return wholeNumber(v)
	case starlark.Float:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%v has no JSON form", f)
		}
		return float64(v), nil
	case startime.Time:
		return time.Time(v).Format(time.RFC3339Nano), nil
	case startime.Duration:
		return time.Duration(v).String(), nil
	case starlark.IterableMapping:
		return c.object(v.Items(), depth)
	case *starlarkstruct.Struct:
		return c.fields(v, depth)
	case starlark.Callable:
		return nil, fmt.Errorf("%s %s has no JSON form", v.Type(), v.Name())
	case starlark.Iterable:
		return c.list(v, depth)
	}
	return nil, fmt.Errorf("%s has no JSON form", v.Type())
}

// wholeNumber returns v as an int64, or as a json.Number if it does not fit.
func wholeNumber(v starlark.Int) (any, error) {
	if n, ok := v.Int64(); ok {
		return n, nil
	}
	if err := call.Printable(v); err != nil {
		return nil, err
	}
	return json.Number(v.String()), nil
}

func (c *converter) object(items []starlark.Tuple, depth int) (any, error) {
	if depth == 0 {
		return nil, call.ErrDepth
	}
	o := make(jsonvalue.Object, 0, len(items))
	for _, kv := range items {
		k, err := JSONKey(kv[0])
		if err != nil {
			return nil, err
		}
		e, err := c.value(kv[1], depth-1)
		if err != nil {
			return nil, below(k, err)
		}
		o = append(o, jsonvalue.Member{Key: k, Value: e})
	}
	return o, nil
}

func (c *converter) fields(v *starlarkstruct.Struct, depth int) (any, error) {
	if depth == 0 {
		return nil, call.ErrDepth
	}
	var o jsonvalue.Object
	for _, name := range v.AttrNames() {
		attr, err := v.Attr(name)
		if err != nil {
			return nil, err
		}
		e, err := c.value(attr, depth-1)
		if err != nil {
			return nil, below(name, err)
		}
		o = append(o, jsonvalue.Member{Key: name, Value: e})
	}
	return o, nil
}

func (c *converter) list(v starlark.Iterable, depth int) (any, error) {
	if depth == 0 {
		return nil, call.ErrDepth
	}
	list := []any{}
	it := v.Iterate()
	defer it.Done()
	var e starlark.Value
	for it.Next(&e) {
		g, err := c.value(e, depth-1)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// below returns the error of a value that is below a key. An error about the whole
// value has no key, because it would name all of them.
func below(key string, err error) error {
	if errors.Is(err, call.ErrDepth) || errors.Is(err, call.ErrMemory) {
		return err
	}
	return fmt.Errorf("%q: %w", key, err)
}

// JSONKey returns the text of a mapping's key. Any other key is an error.
func JSONKey(k starlark.Value) (string, error) {
	s, ok := starlark.AsString(k)
	if !ok {
		return "", fmt.Errorf("key is %s, want string", call.Describe(k))
	}
	return s, nil
}
