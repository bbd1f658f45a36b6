package builtins

import (
	"fmt"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

func stateModule() Module {
	return Module{
		Name: "state", Call: "get",
		Doc: "The key-value store shared by the test (set_state, get_state), templates and scripts. " +
			"Values are JSON values. state(key, default) is state.get.",
		Funcs: []Func{
			{
				"get", "key, default=None",
				"The value of key, or default. What it returns is a copy.",
				"state.set(\"user\", {\"name\": \"ada\"})\n" +
					"state.get(\"user\")[\"name\"]  # => \"ada\"\n" +
					`state("missing", 7)  # => 7`,
				stateGet,
			},
			{"set", "key, value", "Stores a JSON value.", "state.set(\"mode\", \"idle\")\nstate.get(\"mode\")  # => \"idle\"", stateSet},
			{
				"incr", "key, by=1",
				"Adds to a number, atomically, and returns the sum; an unset key counts as 0.",
				"state.incr(\"hits\")  # => 1\n" +
					`state.incr("hits", by=10)  # => 11`,
				stateIncr,
			},
			{
				"update", "key, fn, default=None",
				"Replaces the value by fn(value), atomically, and returns it; fn gets default for an unset " +
					"key, and a copy of a list or dict, which it may change and must return. fn runs again when " +
					"another request changed the value meanwhile, so it should do nothing else.",
				"state.update(\"log\", lambda l: l + [\"boot\"], default=[])  # => [\"boot\"]\n" +
					"def hit(d):\n" +
					"    d[\"/a\"] = d.get(\"/a\", 0) + 1\n" +
					"    return d\n" +
					`state.update("hits", hit, default={})  # => {"/a": 1}`,
				stateUpdate,
			},
			{
				"pop", "key, default=None",
				"Removes key and returns its value, or default.",
				"state.set(\"once\", 1)\n" +
					"state.pop(\"once\")  # => 1\n" +
					`state.pop("once")  # => None`,
				statePop,
			},
			{
				"keys", "",
				"The keys, in alphabetical order.",
				"state.set(\"b\", 1)\n" +
					"state.set(\"a\", 2)\n" +
					`state.keys()  # => ["a", "b"]`,
				stateKeys,
			},
			{"clear", "", "Removes all keys and returns their number.", "state.set(\"a\", 1)\nstate.clear()  # => 1", stateClear},
		},
	}
}

func stateGet(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var def starlark.Value = starlark.None
	if err := a.Unpack("key", &key, "default?", &def); err != nil {
		return nil, err
	}
	if v, ok := c.Env.State.Get(key); ok {
		return value.Within(c, v)
	}
	return def, nil
}

func stateSet(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var given starlark.Value
	if err := a.Unpack("key", &key, "value", &given); err != nil {
		return nil, err
	}
	v, err := value.ToGo(c, given)
	if err != nil {
		return nil, fmt.Errorf("state.set: %q: %w", key, err)
	}
	if err := c.Env.State.Set(key, v); err != nil {
		return nil, fmt.Errorf("state.set: %w", err)
	}
	return starlark.None, nil
}

func stateIncr(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var by starlark.Value = starlark.MakeInt(1)
	if err := a.Unpack("key", &key, "by?", &by); err != nil {
		return nil, err
	}
	var sum starlark.Value
	_, err := c.Env.State.Update(key, func(old any, ok bool) (any, error) {
		var err error
		var was starlark.Value = starlark.MakeInt(0)
		if ok && old != nil {
			was = value.FromGo(old)
		}
		if sum, err = value.Add(was, by); err != nil {
			return nil, fmt.Errorf("state.incr: %q: %w", key, err)
		}
		return value.ToGo(nil, sum)
	})
	return sum, err
}

func stateUpdate(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var fn starlark.Callable
	var def starlark.Value = starlark.None
	if err := a.Unpack("key", &key, "fn", &fn, "default?", &def); err != nil {
		return nil, err
	}
	v, err := c.Env.State.Update(key, func(old any, ok bool) (any, error) {
		if err := c.Alive(); err != nil {
			return nil, err
		}
		v := def
		if ok {
			var err error
			if v, err = value.Within(c, old); err != nil {
				return nil, err
			}
		}
		v, err := value.Change("state.update", c, fn, v)
		if err != nil {
			return nil, err
		}
		g, err := value.ToGo(c, v)
		if err != nil {
			return nil, fmt.Errorf("state.update: %q: %w", key, err)
		}
		return g, nil
	})
	if err != nil {
		return nil, err
	}
	return value.Within(c, v)
}

func statePop(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var def starlark.Value = starlark.None
	if err := a.Unpack("key", &key, "default?", &def); err != nil {
		return nil, err
	}
	if v, ok := c.Env.State.Pop(key); ok {
		return value.Within(c, v)
	}
	return def, nil
}

func stateKeys(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	keys := c.Env.State.Keys()
	list := make([]starlark.Value, len(keys))
	for i, k := range keys {
		list[i] = starlark.String(k)
	}
	return starlark.NewList(list), nil
}

func stateClear(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return starlark.MakeInt(c.Env.State.Clear()), nil
}
