package builtins

import (
	"fmt"
	"time"
	_ "time/tzdata" // zones by name on machines that have none

	"starproxy/builtins/call"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

func timeModule() Module {
	return Module{
		Name: "time",
		Doc: "Times and durations. Times are in UTC unless a zone is named. The names of zones work on every " +
			"machine. A time has .year .month .day .hour .minute .second " +
			".nanosecond .unix .unix_nano .in_location(zone) .format(layout), with layouts as Go writes " +
			"them; times and durations can be compared, added and subtracted.",
		Consts: []Const{
			{"nanosecond", "A duration.", startime.Duration(time.Nanosecond)},
			{"microsecond", "A duration.", startime.Duration(time.Microsecond)},
			{"millisecond", "A duration.", startime.Duration(time.Millisecond)},
			{"second", "A duration.", startime.Duration(time.Second)},
			{"minute", "A duration.", startime.Duration(time.Minute)},
			{"hour", "A duration.", startime.Duration(time.Hour)},
		},
		Funcs: []Func{
			{"now", "", "The time by the driver's clock, in UTC. Tests can turn this clock.", `time.now() >= time.from_timestamp(0)  # => True`, timeNow},
			{
				"monotonic", "",
				"Seconds since some moment, to measure how long something takes. No turn of the clock changes it.",
				"time.monotonic() >= 0  # => True",
				timeMonotonic,
			},
			{
				"parse_duration", "d",
				`The duration of a text like "1h30m".`,
				`time.parse_duration("90s").minutes  # => 1.5`,
				timeParseDuration,
			},
			{
				"parse_time", `x, format="2006-01-02T15:04:05Z07:00", location="UTC"`,
				"The time in a text with this layout.",
				`time.parse_time("2024-05-06T07:08:09Z").unix  # => 1714979289`,
				timeParse,
			},
			{
				"from_timestamp", "sec, nsec=0",
				"The time of seconds since 1970, in UTC.",
				"time.from_timestamp(60).minute  # => 1",
				timeFromTimestamp,
			},
			{
				"time", `year=0, month=0, day=0, hour=0, minute=0, second=0, nanosecond=0, location="UTC"`,
				"The time of a date.",
				"time.time(year=2024, month=2, day=30).day  # => 1",
				timeOf,
			},
			{
				"is_valid_timezone", "loc",
				"True if a time zone with this name is known.",
				`time.is_valid_timezone("UTC")  # => True`,
				timeZone,
			},
		},
	}
}

func timeNow(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return startime.Time(c.Env.Clock.Now().UTC()), nil
}

func timeMonotonic(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return starlark.Float(c.Env.Monotonic().Seconds()), nil
}

func timeParseDuration(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("d", &v); err != nil {
		return nil, err
	}
	if d, ok := v.(startime.Duration); ok {
		return d, nil
	}
	s, ok := starlark.AsString(v)
	if !ok {
		return nil, fmt.Errorf("time.parse_duration: got %s, want string", call.Describe(v))
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, fmt.Errorf("time.parse_duration: %q is no duration, want something like \"1h30m\"", s)
	}
	return startime.Duration(d), nil
}

// zone finds a time zone by its name.
func zone(fn, name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: unknown time zone %q", fn, name)
	case loc == time.Local:
		return nil, fmt.Errorf("%s: the time zone %q is another one on each machine, want a name such as \"UTC\"", fn, name)
	}
	return loc, nil
}

func timeParse(c *call.Call, a call.Args) (starlark.Value, error) {
	var x string
	format, location := time.RFC3339, "UTC"
	if err := a.Unpack("x", &x, "format?", &format, "location?", &location); err != nil {
		return nil, err
	}
	loc, err := zone("time.parse_time", location)
	if err != nil {
		return nil, err
	}
	t, err := time.ParseInLocation(format, x, loc)
	if err != nil {
		return nil, fmt.Errorf("time.parse_time: %q does not fit the layout %q", x, format)
	}
	return startime.Time(t), nil
}

func timeFromTimestamp(c *call.Call, a call.Args) (starlark.Value, error) {
	var sec, nsec int64
	if err := a.Unpack("sec", &sec, "nsec?", &nsec); err != nil {
		return nil, err
	}
	return startime.Time(time.Unix(sec, nsec).UTC()), nil
}

func timeOf(c *call.Call, a call.Args) (starlark.Value, error) {
	var year, month, day, hour, minute, second, nanosecond int
	location := "UTC"
	if err := a.Unpack("year?", &year, "month?", &month, "day?", &day, "hour?", &hour, "minute?", &minute,
		"second?", &second, "nanosecond?", &nanosecond, "location?", &location); err != nil {
		return nil, err
	}
	loc, err := zone("time.time", location)
	if err != nil {
		return nil, err
	}
	return startime.Time(time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, loc)), nil
}

func timeZone(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("loc", &name); err != nil {
		return nil, err
	}
	_, err := zone(a.Func, name)
	return starlark.Bool(err == nil), nil
}
