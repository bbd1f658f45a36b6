package scenario

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/nearest"
	"starproxy/driver/document"
	"starproxy/driver/faultplan"
	"starproxy/driver/mock"
)

// CompilePlans returns the plans of faults in a text in YAML or JSON: the kind of a
// fault, one plan, a list of plans, or a document that has a list under the key faults.
// A name is that of the only plan, and empty if the plans have their own. Errors have
// the file name and the place in the text.
func CompilePlans(filename, name string, text []byte, env Env) ([]*faultplan.Plan, error) {
	root, err := document.Read(filename, text)
	if err != nil {
		return nil, err
	}
	list := root
	if in := document.Child(root, "faults"); in != nil {
		list = in
	}
	if list.Kind != yaml.SequenceNode {
		if list.Kind == yaml.ScalarNode {
			list = document.Map(list, []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "do"}, list})
		}
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{list}, Line: list.Line, Column: list.Column}
	}
	if name != "" && len(list.Content) != 1 {
		return nil, document.InFile(filename, document.Errorf(list, "got %d plans for the name %q, want one", len(list.Content), name))
	}
	c := newCompiler(env, mock.Source{}, "")
	plans, err := c.plans(list, "faults", "set")
	if err != nil {
		return nil, document.InFile(filename, err)
	}
	if name != "" {
		if !planName(name) {
			return nil, fmt.Errorf("name: got %q, want %s", name, planNames)
		}
		plans[0].Name = name
	}
	return plans, nil
}

// plans compiles a list of plans. A plan without a name is named by its number, behind
// prefix.
func (c *compiler) plans(n *yaml.Node, path, prefix string) ([]*faultplan.Plan, error) {
	if n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, document.Wrong(n, path, "a list of plans")
	}
	if len(n.Content) > faultplan.MaxPlans {
		return nil, document.Errorf(n, "%s: got %d plans, want at most %d", path, len(n.Content), faultplan.MaxPlans)
	}
	var plans []*faultplan.Plan
	first := map[string]int{}
	for i, v := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		p, err := c.plan(v, at, fmt.Sprintf("%s-%d", prefix, i+1))
		if err == nil && first[p.Name] > 0 {
			err = document.Errorf(v, "%s: the name %q is there twice (first at line %d)", at, p.Name, first[p.Name])
		}
		if err != nil {
			if c.env.Mistake == nil {
				return nil, err
			}
			c.env.Mistake(document.InFile(c.src.File, err))
			continue
		}
		first[p.Name] = max(v.Line, 1)
		plans = append(plans, p)
	}
	c.checkPlans(n, path, plans)
	return plans, nil
}

// planNames says which names a plan and an event may have.
const planNames = "text of 1 to 100 bytes without blanks and slashes, other than start"

// planName reports whether a plan or an event may have a name.
func planName(s string) bool {
	return s != "" && len(s) <= 100 && s != "start" && !document.IsEndpoint(s) && !strings.ContainsAny(s, "\t\r\n")
}

// Mark tells a table that an event has happened now. It returns an error for a name that
// no event may have.
func Mark(t *faultplan.Table, name string) error {
	if !planName(name) {
		return fmt.Errorf("name: got %s, want %s", excerpt.Quote(name), planNames)
	}
	return t.Mark(name)
}

// plan compiles one plan. Without a name of its own, it has the given one.
func (c *compiler) plan(v *yaml.Node, path, name string) (*faultplan.Plan, error) {
	if v.Kind != yaml.MappingNode {
		return nil, document.Wrong(v, path, "a map with do")
	}
	p := &faultplan.Plan{Name: name, Match: &mock.Match{}, Source: c.src, Definition: document.Value(v)}
	if p.Source.File != "" {
		p.Source.Line, p.Source.Column = v.Line, v.Column
	}
	var do *yaml.Node
	for k, n := range document.Pairs(v) {
		if isRemark(k.Value) || n.Tag == "!!null" {
			continue
		}
		var err error
		switch at := path + "." + k.Value; k.Value {
		case "name":
			if p.Name = n.Value; n.Kind != yaml.ScalarNode || !planName(n.Value) {
				err = document.Wrong(n, at, planNames)
			}
		case "match":
			p.Match, err = c.planMatch(v, n, path)
		case "when":
			err = readWhen(&p.When, n, at)
		case "do":
			do = n
			p.Do, err = readFault(n, at, faultplan.Kinds(), true)
		default:
			err = document.UnknownKey(k, path, []string{"name", "match", "when", "do"})
		}
		if err != nil {
			return nil, err
		}
	}
	if do == nil {
		return nil, document.Errorf(v, "%s: got no do, want the fault: one of %s", path, strings.Join(faultplan.Kinds(), ", "))
	}
	if p.Do.Kind == "truncate" && p.Do.After.IsZero() && (do.Kind != yaml.MappingNode || document.Child(do, "after") == nil) {
		p.Do.After = exchange.Offset{Percent: 50, Relative: true}
	}
	return p, p.Match.Compile()
}

// CompileConditions returns the conditions in a map, which has the keys of match in an
// endpoint. path is that of the map in its document, for errors.
func CompileConditions(n *yaml.Node, path string) (*mock.Match, error) {
	if n.Kind != yaml.MappingNode {
		return nil, document.Wrong(n, path, "a map of conditions")
	}
	d := &definition{c: newCompiler(Env{}, mock.Source{}, ""), node: n}
	m := &mock.Match{}
	if err := d.conditions(path, n, m); err != nil {
		return nil, err
	}
	if err := m.Compile(); err != nil {
		return nil, document.Errorf(n, "%s: %v", path, err)
	}
	return m, nil
}

// planMatch reads the requests of the plan v: the key of an endpoint, or a map of
// conditions, in which key is such a key.
func (c *compiler) planMatch(v, n *yaml.Node, path string) (*mock.Match, error) {
	key, at := n, path+".match"
	if n.Kind == yaml.MappingNode {
		key, at = document.Child(n, "key"), at+".key"
	}
	m := &mock.Match{}
	if key != nil && key.Tag != "!!null" {
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
			return nil, document.Wrong(key, at, `a key such as "GET /fw/*", or a map of conditions`)
		}
		var err error
		if *m, err = mock.ParseKey(key.Value); err != nil {
			return nil, document.Errorf(key, "%s: %v", at, err)
		}
		c.checkMethod(key, *m)
		c.checkPath(key, *m)
	}
	if n.Kind == yaml.MappingNode {
		d := &definition{c: c, node: v, path: path, params: params(m.Path)}
		if err := d.conditions("match", document.Without(n, "key"), m); err != nil {
			return nil, err
		}
	}
	if err := m.Compile(); err != nil {
		return nil, document.Errorf(n, "%s: %v", at, err)
	}
	return m, nil
}

// readWhen reads the turns of a plan.
func readWhen(w *faultplan.When, n *yaml.Node, path string) error {
	if n.Kind != yaml.MappingNode {
		return document.Wrong(n, path, "a map such as {nth: 2}")
	}
	for k, v := range document.Pairs(n) {
		if isRemark(k.Value) || v.Tag == "!!null" {
			continue
		}
		at := path + "." + k.Value
		ok, want := true, "a whole number, 1 or more"
		switch k.Value {
		case "nth":
			list := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
				list = v.Content
			}
			w.Nth, want = make([]int64, len(list)), "the number of a request from 1 on, or a list of such"
			for i, e := range list {
				ok = ok && whole(e, 1, maxCount, &w.Nth[i])
			}
		case "every":
			ok = whole(v, 1, maxCount, &w.Every)
		case "times":
			ok = whole(v, 1, maxCount, &w.Times)
		case "probability":
			share, isNumber := document.Float(v)
			ok, want = isNumber && share >= 0 && share <= 1, "a number from 0 to 1"
			w.Probability = &share
		case "from":
			w.From, ok = seconds(v)
			want = "a number of seconds, or text such as 1m30s"
		case "to":
			w.To, ok = seconds(v)
			ok, want = ok && w.To > 0, "a number of seconds, or text such as 1m30s, above 0"
		case "per":
			w.PerClient, ok, want = true, v.Value == "client", "client"
		case "since":
			if err := readSince(&w.Since, v, at); err != nil {
				return err
			}
		default:
			return document.UnknownKey(k, path, []string{"nth", "every", "times", "probability", "from", "to", "per", "since"})
		}
		if !ok {
			return document.Wrong(v, at, want)
		}
	}
	if w.To > 0 && w.To <= w.From {
		return document.Errorf(document.Field(n, "to"), "%s.to: got %v, want more than from, %v", path, w.To, w.From)
	}
	return nil
}

// readSince reads the event from which times are counted: start, the name of a plan or
// of an event, or the key of a request.
func readSince(s *faultplan.Since, n *yaml.Node, path string) error {
	text := strings.TrimSpace(n.Value)
	switch {
	case n.Kind == yaml.ScalarNode && text == "start":
	case n.Kind == yaml.ScalarNode && planName(text):
		s.Name = text
	case n.Kind == yaml.ScalarNode && document.IsEndpoint(text):
		m, err := mock.ParseKey(text)
		if err == nil {
			err = m.Compile()
		}
		if err != nil {
			return document.Errorf(n, "%s: %v", path, err)
		}
		s.Request, s.Key = &m, text
	default:
		return document.Wrong(n, path, `start, the name of a plan or of an event, or a key such as "POST /login"`)
	}
	return nil
}

// checkPlans warns about plans that wait for a fault of a plan that is not there. The
// name may be one that mark_event tells, so that only a similar name counts.
func (c *compiler) checkPlans(n *yaml.Node, path string, plans []*faultplan.Plan) {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = p.Name
	}
	for _, p := range plans {
		since := p.When.Since.Name
		if since == "" || slices.Contains(names, since) {
			continue
		}
		if near := nearest.Name(since, names); near != "" {
			at := &yaml.Node{Line: p.Source.Line, Column: p.Source.Column}
			if at.Line == 0 {
				at = n
			}
			c.warn(at, "%s: %s waits for the event %s; is the plan %s meant?", path, p.Name, since, near)
		}
	}
}
