package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

func matcherModule() Module {
	return Module{
		Doc: "Conditions on requests.",
		Funcs: []Func{
			{"matcher", "conditions", "Makes a function that tells whether a request fulfils conditions, a dict as below match: in YAML: method, host, path, params, query, headers, headers_absent, cookies, form, body, body_contains, body_json, body_xml, parts. A plain value means equality; a dict of equals, regex, contains, one_of, absent, gt, gte, lt, lte and not is a matcher. It is compiled once, best in a global.",
				"late = matcher({\"query\": {\"page\": {\"gte\": 2}}, \"headers\": {\"X-Device\": {\"regex\": \"^d[0-9]$\"}}})\nlate(req)  # => True\nmatcher({\"body_json\": {\"user.name\": {\"one_of\": [\"bob\", \"eve\"]}}})(req)  # => False", callMatcher},
		},
	}
}

// Matcher is a condition on requests that scripts can call: matches(req).
type Matcher func(*exchange.Exchange) bool

func (m Matcher) Name() string          { return "matcher" }
func (m Matcher) String() string        { return "<matcher>" }
func (m Matcher) Type() string          { return "matcher" }
func (m Matcher) Freeze()               {}
func (m Matcher) Truth() starlark.Bool  { return true }
func (m Matcher) Hash() (uint32, error) { return 0, errors.New("unhashable: matcher") }

// CallInternal tells whether the request matches.
func (m Matcher) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
	defer call.Rescue("matcher", &err)
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, errors.New("matcher: want one argument, a request")
	}
	r, ok := args[0].(*Request)
	if !ok {
		return nil, fmt.Errorf("matcher: got %s, want request", call.Describe(args[0]))
	}
	return starlark.Bool(m(r.x)), nil
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
	text, err := AppendJSON(c, nil, conditions)
	if err != nil {
		return nil, fmt.Errorf("matcher: %w", err)
	}
	holds, err := c.Env.Match(text)
	if err != nil {
		return nil, fmt.Errorf("matcher: %w", err)
	}
	return Matcher(holds), nil
}

// Interface guard.
var _ starlark.Callable = Matcher(nil)
