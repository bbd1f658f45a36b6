package builtins

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/Masterminds/sprig/v3"
	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/value"
)

// sprigLeftOut are the functions that scripts do not get, because they reach out of the
// sandbox.
var sprigLeftOut = []string{"env", "expandenv", "getHostByName"}

// maxSprigCount bounds counts and lengths given to functions that build
// something of that size.
const maxSprigCount = 1 << 20

func sprigIndented(a []starlark.Value) int {
	return length(a[1]) + call.Times(number(a[0]), strings.Count(words(a[1]), "\n")+1)
}

// number, words and length return the value of an argument, or nothing if the argument
// is of another kind.
func number(v starlark.Value) int {
	n, _ := call.Integer(v)
	return int(n)
}

func words(v starlark.Value) string {
	s, _ := starlark.AsString(v)
	return s
}

func length(v starlark.Value) int { return len(words(v)) }

func sprigModule() Module {
	m := Module{
		Name: "sprig",
		Doc: "The functions of the sprig library (masterminds.github.io/sprig), with its argument order: " +
			"the value worked on comes last. Whole numbers are exact whatever their size, and dicts keep " +
			"the order of their keys. Times are in UTC. Chance and time come from the driver's source " +
			"and clock, but for the functions that say they are not repeatable. Not there: env, " +
			"expandenv, getHostByName.",
	}
	funcs, own := sprig.GenericFuncMap(), sprigOwn()
	for _, name := range sprigLeftOut {
		delete(funcs, name)
	}
	for _, name := range sortedKeys(funcs) {
		f := Func{Name: name, Doc: sprigDoc(name), Example: sprigExample(name)}
		if own, ok := own[name]; ok {
			f.Params, f.call = own.params, own.bounded(name)
		} else {
			fn := reflect.ValueOf(funcs[name])
			f.Params, f.call = sprigParams(fn.Type()), sprigCall(name, fn)
		}
		m.Funcs = append(m.Funcs, f)
	}
	return m
}

// sprigParams names the parameters of a Go function: a, b, *c.
func sprigParams(t reflect.Type) string {
	names := make([]string, t.NumIn())
	for i := range names {
		names[i] = string(rune('a' + i))
		if t.IsVariadic() && i == len(names)-1 {
			names[i] = "*" + names[i]
		}
	}
	return strings.Join(names, ", ")
}

// sprigCall returns a builtin that calls the Go function fn with converted
// arguments.
func sprigCall(name string, fn reflect.Value) func(*call.Call, call.Args) (starlark.Value, error) {
	t := fn.Type()
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		given, err := sprigGiven(a, t)
		if err != nil {
			return nil, err
		}
		long, err := sprigChecked(c, name, given)
		if err != nil {
			return nil, err
		}
		in := make([]reflect.Value, 0, len(given))
		for i, v := range given {
			want := t.In(min(i, t.NumIn()-1))
			if t.IsVariadic() && i >= t.NumIn()-1 {
				want = want.Elem()
			}
			g, err := sprigArg(c, v, want)
			if err != nil {
				return nil, fmt.Errorf("sprig.%s: argument %d: %w", name, i+1, err)
			}
			in = append(in, g)
		}
		var out []reflect.Value
		var failed error
		if err := c.Aside(long, "sprig."+name, func() { out, failed = callSprig(name, fn, in) }); err != nil {
			return nil, err
		}
		if failed != nil {
			return nil, failed
		}
		m := made{call: c}
		v := m.value(out[0], call.MaxDepth)
		if m.err != nil {
			return nil, fmt.Errorf("sprig.%s: %w", name, m.err)
		}
		return v, m.done()
	}
}

// sprigGiven returns the arguments of a call of a Go function of type t.
func sprigGiven(a call.Args, t reflect.Type) ([]starlark.Value, error) {
	n := t.NumIn()
	if t.IsVariadic() {
		n--
	}
	fixed := make([]starlark.Value, n)
	var rest starlark.Tuple
	pairs := make([]any, 0, 2*n+2)
	for i := range fixed {
		pairs = append(pairs, string(rune('a'+i)), &fixed[i])
	}
	if t.IsVariadic() {
		pairs = append(pairs, "*"+string(rune('a'+n)), &rest)
	}
	if err := a.Unpack(pairs...); err != nil {
		return nil, err
	}
	return append(fixed, rest...), nil
}

// sprigChecked checks the arguments of a call and charges for its cost. long reports
// whether the call may take long.
func sprigChecked(c *call.Call, name string, given []starlark.Value) (long bool, err error) {
	if err := checkSprig(c, name, given); err != nil {
		return false, err
	}
	if long, err = afford(c, name, given); err != nil {
		return false, err
	}
	return long, sprigFloatArgs(name, given)
}

// sprigArg converts v to what a Go parameter wants.
func sprigArg(c *call.Call, v starlark.Value, want reflect.Type) (reflect.Value, error) {
	var g any
	if t, ok := goTime(v); ok {
		g = t
	} else {
		var err error
		if g, err = value.ToGo(c, v); err != nil {
			return reflect.Value{}, err
		}
		g = jsonvalue.Plain(g)
	}
	if want.Kind() == reflect.Interface {
		if g == nil {
			return reflect.Zero(want), nil
		}
		return reflect.ValueOf(g), nil
	}
	switch want.Kind() {
	case reflect.String:
		if s, ok := g.(string); ok {
			return reflect.ValueOf(s).Convert(want), nil
		}
	case reflect.Int, reflect.Int64:
		if n, ok := call.Integer(v); ok {
			return reflect.ValueOf(n).Convert(want), nil
		}
	case reflect.Uint32:
		if n, ok := call.Integer(v); ok && n >= 0 && n <= math.MaxUint32 {
			return reflect.ValueOf(n).Convert(want), nil
		}
	case reflect.Float64:
		if f, ok := starlark.AsFloat(v); ok {
			return reflect.ValueOf(f), nil
		}
	case reflect.Slice:
		if list, ok := g.([]any); ok && want.Elem().Kind() == reflect.String {
			words := make([]string, len(list))
			for i, e := range list {
				words[i] = fmt.Sprint(e)
			}
			return reflect.ValueOf(words), nil
		}
	}
	if g != nil && reflect.TypeOf(g).AssignableTo(want) {
		return reflect.ValueOf(g), nil
	}
	return reflect.Value{}, fmt.Errorf("got %s, want %s", call.Describe(v), sprigWants(v, want))
}

// sprigWants names a Go type, wanted instead of v, as scripts know it.
func sprigWants(v starlark.Value, t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "dict"
	case reflect.Int, reflect.Int64, reflect.Uint32:
		return call.WantInt(v)
	case reflect.Float64:
		return "float"
	}
	return t.String()
}

// made converts the result of a Go function and charges for it.
type made struct {
	value.Tally
	call *call.Call
	err  error
}

// done charges for the results that were not charged for yet.
func (m *made) done() error { return m.Pay(m.call) }

func (m *made) value(v reflect.Value, depth int) starlark.Value {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	if depth == 0 && m.err == nil {
		m.err = call.ErrDepth
	}
	if m.err == nil {
		m.err = m.Add(m.call, partsOf(v))
	}
	switch {
	case m.err != nil, !v.IsValid() || v.Kind() == reflect.Interface:
		return starlark.None
	case v.Type() == reflect.TypeFor[time.Time]():
		return value.FromGo(v.Interface())
	case v.Type() == reflect.TypeFor[json.Number]():
		return value.FromGo(v.Interface())
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return starlark.String(s.String())
	}
	switch v.Kind() {
	case reflect.Bool:
		return starlark.Bool(v.Bool())
	case reflect.String:
		return starlark.String(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return starlark.MakeInt64(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return starlark.MakeUint64(v.Uint())
	case reflect.Float32, reflect.Float64:
		return starlark.Float(v.Float())
	case reflect.Slice, reflect.Array:
		list := make([]starlark.Value, v.Len())
		for i := range list {
			list[i] = m.value(v.Index(i), depth-1)
		}
		return starlark.NewList(list)
	case reflect.Map:
		fields := map[string]any{}
		for _, k := range v.MapKeys() {
			fields[fmt.Sprint(k.Interface())] = m.value(v.MapIndex(k), depth-1)
		}
		if m.Keys(len(fields), maps.Keys(fields)); m.Tally.Err != nil && m.err == nil {
			m.err = m.Tally.Err
			return starlark.None
		}
		return value.FromGo(fields)
	case reflect.Pointer:
		if v.IsNil() {
			return starlark.None
		}
		return m.value(v.Elem(), depth-1)
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fields[f.Name] = m.value(v.Field(i), depth-1)
			}
		}
		return value.FromGo(fields)
	}
	return starlark.String(fmt.Sprint(v.Interface()))
}

// partsOf returns the number of parts of a Go value itself, without those inside them.
func partsOf(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Map, reflect.Struct:
		return value.PartsOfMap
	case reflect.Slice, reflect.Array:
		return 2
	}
	return 1
}
