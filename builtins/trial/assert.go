package trial

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

// Eq returns an error unless got equals want.
func Eq(c *call.Call, a call.Args) (starlark.Value, error) {
	var got, want starlark.Value
	if err := a.Unpack("got", &got, "want", &want); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, want)
	if err == nil && !same {
		err = fmt.Errorf("got %s, want %s", got, want)
	}
	return starlark.None, err
}

// Ne returns an error if got equals other.
func Ne(c *call.Call, a call.Args) (starlark.Value, error) {
	var got, other starlark.Value
	if err := a.Unpack("got", &got, "other", &other); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, other)
	if err == nil && same {
		err = fmt.Errorf("got %s, want anything else", got)
	}
	return starlark.None, err
}

// True returns an error unless cond is true.
func True(c *call.Call, a call.Args) (starlark.Value, error) {
	var cond starlark.Value
	message := ""
	if err := a.Unpack("cond", &cond, "message?", &message); err != nil {
		return nil, err
	}
	if cond.Truth() {
		return starlark.None, nil
	}
	if message == "" {
		message = fmt.Sprintf("%s is not true", cond)
	}
	return nil, errors.New(message)
}

// Contains returns an error unless item is in container.
func Contains(c *call.Call, a call.Args) (starlark.Value, error) {
	var container, item starlark.Value
	if err := a.Unpack("container", &container, "item", &item); err != nil {
		return nil, err
	}
	in, err := starlark.Binary(syntax.IN, item, container)
	if err == nil && !in.Truth() {
		err = fmt.Errorf("%s is not in %s", item, container)
	}
	return starlark.None, err
}

// Expect returns an error unless the requests that the test has made are as expected.
func Expect(c *call.Call, a call.Args) (starlark.Value, error) {
	var expectations starlark.Value
	if err := a.Unpack("expectations", &expectations); err != nil {
		return nil, err
	}
	if c.Env.Expect == nil {
		return nil, errors.New("expect: expectations can't be checked here")
	}
	text, err := value.AppendJSON(c, nil, expectations)
	if err != nil {
		return nil, err
	}
	failures, err := c.Env.Expect(text, c.Env.Made())
	if err == nil && failures != "" {
		err = errors.New(failures)
	}
	return starlark.None, err
}

// Fails calls fn. It returns an error unless fn itself fails with an error that
// matches pattern.
func Fails(c *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	pattern := ""
	if err := a.Unpack("fn", &fn, "pattern?", &pattern); err != nil {
		return nil, err
	}
	re, err := c.Env.Patterns.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Func, err)
	}
	_, err = starlark.Call(c.Thread, fn, nil, nil)
	if err == nil {
		return nil, fmt.Errorf("%s did not fail", fn.Name())
	}
	if !re.MatchString(err.Error()) {
		return nil, fmt.Errorf("failed with %q, want a match of %q", err.Error(), pattern)
	}
	return starlark.None, nil
}
