package trial

import (
	"errors"
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

// Advance moves the test's clock forward.
func Advance(c *call.Call, a call.Args) (starlark.Value, error) {
	var d time.Duration
	if err := a.Unpack("duration", &d); err != nil {
		return nil, err
	}
	if !c.Env.Manual {
		return nil, errors.New("clock.advance: the clock here is not a test's")
	}
	c.Waits()
	c.Env.Clock.Advance(d)
	c.Waited()
	return starlark.None, c.Env.Tasks.Failure()
}

// Seed sets the number from which the random source starts.
func Seed(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("n", &v); err != nil {
		return nil, err
	}
	n, ok := call.Integer(v)
	seed := uint64(n)
	if i, isInt := v.(starlark.Int); isInt && !ok {
		seed, ok = i.Uint64()
	}
	if !ok {
		return nil, fmt.Errorf("seed: argument \"n\": got %s, want %s", call.Describe(v), call.WantInt(v))
	}
	c.Env.Random.Seed(seed)
	return starlark.None, nil
}

// Request returns a request value like the one that a handler is called with.
func Request(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var headers, query, params, body starlark.Value
	if err := a.Unpack("key", &key, "headers?", &headers, "query?", &query, "params?", &params, "body?", &body); err != nil {
		return nil, err
	}
	x, err := value.NewExchange(key, headers, query, params, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	x.Start = c.Env.Clock.Now()
	return value.NewRequest(x, c.Env.MaxBody), nil
}
