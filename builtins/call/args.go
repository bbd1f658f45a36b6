package call

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/nearest"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// Args are the arguments of one call of a builtin.
type Args struct {
	// Func is the name of the builtin, for errors.
	Func       string
	Positional starlark.Tuple
	Keywords   []starlark.Tuple

	probe *probe
}

// probe collects the parameters that a builtin unpacks. With a probe, the builtin
// does nothing else.
type probe struct{ params []string }

var errProbe = errors.New("probe")

// Unpack stores the arguments through pairs of a parameter's name and a
// pointer. A name with "?" is optional and keeps what the pointer holds; the
// pointers' types decide what is accepted:
//
//	*string                 a string
//	*int, *int64            an int, or a float without a fraction
//	*float64                an int or a float
//	*bool                   a bool
//	*time.Duration          "250ms", seconds as a number, or a time.duration
//	*[]byte                 a string or bytes
//	*starlark.Callable      a function
//	*starlark.Value         anything
//	*starlark.Tuple         with "*name": the remaining positional arguments
//	*[]starlark.Tuple       with "**name": the remaining keyword arguments
func (a Args) Unpack(pairs ...any) error {
	if a.probe != nil {
		return a.probe.record(pairs)
	}
	t := taker{args: a}
	for i := 0; i < len(pairs); i += 2 {
		name, to := pairs[i].(string), pairs[i+1]
		switch {
		case strings.HasPrefix(name, "**"):
			t.rest = to.(*[]starlark.Tuple)
		case name[0] == '*':
			*to.(*starlark.Tuple) = a.Positional[t.next:]
			t.next, t.variadic = len(a.Positional), true
		default:
			if err := t.take(pairs, name, to); err != nil {
				return err
			}
		}
	}
	if t.next < len(a.Positional) {
		return fmt.Errorf("%s: got %d arguments, want at most %d", a.Func, len(a.Positional), t.next)
	}
	if t.used < len(a.Keywords) || t.rest != nil {
		return a.surplus(pairs, t.rest)
	}
	return nil
}

// taker is the state of Unpack.
type taker struct {
	args     Args
	next     int // the index of the next positional argument
	used     int // the number of keyword arguments taken so far
	variadic bool
	rest     *[]starlark.Tuple
}

// take stores the argument for one parameter, whose name may end in "?".
func (t *taker) take(pairs []any, name string, to any) error {
	required := name[len(name)-1] != '?'
	if !required {
		name = name[:len(name)-1]
	}
	v, err := t.find(name)
	if err != nil {
		return err
	}
	if v == nil {
		if !required {
			return nil
		}
		if t.used < len(t.args.Keywords) {
			if err := t.args.surplus(pairs, t.rest); err != nil {
				return err // the argument is missing because its keyword is misspelt
			}
		}
		return fmt.Errorf("%s: missing argument %q", t.args.Func, name)
	}
	if want := assign(to, v); want != "" {
		return fmt.Errorf("%s: argument %q: got %s, want %s", t.args.Func, name, Describe(v), want)
	}
	return nil
}

// find returns the argument for a parameter, nil if there is none.
func (t *taker) find(name string) (starlark.Value, error) {
	a := &t.args
	if t.next >= len(a.Positional) || t.variadic {
		v := a.keyword(name)
		if v != nil {
			t.used++
		}
		return v, nil
	}
	v := a.Positional[t.next]
	t.next++
	if a.keyword(name) != nil {
		return nil, fmt.Errorf("%s: two values for argument %q", a.Func, name)
	}
	return v, nil
}

// Text returns the argument of a call that has a single argument, a string. That is
// the usual call of functions that look up a name. All other calls need Unpack.
//
// It saves 5 to 10 % of a request whose handler reads one header or one field of a
// small JSON body (BenchmarkReading of driver/proxy); when Unpack makes no garbage
// for a call with one string, it should go.
func (a Args) Text() (string, bool) {
	if a.probe != nil || len(a.Positional) != 1 || len(a.Keywords) > 0 {
		return "", false
	}
	s, ok := a.Positional[0].(starlark.String)
	return string(s), ok
}

// Given returns the arguments, positional and keyword ones.
func (a Args) Given() []starlark.Value {
	given := slices.Clone(a.Positional)
	for _, kv := range a.Keywords {
		given = append(given, kv[1])
	}
	return given
}

// keyword finds the value of a keyword argument.
func (a Args) keyword(name string) starlark.Value {
	for _, kv := range a.Keywords {
		if string(kv[0].(starlark.String)) == name {
			return kv[1]
		}
	}
	return nil
}

// surplus handles the keywords that no parameter has taken. Without a parameter for
// the rest, it returns an error.
func (a Args) surplus(pairs []any, rest *[]starlark.Tuple) error {
	var names []string
	for i := 0; i < len(pairs); i += 2 {
		if name := pairs[i].(string); name[0] != '*' {
			names = append(names, strings.TrimSuffix(name, "?"))
		}
	}
next:
	for _, kv := range a.Keywords {
		key := string(kv[0].(starlark.String))
		for _, name := range names {
			if name == key {
				continue next
			}
		}
		if rest == nil {
			if near := nearest.Name(key, names); near != "" {
				return fmt.Errorf("%s: no argument %q (did you mean %q?)", a.Func, key, near)
			}
			return fmt.Errorf("%s: no argument %q", a.Func, key)
		}
		*rest = append(*rest, kv)
	}
	return nil
}

// assign stores v through p. If v has the wrong type, it returns the wanted one.
func assign(p any, v starlark.Value) (want string) {
	switch p := p.(type) {
	case *starlark.Value:
		*p = v
	case *string:
		s, ok := v.(starlark.String)
		if !ok {
			return "string"
		}
		*p = string(s)
	case *int:
		n, ok := Integer(v)
		if !ok || n > math.MaxInt || n < math.MinInt {
			return WantInt(v)
		}
		*p = int(n)
	case *int64:
		n, ok := Integer(v)
		if !ok {
			return WantInt(v)
		}
		*p = n
	case *float64:
		f, ok := starlark.AsFloat(v)
		if !ok {
			return "float"
		}
		*p = f
	case *bool:
		b, ok := v.(starlark.Bool)
		if !ok {
			return "bool"
		}
		*p = bool(b)
	case *time.Duration:
		d, ok := Duration(v)
		if !ok {
			return `a duration ("250ms", "1.5s", or seconds)`
		}
		*p = d
	case *[]byte:
		switch v := v.(type) {
		case starlark.String:
			*p = []byte(v)
		case starlark.Bytes:
			*p = []byte(v)
		default:
			return "string or bytes"
		}
	case *starlark.Callable:
		f, ok := v.(starlark.Callable)
		if !ok {
			return "function"
		}
		*p = f
	default:
		return "nothing that this builtin knows"
	}
	return ""
}

// WantInt returns the description of the wanted int for an error about v.
func WantInt(v starlark.Value) string {
	if _, ok := v.(starlark.Int); ok {
		return "an int that fits 64 bits"
	}
	return "int"
}

// Integer converts an int, or a float without a fraction, to an int64. It reports
// false for other values and for numbers that do not fit.
func Integer(v starlark.Value) (int64, bool) {
	switch v := v.(type) {
	case starlark.Int:
		return v.Int64()
	case starlark.Float:
		if f := float64(v); f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			return int64(f), true
		}
	}
	return 0, false
}

// Duration converts "250ms", a number of seconds, or a time.duration. It reports
// false for other values and for negative durations.
func Duration(v starlark.Value) (time.Duration, bool) {
	switch v := v.(type) {
	case starlark.String:
		d, err := time.ParseDuration(string(v))
		return d, err == nil && d >= 0
	case startime.Duration:
		return time.Duration(v), v >= 0
	case starlark.Int, starlark.Float:
		f, _ := starlark.AsFloat(v)
		if f >= 0 && f < math.MaxInt64/1e9 {
			return time.Duration(f * 1e9), true
		}
	}
	return 0, false
}

// Describe describes a value in an error: its type, and the value if it is short.
func Describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		if len(v) <= 40 {
			return "string " + strconv.Quote(string(v))
		}
	case starlark.Int, starlark.Float, starlark.Bool:
		return v.Type() + " " + v.String()
	}
	return v.Type()
}

// Probing reports whether the builtin is only asked for its parameters.
func (a Args) Probing() bool { return a.probe != nil }

// record notes the parameters with their defaults.
func (p *probe) record(pairs []any) error {
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if s, optional := strings.CutSuffix(name, "?"); optional {
			name = s + "=" + literal(pairs[i+1])
		}
		p.params = append(p.params, name)
	}
	return errProbe
}

// literal writes the value that p points to in the syntax of Starlark.
func literal(p any) string {
	switch p := p.(type) {
	case *string:
		return strconv.Quote(*p)
	case *int:
		return strconv.Itoa(*p)
	case *int64:
		return strconv.FormatInt(*p, 10)
	case *float64:
		return starlark.Float(*p).String()
	case *bool:
		return starlark.Bool(*p).String()
	case *starlark.Value:
		if *p != nil {
			return (*p).String()
		}
	case *time.Duration:
		if *p != 0 {
			return strconv.Quote(p.String())
		}
	}
	return "None"
}
