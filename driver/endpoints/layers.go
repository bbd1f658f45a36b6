package endpoints

import (
	"maps"
	"slices"

	"starproxy/driver/mock"
)

// layers are the endpoints of a driver in the order of their precedence, the lowest
// first. An endpoint replaces the one with the same name in a lower layer, and those
// that it shadows. Methods of a copy do not change the original.
type layers struct {
	scenario []*mock.Endpoint // of the loaded scenario
	config   []*mock.Endpoint // of the exporter file
	set      []*mock.Endpoint // set one by one; no two have one name
	// gone are the names of endpoints of the lower layers that were removed.
	gone map[string]bool
}

// list returns the endpoints in force. One that replaces another of the same name has
// its position; the others come after the lower layers.
func (l *layers) list() []*mock.Endpoint {
	return overlay(overlay(l.left(l.scenario), l.left(l.config)), l.set)
}

// left returns a layer without the endpoints that were removed.
func (l *layers) left(layer []*mock.Endpoint) []*mock.Endpoint {
	return slices.DeleteFunc(slices.Clone(layer), func(ep *mock.Endpoint) bool { return l.gone[ep.Name] })
}

// overlay returns the endpoints of below, some replaced by those of over, and then
// the others of over.
func overlay(below, over []*mock.Endpoint) []*mock.Endpoint {
	if len(over) == 0 {
		return below
	}
	at := make(map[string]int, len(over))
	for i, ep := range over {
		at[ep.Name] = i
	}
	hidden := shadowed(over)
	list := make([]*mock.Endpoint, 0, len(below)+len(over))
	placed := make([]bool, len(over))
	for _, ep := range below {
		if i, same := at[ep.Name]; same {
			if !placed[i] {
				list = append(list, over[i])
			}
			placed[i] = true
			continue
		}
		if !hidden(ep) {
			list = append(list, ep)
		}
	}
	for i, ep := range over {
		if !placed[i] && at[ep.Name] == i {
			list = append(list, ep)
		}
	}
	return list
}

// put sets an endpoint.
func (l *layers) put(ep *mock.Endpoint) {
	if i := l.index(ep.Name); i >= 0 {
		l.set = slices.Clone(l.set)
		l.set[i] = ep
		return
	}
	l.set = append(l.set[:len(l.set):len(l.set)], ep)
}

// index returns where the endpoint of that name is among those set, or -1.
func (l *layers) index(name string) int {
	return slices.IndexFunc(l.set, func(ep *mock.Endpoint) bool { return ep.Name == name })
}

// unset removes an endpoint that was set, and returns it; nil when there is none. The
// endpoints of lower layers that it replaced are in force again.
func (l *layers) unset(name string) *mock.Endpoint {
	i := l.index(name)
	if i < 0 {
		return nil
	}
	ep := l.set[i]
	l.set = slices.Delete(slices.Clone(l.set), i, i+1)
	return ep
}

// covers reports whether ep, when it is set, replaces an endpoint of the lower layers.
func (l *layers) covers(ep *mock.Endpoint) bool {
	hidden := shadowed([]*mock.Endpoint{ep})
	below := func(other *mock.Endpoint) bool {
		return (other.Name == ep.Name || hidden(other)) && !l.gone[other.Name]
	}
	return slices.ContainsFunc(l.scenario, below) || slices.ContainsFunc(l.config, below)
}

// drop removes the endpoint of that name from all layers, until the scenario is
// loaded or reset.
func (l *layers) drop(name string) {
	l.unset(name)
	gone := maps.Clone(l.gone)
	if gone == nil {
		gone = map[string]bool{}
	}
	gone[name] = true
	l.gone = gone
}

// loaded returns the layers as a load of the scenario leaves them.
func (l *layers) loaded() layers { return layers{scenario: l.scenario, config: l.config} }
