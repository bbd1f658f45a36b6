package builtins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func flowModule() Module {
	return Module{
		Doc: "Records, errors as values, and the log.",
		Funcs: []Func{
			{"struct", "**kwargs", "A record with the keywords as its fields.", "p = struct(x=1, y=2)\np.x + p.y  # => 3", callStruct},
			{"try_", "fn, *args", "Calls fn(*args) and returns struct(ok, value, error): Starlark has no exceptions. A limit or a client that went away can't be caught.", "r = try_(int, \"many\")\nr.ok  # => False\ntry_(int, \"7\").value  # => 7", callTry},
			{"log", "*args", "Writes its arguments to the log and to the record of the request, as print does.", `log("token issued")  # => None`, callLog},
		},
	}
}

func callStruct(c *Call, a Args) (starlark.Value, error) {
	var kwargs []starlark.Tuple
	if err := a.Unpack("**kwargs", &kwargs); err != nil {
		return nil, err
	}
	return starlarkstruct.FromKeywords(starlarkstruct.Default, kwargs), nil
}

func callTry(c *Call, a Args) (starlark.Value, error) {
	var fn starlark.Callable
	var args starlark.Tuple
	if err := a.Unpack("fn", &fn, "*args", &args); err != nil {
		return nil, err
	}
	v, err := starlark.Call(c.Thread, fn, args, nil)
	if err != nil {
		if errors.Is(err, ErrTime) || c.alive() != nil {
			return nil, err
		}
		return result(false, starlark.None, starlark.String(err.Error())), nil
	}
	return result(true, v, starlark.None), nil
}

// result is what try_ returns.
func result(ok bool, value, err starlark.Value) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"ok": starlark.Bool(ok), "value": value, "error": err,
	})
}

func callLog(c *Call, a Args) (starlark.Value, error) {
	var args starlark.Tuple
	if err := a.Unpack("*args", &args); err != nil {
		return nil, err
	}
	if err := c.fits("log", 0, args...); err != nil {
		return nil, err
	}
	words := make([]string, len(args))
	for i, v := range args {
		if s, ok := starlark.AsString(v); ok {
			words[i] = s
		} else {
			words[i] = v.String()
		}
	}
	c.Print(strings.Join(words, " "))
	return starlark.None, nil
}

// maxLine bounds a line that a script logs, in bytes.
const maxLine = 4096

// Print writes a script's line to the log and to the notes of the exchange.
func (c *Call) Print(text string) {
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + fmt.Sprintf("… (%d bytes)", len(text))
	}
	if c.Exchange == nil {
		c.Env.Log.Info(text)
		return
	}
	c.Exchange.Notes.Add("info", text)
	c.Env.Log.LogAttrs(context.Background(), slog.LevelInfo, text,
		slog.Uint64("exchange", c.Exchange.ID), slog.String("endpoint", c.Exchange.Endpoint))
}

// alive is the reason why the run must end, if there is one.
func (c *Call) alive() error {
	if c.Bounds != nil {
		if err := c.Bounds.Ended(); err != nil {
			return err
		}
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.Deadline.IsZero() && time.Now().After(c.Deadline) {
		return ErrTime
	}
	return nil
}
