package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

func eventModule() Module {
	return Module{
		Doc: "Events, from which the plans of faults of a scenario can count their times.",
		Funcs: []Func{
			{
				"mark_event", "name",
				"Tells that an event has happened now. A plan of faults with since: name in when counts from it. " +
					"Where no plan waits for it, it has no effect.",
				`mark_event("installed")  # => None`,
				callMarkEvent,
			},
		},
	}
}

func callMarkEvent(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	if c.Env.Mark != nil {
		if err := c.Env.Mark(name); err != nil {
			return nil, fmt.Errorf("mark_event: %w", err)
		}
	}
	return starlark.None, nil
}
