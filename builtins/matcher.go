package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

func matcherModule() Module {
	return Module{
		Doc: "Conditions on requests.",
		Funcs: []Func{
			{
				"matcher", "conditions",
				"Makes a function that reports whether a request fulfils conditions, a dict of the keys that match: " +
					"has in a scenario (docs/scenarios.md). A plain value means equality; a dict of equals, " +
					"regex, contains, one_of, absent, gt, gte, lt, lte and not is a matcher. It is compiled " +
					"once, best in a global.",
				"late = matcher({\"query\": {\"page\": {\"gte\": 2}}, \"headers\": {\"X-Device\": {\"regex\": \"^d[0-9]$\"}}})\n" +
					"late(req)  # => True\n" +
					`matcher({"body_json": {"user.name": {"one_of": ["bob", "eve"]}}})(req)  # => False`,
				callMatcher,
			},
		},
	}
}

func callMatcher(c *call.Call, a call.Args) (starlark.Value, error) {
	var conditions starlark.Value
	if err := a.Unpack("conditions", &conditions); err != nil {
		return nil, err
	}
	if _, ok := conditions.(starlark.IterableMapping); !ok {
		return nil, fmt.Errorf("matcher: argument \"conditions\": got %s, want dict", call.Describe(conditions))
	}
	if c.Env.Match == nil {
		return nil, errors.New("matcher: this host has no matchers")
	}
	text, err := value.AppendJSON(c, nil, conditions)
	if err != nil {
		return nil, fmt.Errorf("matcher: %w", err)
	}
	holds, err := c.Env.Match(text)
	if err != nil {
		return nil, fmt.Errorf("matcher: %w", err)
	}
	return value.Matcher(holds), nil
}
