package mock

// Effect says how an endpoint that is set relates to one that is there.
type Effect string

const (
	// Replaced has the same name: the new endpoint takes its place.
	Replaced Effect = "replaced"
	// Shadowed gets no requests any more: the new endpoint answers them.
	Shadowed Effect = "shadowed"
	// Ahead is asked first and answers all requests of the new endpoint.
	Ahead Effect = "ahead"
)

// Relation is an endpoint that is there, and how a new one relates to it.
type Relation struct {
	Endpoint *Endpoint
	Effect   Effect
}

// maxRelations bounds the result of [Table.Relations].
const maxRelations = 20

// Relations returns the endpoints that ep replaces or leaves without requests if it is
// set, and those that leave it without requests, at most 20. An endpoint whose conditions
// are hard to compare may be missing.
func (t *Table) Relations(ep *Endpoint) (list []Relation) {
	m := ep.Match
	if m.Compile() != nil {
		return nil
	}
	for _, w := range t.ix.Load().rows {
		if len(list) == maxRelations {
			break
		}
		same := w.ep.Name == ep.Name
		switch first := Order(&m, &w.match); {
		case same:
			list = append(list, Relation{w.ep, Replaced})
		case !w.answers():
		case first < 0 && m.Covers(&w.match):
			list = append(list, Relation{w.ep, Shadowed})
		case first >= 0 && w.match.Covers(&m):
			list = append(list, Relation{w.ep, Ahead})
		}
	}
	return list
}
