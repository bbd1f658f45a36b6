package builtins

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// sprigChecks refuse arguments for which a function of sprig would panic or
// return a wrong value. The name of a function is the one without "must". An
// error names the argument, what it is and what is expected.
var sprigChecks = map[string]func(a []starlark.Value) error{
	"append": listAt(0), "prepend": listAt(0), "push": listAt(0),
	"first": listAt(0), "rest": listAt(0), "last": listAt(0), "initial": listAt(0),
	"reverse": listAt(0), "uniq": listAt(0), "compact": listAt(0), "without": listAt(0),
	"slice": checkSlice,
	"chunk": func(a []starlark.Value) error {
		if n, ok := call.Integer(a[0]); ok && n < 1 {
			return fmt.Errorf("argument 1: got %d, want 1 or more", n)
		}
		return listAt(1)(a)
	},
	"has": func(a []starlark.Value) error {
		if a[1] == starlark.None {
			return nil // it is in no list
		}
		return listAt(1)(a)
	},
	"concat": func(a []starlark.Value) error {
		for i := range a {
			if err := listAt(i)(a); err != nil {
				return err
			}
		}
		return nil
	},
	"dig":    checkDig,
	"repeat": notNegative(0), "indent": notNegative(0), "nindent": notNegative(0),
	"substr": checkSubstr,
	"b64dec": func(a []starlark.Value) error {
		_, err := base64.StdEncoding.DecodeString(words(a[0]))
		return err
	},
	"b32dec": func(a []starlark.Value) error {
		_, err := base32.StdEncoding.DecodeString(words(a[0]))
		return err
	},
}

// sprigFailures are the beginnings of the texts that functions of sprig return instead
// of an error.
var sprigFailures = map[string][]string{
	"derivePassword": {"cannot find password template ", "failed to derive "},
	"genPrivateKey":  {"Unknown type ", "failed to generate "},
}

// checkSprig refuses arguments of the function name that are mistakes.
func checkSprig(c *call.Call, name string, a []starlark.Value) error {
	base := sprigBase(name)
	if base == "regexReplaceAll" {
		re, err := compiled(c, "sprig."+name, words(a[0]))
		if err != nil {
			return err
		}
		if err := checkGroups(re.Regexp, words(a[2])); err != nil {
			return fmt.Errorf("sprig.%s: argument 3: %w", name, err)
		}
		return nil
	}
	check := sprigChecks[base]
	if check == nil {
		return nil
	}
	if err := check(a); err != nil {
		return fmt.Errorf("sprig.%s: %w", name, err)
	}
	return nil
}

// listAt expects a list as argument i.
func listAt(i int) func([]starlark.Value) error {
	return func(a []starlark.Value) error {
		switch a[i].(type) {
		case starlark.Bytes, starlark.IterableMapping:
		case starlark.Iterable:
			return nil
		}
		return fmt.Errorf("argument %d: got %s, want list", i+1, call.Describe(a[i]))
	}
}

// notNegative expects a count as argument i.
func notNegative(i int) func([]starlark.Value) error {
	return func(a []starlark.Value) error {
		if n, ok := call.Integer(a[i]); ok && n < 0 {
			return fmt.Errorf("argument %d: got %d, want 0 or more", i+1, n)
		}
		return nil
	}
}

// checkSlice expects a list and a range in it.
func checkSlice(a []starlark.Value) error {
	if err := listAt(0)(a); err != nil {
		return err
	}
	size := starlark.Len(a[0])
	bounds := []int64{0, int64(size)}
	for i, v := range a[1:] {
		n, ok := call.Integer(v)
		if !ok {
			return fmt.Errorf("argument %d: got %s, want int", i+2, call.Describe(v))
		}
		if i < len(bounds) {
			bounds[i] = n
		}
	}
	if size >= 0 && (bounds[0] < 0 || bounds[0] > bounds[1] || bounds[1] > int64(size)) {
		return fmt.Errorf("got the range %d to %d, want one within 0 to %d", bounds[0], bounds[1], size)
	}
	return nil
}

// checkSubstr expects a range in the bytes of a text. A negative start is the
// start of the text, a negative end and one beyond the text are its end.
func checkSubstr(a []starlark.Value) error {
	start, ok := call.Integer(a[0])
	end, both := call.Integer(a[1])
	if !ok || !both {
		return nil // refused where it is converted
	}
	from, to, size := max(start, 0), end, int64(length(a[2]))
	if start >= 0 && (end < 0 || end > size) {
		to = size
	}
	if to < from || to > size {
		return fmt.Errorf("got the range %d to %d, want one within 0 to %d", start, end, size)
	}
	return nil
}

// checkDig expects keys, a default and a dict whose values on the way are dicts.
func checkDig(a []starlark.Value) error {
	if len(a) < 3 {
		return fmt.Errorf("got %d arguments, want one or more keys, a default and a dict", len(a))
	}
	keys := a[:len(a)-2]
	for i, k := range keys {
		if _, ok := starlark.AsString(k); !ok {
			return fmt.Errorf("argument %d: got %s, want string", i+1, call.Describe(k))
		}
	}
	at := a[len(a)-1]
	for i := 0; ; i++ {
		m, ok := at.(starlark.Mapping)
		if !ok {
			if i == 0 {
				return fmt.Errorf("argument %d: got %s, want dict", len(a), call.Describe(at))
			}
			return fmt.Errorf("the value at %s: got %s, want dict", dotted(keys[:i]), call.Describe(at))
		}
		if i == len(keys) {
			return nil
		}
		v, found, err := m.Get(keys[i])
		if err != nil || !found || i == len(keys)-1 {
			return err
		}
		at = v
	}
}

// dotted returns a list of keys with dots between.
func dotted(keys []starlark.Value) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = words(k)
	}
	return strings.Join(parts, ".")
}

// callSprig calls a function of sprig. It returns a panic, and a text that
// stands for an error, as an error.
func callSprig(name string, fn reflect.Value, in []reflect.Value) (out []reflect.Value, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, fmt.Errorf("sprig.%s: %s", name, panicText(v))
		}
	}()
	out = fn.Call(in)
	if last := len(out) - 1; last > 0 {
		if err, _ := out[last].Interface().(error); err != nil {
			return nil, fmt.Errorf("sprig.%s: %w", name, err)
		}
	}
	for _, begin := range sprigFailures[name] {
		if text := out[0].String(); strings.HasPrefix(text, begin) {
			return nil, fmt.Errorf("sprig.%s: %s", name, text)
		}
	}
	return out, nil
}

// panicText says in plain words why a function of sprig panicked.
func panicText(v any) string {
	text := fmt.Sprint(v)
	switch {
	case strings.Contains(text, "divide by zero"), strings.Contains(text, "division by 0"):
		return "division by 0"
	case strings.HasPrefix(text, "runtime error: "), strings.HasPrefix(text, "reflect"), strings.HasPrefix(text, "interface conversion: "):
		return "cannot work with these arguments: " + strings.TrimPrefix(text, "runtime error: ")
	}
	return text
}
