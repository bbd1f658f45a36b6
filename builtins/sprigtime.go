package builtins

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"starproxy/builtins/call"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// sprigTimes returns the functions of sprig for times. Sprig's own use the time zone of
// the machine, and the present time in place of an argument that is not a time. These use
// UTC and return an error.
func sprigTimes() map[string]sprigFunc {
	return map[string]sprigFunc{
		"now":              {"", timeNow},
		"ago":              {"a", sprigAgo},
		"date":             {"a, b", sprigDate("")},
		"htmlDate":         {"a", sprigDate(time.DateOnly)},
		"dateInZone":       {"a, b, c", sprigDateInZone("")},
		"date_in_zone":     {"a, b, c", sprigDateInZone("")},
		"htmlDateInZone":   {"a, b", sprigDateInZone(time.DateOnly)},
		"dateModify":       {"a, b", sprigDateModify},
		"date_modify":      {"a, b", sprigDateModify},
		"mustDateModify":   {"a, b", sprigDateModify},
		"must_date_modify": {"a, b", sprigDateModify},
		"toDate":           {"a, b", sprigToDate},
		"mustToDate":       {"a, b", sprigToDate},
		"unixEpoch":        {"a", sprigUnixEpoch},
		"duration":         {"a", sprigDuration},
		"durationRound":    {"a", sprigDurationRound},
	}
}

// sprigTime returns an argument that is a time, or the seconds since 1970.
func sprigTime(fn, arg string, v starlark.Value) (time.Time, error) {
	if t, ok := goTime(v); ok {
		return t, nil
	}
	if n, ok := call.Integer(v); ok {
		return time.Unix(n, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%s: argument %q: got %s, want a time or seconds since 1970", fn, arg, call.Describe(v))
}

func sprigAgo(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	t, err := sprigTime(a.Func, "a", v)
	if err != nil {
		return nil, err
	}
	return starlark.String(c.Env.Clock.Now().Sub(t).Round(time.Second).String()), nil
}

// sprigDate formats a time in UTC. An empty layout means that the layout is the first
// argument.
func sprigDate(layout string) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(_ *call.Call, a call.Args) (starlark.Value, error) {
		layout, arg := layout, "a"
		var v starlark.Value
		var err error
		if layout == "" {
			arg = "b"
			err = a.Unpack("a", &layout, "b", &v)
		} else {
			err = a.Unpack("a", &v)
		}
		if err != nil {
			return nil, err
		}
		t, err := sprigTime(a.Func, arg, v)
		if err != nil {
			return nil, err
		}
		return starlark.String(t.UTC().Format(layout)), nil
	}
}

func sprigDateInZone(layout string) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(_ *call.Call, a call.Args) (starlark.Value, error) {
		layout, arg := layout, "a"
		var v starlark.Value
		var name string
		var err error
		if layout == "" {
			arg = "b"
			err = a.Unpack("a", &layout, "b", &v, "c", &name)
		} else {
			err = a.Unpack("a", &v, "b", &name)
		}
		if err != nil {
			return nil, err
		}
		t, err := sprigTime(a.Func, arg, v)
		if err != nil {
			return nil, err
		}
		loc, err := zone(a.Func, name)
		if err != nil {
			return nil, err
		}
		return starlark.String(t.In(loc).Format(layout)), nil
	}
}

func sprigDateModify(_ *call.Call, a call.Args) (starlark.Value, error) {
	var text string
	var v starlark.Value
	if err := a.Unpack("a", &text, "b", &v); err != nil {
		return nil, err
	}
	t, err := sprigTime(a.Func, "b", v)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no duration, want something like \"-1h30m\"", a.Func, text)
	}
	return startime.Time(t.Add(d)), nil
}

func sprigToDate(_ *call.Call, a call.Args) (starlark.Value, error) {
	var layout, text string
	if err := a.Unpack("a", &layout, "b", &text); err != nil {
		return nil, err
	}
	t, err := time.ParseInLocation(layout, text, time.UTC)
	if err != nil {
		return nil, fmt.Errorf("%s: %q does not fit the layout %q", a.Func, text, layout)
	}
	return startime.Time(t), nil
}

func sprigUnixEpoch(_ *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	t, err := sprigTime(a.Func, "a", v)
	if err != nil {
		return nil, err
	}
	return starlark.String(strconv.FormatInt(t.Unix(), 10)), nil
}

// sprigDuration formats whole seconds, given as a number or a text, as a duration.
func sprigDuration(_ *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	n, ok := call.Integer(v)
	if s, isText := v.(starlark.String); isText {
		i, err := strconv.ParseInt(string(s), 10, 64)
		n, ok = i, err == nil
	}
	const most = math.MaxInt64 / int64(time.Second)
	if !ok || n > most || n < -most {
		return nil, fmt.Errorf("%s: argument \"a\": got %s, want whole seconds up to %d", a.Func, call.Describe(v), most)
	}
	return starlark.String((time.Duration(n) * time.Second).String()), nil
}

// sprigDurationRound formats a duration in its largest unit. The argument is a text,
// nanoseconds, a duration, or a time, which means the time since then.
func sprigDurationRound(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("a", &v); err != nil {
		return nil, err
	}
	d, err := roundable(c, v)
	if err != nil {
		return nil, fmt.Errorf("%s: argument \"a\": got %s, want a duration (\"2h10m\"), nanoseconds or a time", a.Func, call.Describe(v))
	}
	if d < 0 {
		d = -max(d, -math.MaxInt64)
	}
	const day = 24 * time.Hour
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * day, "y"}, {30 * day, "mo"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d > unit.size {
			return starlark.String(strconv.FormatInt(int64(d/unit.size), 10) + unit.name), nil
		}
	}
	return starlark.String("0s"), nil
}

func roundable(c *call.Call, v starlark.Value) (time.Duration, error) {
	if t, ok := goTime(v); ok {
		return c.Env.Clock.Now().Sub(t), nil
	}
	if n, ok := call.Integer(v); ok {
		return time.Duration(n), nil
	}
	switch v := v.(type) {
	case startime.Duration:
		return time.Duration(v), nil
	case starlark.String:
		return time.ParseDuration(string(v))
	}
	return 0, errors.New("no duration")
}
