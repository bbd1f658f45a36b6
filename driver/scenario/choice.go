package scenario

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

func rulesHandler(d *definition) (exchange.Handler, error) {
	list, err := d.list("rules")
	if err != nil {
		return nil, err
	}
	rules := make([]script.Rule, len(list))
	d.rules = make([]*mock.Match, len(list))
	for i, n := range list {
		r, err := d.child("rules", i, n, inRule)
		if err != nil {
			return nil, err
		}
		m := &mock.Match{}
		if err := r.match(m); err != nil {
			return nil, err
		}
		if r.get("match") != nil || m.State != nil {
			if err := m.Compile(); err != nil {
				return nil, document.Errorf(n, "%s: %v", r.path, err)
			}
			rules[i].Match = m.Holds
			d.rules[i] = m
		}
		if rules[i].Handler, err = r.counted(false); err != nil {
			return nil, err
		}
	}
	d.checkRules(list, d.rules)
	host, err := d.script("rules", d.get("rules"))
	if err != nil {
		return nil, err
	}
	h, err := host.Conditional(rules)
	if err != nil {
		return nil, document.Errorf(d.get("rules"), "%s: %s", d.at("rules"), scriptMessage(err))
	}
	return h, nil
}

func sequenceHandler(d *definition) (exchange.Handler, error) {
	list, err := d.list("sequence")
	if err != nil {
		return nil, err
	}
	steps := make([]script.Step, len(list))
	parts := make([]*definition, len(list))
	timed := false
	for i, n := range list {
		s, err := d.child("sequence", i, n, inStep)
		if err != nil {
			return nil, err
		}
		parts[i] = s
		if r := s.get("repeat"); r != nil {
			n, ok := document.Whole(r)
			if !ok || n < 1 || n > 1_000_000_000 {
				return nil, s.wrong("repeat", r, "a whole number, 1 or more")
			}
			steps[i].Repeat = int(n)
		}
		if steps[i].Delay, err = s.delay(); err != nil {
			return nil, err
		}
		timed = timed || s.get("delay_ms") != nil
		if steps[i].Handler, err = s.counted(true); err != nil {
			return nil, err
		}
	}
	for i := range steps {
		steps[i].Timed = timed
	}
	d.checkSteps(parts, steps, timed)
	host, err := d.script("sequence", d.get("sequence"))
	if err != nil {
		return nil, err
	}
	h, err := host.Sequence(steps)
	if err != nil {
		return nil, document.Errorf(d.get("sequence"), "%s: %s", d.at("sequence"), scriptMessage(err))
	}
	return h, nil
}

// counted returns the handler of a rule or a step, which counts its requests.
func (d *definition) counted(step bool) (exchange.Handler, error) {
	b := &mock.Branch{Name: d.branch, Step: step}
	if d.c.src.File != "" {
		b.Line = d.node.Line
	}
	d.c.branches = append(d.c.branches, b)
	h, _, err := d.handler()
	if err != nil {
		return nil, err
	}
	return b.Counted(h), nil
}

// child returns the definition of a rule or a step.
func (d *definition) child(key string, i int, n *yaml.Node, where role) (*definition, error) {
	if d.where == inEntry {
		where = inEntry
	}
	c, err := d.c.define(n, fmt.Sprintf("%s[%d]", d.at(key), i), where)
	if err == nil {
		c.method, c.params = d.method, d.params
		c.branch = strings.TrimPrefix(fmt.Sprintf("%s.%s[%d]", d.branch, key, i), ".")
	}
	return c, err
}
