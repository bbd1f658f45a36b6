package builtins

import (
	"fmt"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

// sprigDicts returns the functions of sprig that make or read dicts. Sprig's own lose
// the order of keys. These keep it.
func sprigDicts() map[string]sprigFunc {
	return map[string]sprigFunc{
		"dict":               {"*a", sprigDict},
		"keys":               {"*a", sprigKeys},
		"values":             {"a", sprigValues},
		"set":                {"a, b, c", sprigSet},
		"unset":              {"a, b", sprigUnset},
		"pick":               {"a, *b", sprigChoose(true)},
		"omit":               {"a, *b", sprigChoose(false)},
		"merge":              {"a, *b", sprigMerge(false)},
		"mustMerge":          {"a, *b", sprigMerge(false)},
		"mergeOverwrite":     {"a, *b", sprigMerge(true)},
		"mustMergeOverwrite": {"a, *b", sprigMerge(true)},
		"deepCopy":           {"a", sprigDeepCopy},
		"mustDeepCopy":       {"a", sprigDeepCopy},
	}
}

// sprigDictArg returns argument i, a dict with texts as keys.
func sprigDictArg(fn string, i int, v starlark.Value) (*starlark.Dict, error) {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return nil, fmt.Errorf("%s: argument %d: got %s, want dict", fn, i, call.Describe(v))
	}
	for _, k := range d.Keys() {
		if _, err := value.JSONKey(k); err != nil {
			return nil, fmt.Errorf("%s: argument %d: %w", fn, i, err)
		}
	}
	return d, nil
}

// copyDict returns d in a dict that can be changed; its values are copied, too.
func copyDict(c *call.Call, d *starlark.Dict) (*starlark.Dict, error) {
	v, err := copyValue(c, d)
	if err != nil {
		return nil, err
	}
	return v.(*starlark.Dict), nil
}

// copyValue returns a copy of a value, within the bounds of the run.
func copyValue(c *call.Call, v starlark.Value) (starlark.Value, error) {
	size, err := c.Measured("the copy", []starlark.Value{v})
	if err != nil {
		return nil, err
	}
	if err := c.Enough("the copy", size); err != nil {
		return nil, err
	}
	return value.Mutable(c, v)
}

func sprigDict(c *call.Call, a call.Args) (starlark.Value, error) {
	var all starlark.Tuple
	if err := a.Unpack("*a", &all); err != nil {
		return nil, err
	}
	d := c.Maker(0)
	for i := 0; i < len(all); i += 2 {
		key, ok := all[i].(starlark.String)
		if !ok {
			key = starlark.String(all[i].String())
		}
		var value starlark.Value = starlark.String("")
		if i+1 < len(all) {
			value = all[i+1]
		}
		if err := d.Set(key, value); err != nil {
			return nil, err
		}
	}
	return d.Dict, nil
}

func sprigKeys(_ *call.Call, a call.Args) (starlark.Value, error) {
	var all starlark.Tuple
	if err := a.Unpack("*a", &all); err != nil {
		return nil, err
	}
	list := new(starlark.List)
	for i, v := range all {
		d, err := sprigDictArg(a.Func, i+1, v)
		if err != nil {
			return nil, err
		}
		for _, k := range d.Keys() {
			list.Append(k)
		}
	}
	return list, nil
}

func sprigValues(_ *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	d, err := sprigDictArg(a.Func, 1, v)
	if err != nil {
		return nil, err
	}
	list := new(starlark.List)
	for _, e := range d.Entries() {
		list.Append(e)
	}
	return list, nil
}

func sprigSet(c *call.Call, a call.Args) (starlark.Value, error) {
	var v, value starlark.Value
	var key string
	if err := a.Unpack("a", &v, "b", &key, "c", &value); err != nil {
		return nil, err
	}
	d, err := sprigDictArg(a.Func, 1, v)
	if err != nil {
		return nil, err
	}
	if d, err = copyDict(c, d); err != nil {
		return nil, err
	}
	return d, d.SetKey(starlark.String(key), value)
}

func sprigUnset(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	var key string
	if err := a.Unpack("a", &v, "b", &key); err != nil {
		return nil, err
	}
	d, err := sprigDictArg(a.Func, 1, v)
	if err != nil {
		return nil, err
	}
	if d, err = copyDict(c, d); err != nil {
		return nil, err
	}
	_, _, err = d.Delete(starlark.String(key))
	return d, err
}

// sprigChoose returns a copy of a dict with only the named keys, or without them.
func sprigChoose(named bool) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		var keys starlark.Tuple
		if err := a.Unpack("a", &v, "*b", &keys); err != nil {
			return nil, err
		}
		d, err := sprigDictArg(a.Func, 1, v)
		if err != nil {
			return nil, err
		}
		chosen := map[string]bool{}
		for i, k := range keys {
			s, ok := starlark.AsString(k)
			if !ok {
				return nil, fmt.Errorf("%s: argument %d: got %s, want string", a.Func, i+2, call.Describe(k))
			}
			chosen[s] = true
		}
		if d, err = copyDict(c, d); err != nil {
			return nil, err
		}
		for _, k := range d.Keys() {
			if chosen[words(k)] != named {
				if _, _, err := d.Delete(k); err != nil {
					return nil, err
				}
			}
		}
		return d, nil
	}
}

// sprigMerge merges dicts into the first one, and dicts in them, too. If two dicts have
// a key, the first value is kept. If overwrite is set, the last value that is not empty
// is kept.
func sprigMerge(overwrite bool) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		var rest starlark.Tuple
		if err := a.Unpack("a", &v, "*b", &rest); err != nil {
			return nil, err
		}
		var merged *starlark.Dict
		for i, v := range append(starlark.Tuple{v}, rest...) {
			d, err := sprigDictArg(a.Func, i+1, v)
			if err == nil {
				d, err = copyDict(c, d)
			}
			if err != nil {
				return nil, err
			}
			if merged == nil {
				merged = d
			} else if err := mergeDicts(merged, d, overwrite); err != nil {
				return nil, err
			}
		}
		return merged, nil
	}
}

// mergeDicts merges from into into, which may share parts of from afterwards. A key with
// an empty value counts as missing.
func mergeDicts(into, from *starlark.Dict, overwrite bool) error {
	for k, v := range from.Entries() {
		old, there, err := into.Get(k)
		if err != nil {
			return err
		}
		inner, isDict := old.(*starlark.Dict)
		if other, ok := v.(*starlark.Dict); ok && isDict {
			if err := mergeDicts(inner, other, overwrite); err != nil {
				return err
			}
			continue
		}
		if there && bool(old.Truth()) && !(overwrite && bool(v.Truth())) {
			continue
		}
		if err := into.SetKey(k, v); err != nil {
			return err
		}
	}
	return nil
}

func sprigDeepCopy(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	return copyValue(c, v)
}
