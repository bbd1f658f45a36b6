package scenario

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"go.yaml.in/yaml/v3"

	starvalue "starproxy/builtins/value"
	"starproxy/driver/document"
	"starproxy/script"
)

// maxValues bounds the number of values in a script's data, which can contain itself.
const maxValues = 1_000_000

// reader turns Starlark data into the nodes of a document. A node has the place of
// its expression in the script, where that is known.
type reader struct {
	c    *compiler
	room int
}

// at returns a node at the place of an expression, or else of the node above.
func at(e syntax.Expr, above *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	if e != nil {
		p := syntax.Start(e)
		n.Line, n.Column = int(p.Line), int(p.Col)
	} else if above != nil {
		n.Line, n.Column = above.Line, above.Column
	}
	return n
}

// endpoints reads the dict of endpoints, whose values may be functions.
func (r *reader) endpoints(v starlark.Value, e syntax.Expr) (*yaml.Node, error) {
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, sentinel(at(e, nil), v.Type(), ErrNoEndpoints)
	}
	n := at(e, nil)
	n.Kind, n.Tag = yaml.MappingNode, "!!map"
	for _, kv := range d.Items() {
		ke, ve := entry(e, kv[0])
		k := at(ke, n)
		key, ok := starlark.AsString(kv[0])
		if !ok {
			return nil, document.Errorf(k, "endpoints: got a key of type %s, want text", kv[0].Type())
		}
		k.Tag, k.Value = "!!str", key
		var value *yaml.Node
		var err error
		if isAnswer(kv[1]) {
			value = at(ve, k)
			value.Tag, value.Value = answerTag, kv[1].Type()
			r.c.answers[value] = written{kv[1], ve}
		} else if value, err = r.node(kv[1], ve, k, fmt.Sprintf("endpoint %q", key), 0); err != nil {
			return nil, err
		}
		n.Content = append(n.Content, k, value)
	}
	return n, nil
}

// node turns data into a node; path names it in errors.
func (r *reader) node(v starlark.Value, e syntax.Expr, above *yaml.Node, path string, depth int) (*yaml.Node, error) {
	n := at(e, above)
	if depth > document.MaxDepth {
		return nil, document.TooDeep(n)
	}
	if r.room--; r.room < 0 {
		return nil, document.Errorf(n, "%s: more than %d values", path, maxValues)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		n.Tag, n.Value = "!!null", "null"
	case starlark.Bool:
		n.Tag, n.Value = "!!bool", "false"
		if v {
			n.Value = "true"
		}
	case starlark.String:
		n.Tag, n.Value, n.Style = "!!str", string(v), yaml.DoubleQuotedStyle
	case starlark.Bytes:
		n.Tag, n.Value, n.Style = "!!str", string(v), yaml.DoubleQuotedStyle
		if !utf8.ValidString(n.Value) {
			n.Tag, n.Value = document.BinaryTag, base64.StdEncoding.EncodeToString([]byte(v))
		}
	case starlark.Int, starlark.Float:
		b, err := starvalue.AppendJSON(nil, nil, v)
		if err != nil {
			return nil, document.Errorf(n, "%s: %v", path, err)
		}
		n.Tag, n.Value = "!!float", string(b)
		if _, ok := v.(starlark.Int); ok {
			n.Tag = "!!int"
		}
	case starlark.IterableMapping:
		return n, r.fillMap(n, v, e, path, depth)
	case *starlark.List, starlark.Tuple, *starlark.Set:
		return n, r.fillList(n, v.(starlark.Iterable), e, path, depth)
	case starlark.Callable:
		return nil, document.Errorf(n, "%s: got a function, want data; only an endpoint itself may be a function", path)
	default:
		data, err := starvalue.ToGo(nil, v)
		if err != nil {
			return nil, document.Errorf(n, "%s: %v", path, err)
		}
		return r.node(starvalue.FromGo(data), nil, n, path, depth)
	}
	return n, nil
}

// fillMap makes n the map v, which the expression e made.
func (r *reader) fillMap(n *yaml.Node, v starlark.IterableMapping, e syntax.Expr, path string, depth int) error {
	n.Kind, n.Tag = yaml.MappingNode, "!!map"
	for _, kv := range v.Items() {
		ke, ve := entry(e, kv[0])
		k := at(ke, n)
		key, ok := starlark.AsString(kv[0])
		if !ok {
			return document.Errorf(k, "%s: got a key of type %s, want text", path, kv[0].Type())
		}
		k.Tag, k.Value = "!!str", key
		value, err := r.node(kv[1], ve, k, path+": "+key, depth+1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, k, value)
	}
	return nil
}

// fillList makes n the list of the elements of v, which the expression e made.
func (r *reader) fillList(n *yaml.Node, v starlark.Iterable, e syntax.Expr, path string, depth int) error {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	i := 0
	for item := range starlark.Elements(v) {
		c, err := r.node(item, element(e, i, starlark.Len(v)), n, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, c)
		i++
	}
	return nil
}

// entry returns the expressions of a key and its value in a dict display.
func entry(e syntax.Expr, key starlark.Value) (k, v syntax.Expr) {
	s, ok := starlark.AsString(key)
	if d, isDict := unwrap(e).(*syntax.DictExpr); ok && isDict {
		for _, item := range d.List {
			pair := item.(*syntax.DictEntry)
			if l, ok := pair.Key.(*syntax.Literal); ok && l.Value == s {
				return pair.Key, pair.Value
			}
		}
	}
	return nil, nil
}

// element returns the expression of element i of n in a list display.
func element(e syntax.Expr, i, n int) syntax.Expr {
	switch e := unwrap(e).(type) {
	case *syntax.ListExpr:
		if len(e.List) == n {
			return e.List[i]
		}
	case *syntax.TupleExpr:
		if len(e.List) == n {
			return e.List[i]
		}
	}
	return nil
}

func unwrap(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}

// adversities reads the globals that set something against devices, and reports
// whether there are any.
func (r *reader) adversities(loaded *script.Script) (found bool, err error) {
	for _, a := range adversities() {
		v, ok := loaded.Globals[a.key]
		if !ok {
			continue
		}
		found = true
		n, err := r.node(v, assigned(loaded.Syntax, a.key), nil, a.key, 0)
		if err == nil {
			err = r.c.oppose(a.key, n)
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// hooks reads the dict of functions that see all traffic.
func (r *reader) hooks(v starlark.Value, e syntax.Expr) (*Hooks, error) {
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, document.Errorf(at(e, nil), "hooks: got %s, want a dict with the functions request and response", v.Type())
	}
	h := &Hooks{host: r.c.env.Script, how: r.c.answering()}
	known := map[string]struct {
		fn    *starlark.Callable
		takes int
		what  string
	}{
		"request":  {&h.Request, 1, "the request"},
		"response": {&h.Response, 2, "the request and the response"},
	}
	for _, kv := range d.Items() {
		ke, ve := entry(e, kv[0])
		k := at(ke, at(e, nil))
		name, _ := starlark.AsString(kv[0])
		hook, ok := known[name]
		if !ok {
			k.Value = name
			return nil, document.UnknownKey(k, "hooks", slices.Sorted(maps.Keys(known)))
		}
		if kv[1] == starlark.None {
			continue
		}
		fn, ok := kv[1].(starlark.Callable)
		if !ok {
			return nil, document.Errorf(at(ve, k), "hooks: %s: got %s, want a function", name, kv[1].Type())
		}
		if err := takes(fn, hook.takes, hook.what); err != nil {
			return nil, document.Errorf(at(ve, k), "hooks: %s: %v", name, err)
		}
		*hook.fn = fn
	}
	if h.Request == nil && h.Response == nil {
		return nil, nil
	}
	return h, nil
}

// takes returns an error if a function can't be called with n arguments.
func takes(fn starlark.Callable, n int, what string) error {
	f, ok := fn.(*starlark.Function)
	if !ok {
		return nil // a builtin checks its arguments itself
	}
	params := f.NumParams()
	if f.HasKwargs() {
		params--
	}
	if f.HasVarargs() {
		params--
	}
	positional := params - f.NumKwonlyParams()
	required := 0
	for i := range params {
		if f.ParamDefault(i) != nil {
			continue
		}
		if i >= positional {
			name, _ := f.Param(i)
			return fmt.Errorf("function %s needs the keyword %s, but is called with %s only", f.Name(), name, what)
		}
		required++
	}
	if required > n || positional < n && !f.HasVarargs() {
		return fmt.Errorf("function %s: got %d parameters, want %d: %s", f.Name(), positional, n, what)
	}
	return nil
}
