package contract

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// Operation is one method at one path of a contract.
type Operation struct {
	// Name is method and path: "GET /dogs/{dogId}".
	Name         string
	Method, Path string
	// ID is the operationId, or "".
	ID string
	// Place is the place in the document, such as "kennel.yaml:12:5 #/paths/~1dogs/get".
	Place string

	at         spot
	names      []string // of the parameters in the path, in its order
	parameters []*parameter
	body       *payload // nil for none
	answers    map[string]*answer
	security   [][]scheme // one of these lists has to be met; none means no security
	number     int        // of the counters
}

// payload is a body with its types.
type payload struct {
	at       spot
	required bool
	media    []*media
}

// media is one type of a body.
type media struct {
	name   string // "application/json", "image/*", "*/*"
	at     spot
	schema *jsonschema.Schema // nil for none
	hint   *hint
}

// answer is one status of an operation.
type answer struct {
	at      spot
	headers []*parameter
	payload payload
}

// scheme is one kind of credentials.
type scheme struct {
	name, kind, in, scheme string
	at                     spot
}

// operation reads the operation at a place of a path.
func (c *Contract) operation(root, item, at spot) (*Operation, error) {
	op := &Operation{ID: at.text("operationId"), Place: at.String(), at: at, answers: map[string]*answer{}, number: len(c.Operations)}
	if err := c.parameters(op, at, item); err != nil {
		return nil, err
	}
	if body, ok := at.child("requestBody"); ok {
		body, err := c.tree.resolve(body)
		if err != nil {
			return nil, err
		}
		p, err := c.payload(body, inRequest)
		if err != nil {
			return nil, err
		}
		p.required = body.truth("required")
		op.body = &p
	}
	answers, _ := at.child("responses")
	all, _ := answers.value.(map[string]any)
	for status := range all {
		if strings.HasPrefix(status, "x-") {
			continue
		}
		s, _ := answers.child(status)
		a, err := c.answer(s)
		if err != nil {
			return nil, err
		}
		op.answers[strings.ToUpper(status)] = a
	}
	return op, c.secure(op, root, at)
}

// parameters reads those of an operation and those of its path.
func (c *Contract) parameters(op *Operation, places ...spot) error {
	for _, place := range places {
		list, _ := place.child("parameters")
		items, _ := list.value.([]any)
		for i := range items {
			at, err := c.tree.resolve(list.item(i))
			if err != nil {
				return err
			}
			p, err := c.parameter(at, at.text("name"), at.text("in"), inRequest)
			if err != nil {
				return err
			}
			same := func(q *parameter) bool { return q.name == p.name && q.in == p.in }
			ignored := p.in == inHeader && slices.ContainsFunc([]string{"Accept", "Content-Type", "Authorization"},
				func(name string) bool { return exchange.EqualName(name, p.name) })
			if !ignored && !slices.ContainsFunc(op.parameters, same) {
				op.parameters = append(op.parameters, p)
			}
		}
	}
	return nil
}

// answer reads one answer.
func (c *Contract) answer(at spot) (*answer, error) {
	at, err := c.tree.resolve(at)
	if err != nil {
		return nil, err
	}
	a := &answer{at: at}
	if a.payload, err = c.payload(at, inAnswer); err != nil {
		return nil, err
	}
	a.payload.required = true
	headers, _ := at.child("headers")
	if _, ok := headers.value.(map[string]any); !ok {
		return a, nil
	}
	for k := range document.Pairs(headers.node()) {
		h, _ := headers.child(k.Value)
		if h, err = c.tree.resolve(h); err != nil {
			return nil, err
		}
		if exchange.EqualName(k.Value, "Content-Type") {
			continue
		}
		p, err := c.parameter(h, k.Value, inHeader, inAnswer)
		if err != nil {
			return nil, err
		}
		a.headers = append(a.headers, p)
	}
	return a, nil
}

// payload reads the types of a body below a place.
func (c *Contract) payload(at spot, s side) (payload, error) {
	p := payload{at: at}
	content, _ := at.child("content")
	if _, ok := content.value.(map[string]any); !ok {
		return p, nil
	}
	for k := range document.Pairs(content.node()) {
		m, _ := content.child(k.Value)
		m, err := c.tree.resolve(m)
		if err != nil {
			return p, err
		}
		name, _, _ := strings.Cut(strings.ToLower(k.Value), ";")
		one := &media{name: strings.TrimSpace(name), at: m}
		if schema, ok := m.child("schema"); ok {
			if one.schema, err = c.sides[s].schema(schema); err != nil {
				return p, err
			}
			if one.name == formType {
				one.hint = c.hint(schema, 0)
			}
		}
		p.media = append(p.media, one)
	}
	// Of those that fit, the one that says most counts.
	slices.SortStableFunc(p.media, func(a, b *media) int { return strings.Count(a.name, "*") - strings.Count(b.name, "*") })
	return p, nil
}

// of returns the media type that fits a content type, or nil.
func (p *payload) of(contentType string) *media {
	main, _, _ := strings.Cut(contentType, "/")
	for _, m := range p.media {
		if m.name == contentType || m.name == "*/*" || m.name == main+"/*" {
			return m
		}
	}
	return nil
}

// status returns what the contract says about a status, or nil.
func (op *Operation) status(code string) *answer {
	for _, key := range []string{code, code[:1] + "XX", "DEFAULT"} {
		if a := op.answers[key]; a != nil {
			return a
		}
	}
	return nil
}

// secure reads the credentials that an operation asks for.
func (c *Contract) secure(op *Operation, root, at spot) error {
	list, ok := at.child("security")
	if !ok {
		list, _ = root.child("security")
	}
	items, _ := list.value.([]any)
	components, _ := root.child("components")
	schemes, _ := components.child("securitySchemes")
	for i := range items {
		need, _ := list.item(i).value.(map[string]any)
		var all []scheme
		for name := range need {
			s, ok := schemes.child(name)
			if !ok {
				return list.item(i).fault("security: there is no scheme %q in components.securitySchemes", name)
			}
			s, err := c.tree.resolve(s)
			if err != nil {
				return err
			}
			all = append(all, scheme{s.text("name"), s.text("type"), s.text("in"), strings.ToLower(s.text("scheme")), s})
		}
		op.security = append(op.security, all)
	}
	return nil
}
