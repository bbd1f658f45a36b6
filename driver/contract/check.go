package contract

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// The kinds of breaches.
const (
	KindPath      = "path"         // the contract has no such path
	KindMethod    = "method"       // the path has no such method
	KindSecurity  = "security"     // no credentials of the kind that is asked for
	KindParameter = "parameter"    // a parameter is missing or wrong
	KindHeader    = "header"       // a header of an answer is missing or wrong
	KindType      = "content type" // the body has a type that the contract does not name
	KindBody      = "body"         // the body is missing, broken, or does not fit its schema
	KindStatus    = "status"       // the contract does not name the status
)

// Breach is one place in which an exchange breaks a contract.
type Breach struct {
	// Operation is its name, "GET /dogs/{dogId}"; for an unknown path it is method and
	// path of the request.
	Operation string `json:"operation"`
	// Side is "request" or "answer".
	Side string `json:"side"`
	// Kind is one of those above.
	Kind string `json:"kind"`
	// At is the part of the message: "query limit", "header Location", "body /0/id".
	At string `json:"at"`
	// Text says what is wrong there.
	Text string `json:"text"`
	// Place is the place in the document: "kennel.yaml:52:11 #/components/schemas/Dog".
	Place string `json:"place"`
}

// String returns the breach as a note: "contract: answer body /0/id: got string, want
// integer (kennel.yaml:98:20 #/components/…/type)".
func (b Breach) String() string {
	text := b.Side
	if b.At != "" {
		text += " " + b.At
	}
	return "contract: " + text + ": " + b.Text + " (" + b.Place + ")"
}

// Request is what is looked at of a device's request.
type Request struct {
	Method string
	// Host is empty if it is not known.
	Host string
	// Target is path and query as sent.
	Target string
	Header exchange.Header
	Body   Body

	query  [][2]string
	parsed bool
}

// Answer is what is looked at of an answer.
type Answer struct {
	Status int
	Header exchange.Header
	Body   Body
}

// Body is a body with its content encodings undone.
type Body struct {
	Data []byte
	// Unread is the reason why the bytes are not there; the body is not checked then.
	Unread string
}

// Result is what a check has found.
type Result struct {
	// Operation is nil if the contract has none for the request.
	Operation *Operation
	// Outside says that the contract is not about the request: it goes to another host,
	// or to a path that no server of the document has.
	Outside bool
	// Breaches of request and answer.
	Breaches []Breach
	// Unchecked are the parts that were not checked, with the reason.
	Unchecked []string
}

func (r *Request) pairs() [][2]string {
	if !r.parsed {
		for name, value := range exchange.Pairs(exchange.QueryOf(r.Target)) {
			r.query = append(r.query, [2]string{name, value})
		}
		r.parsed = true
	}
	return r.query
}

// Check checks a request, and the answer unless it is nil.
func (c *Contract) Check(r *Request, a *Answer) Result {
	res, f := c.begin(r)
	if f.op == nil {
		return res
	}
	check := checking{c: c, op: f.op, res: &res, side: "request", compiler: c.sides[inRequest]}
	check.request(r, f)
	if a != nil {
		check.side, check.compiler = "answer", c.sides[inAnswer]
		check.answer(r, a)
	}
	return res
}

// CheckAnswer checks an answer only, as that of a mock which has no request yet.
func (c *Contract) CheckAnswer(r *Request, a *Answer) Result {
	res, f := c.begin(r)
	if f.op != nil {
		check := checking{c: c, op: f.op, res: &res, side: "answer", compiler: c.sides[inAnswer]}
		check.answer(r, a)
	}
	return res
}

// begin finds the operation of a request. Without one, the result has the reason.
func (c *Contract) begin(r *Request) (Result, found) {
	if r.Host != "" && !c.Covers(r.Host) {
		return Result{Outside: true}, found{}
	}
	path := exchange.PathOf(r.Target)
	f := c.find(r.Method, r.Host, path)
	res := Result{Operation: f.op}
	switch {
	case f.op != nil:
	case f.path:
		res.add(Breach{Operation: r.Method + " " + path, Side: "request", Kind: KindMethod,
			Text: fmt.Sprintf("the contract has the path, but not with %s", r.Method), Place: c.name()})
	case f.below:
		res.add(Breach{Operation: r.Method + " " + path, Side: "request", Kind: KindPath, Text: "the contract has no such path",
			Place: c.name()})
	default:
		res.Outside = true
	}
	return res, f
}

func (c *Contract) name() string { return spot{file: c.tree.files[c.File]}.String() }

// maxBreaches bounds how many breaches of one exchange are told.
const maxBreaches = 20

func (r *Result) add(b Breach) {
	if len(r.Breaches) < maxBreaches {
		r.Breaches = append(r.Breaches, b)
	}
}

// checking is one check of a request or an answer.
type checking struct {
	c        *Contract
	op       *Operation
	res      *Result
	side     string
	compiler *compiler
}

func (c *checking) breach(kind, at, text string, place spot) {
	c.res.add(Breach{Operation: c.op.Name, Side: c.side, Kind: kind, At: at, Text: text, Place: place.String()})
}

func (c *checking) request(r *Request, f found) {
	if len(c.op.security) > 0 && !slices.ContainsFunc(c.op.security, func(all []scheme) bool { return met(all, r) }) {
		c.breach(KindSecurity, "", "no credentials: want "+wanted(c.op.security), c.op.at)
	}
	for _, p := range c.op.parameters {
		v, found, err := p.value(r, c.op, f.values)
		c.parameter(KindParameter, p, v, found, err)
	}
	if c.op.body != nil {
		c.body(c.op.body, r.Header, r.Body)
	}
}

// parameter checks one parameter or header.
func (c *checking) parameter(kind string, p *parameter, v any, found bool, err error) {
	at := p.in + " " + p.name
	switch {
	case err != nil:
		c.breach(kind, at, err.Error(), p.at)
	case !found && p.required:
		c.breach(kind, at, "is missing", p.at)
	case !found || p.schema == nil || p.empty && v == "":
	default:
		for _, f := range c.compiler.faults(p.schema, v) {
			c.breach(kind, at+f.at, f.text, f.place)
		}
	}
}

func (c *checking) answer(r *Request, a *Answer) {
	if a.Status < 200 || a.Status == 304 {
		return // part of HTTP, not of the API
	}
	code := strconv.Itoa(a.Status)
	said := c.op.status(code)
	if said == nil && a.Status == 206 {
		said = c.op.status("200")
	}
	if said == nil {
		c.breach(KindStatus, "status "+code, "is not in the contract, which has "+c.op.statuses(), c.op.at)
		return
	}
	for _, h := range said.headers {
		v, found, err := h.header(a.Header)
		c.parameter(KindHeader, h, v, found, err)
	}
	if exchange.Bodiless(r.Method, a.Status) || a.Status == 206 {
		return
	}
	if len(said.payload.media) > 0 {
		c.body(&said.payload, a.Header, a.Body)
	}
}

// statuses returns the statuses of an operation for a message.
func (op *Operation) statuses() string {
	var list []string
	for code := range op.answers {
		list = append(list, strings.ReplaceAll(code, "DEFAULT", "default"))
	}
	slices.Sort(list)
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

// formType is the content type of forms.
const formType = "application/x-www-form-urlencoded"

// isJSON reports whether bodies of a content type are JSON.
func isJSON(contentType string) bool {
	return contentType == "application/json" || strings.HasSuffix(contentType, "+json")
}

// described reports whether schemas describe bodies of a content type.
func described(contentType string) bool {
	return isJSON(contentType) || contentType == formType || contentType == "text/plain"
}

// contentType returns the content type of a header in lower case, without parameters.
func contentType(h exchange.Header) string {
	bare, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(bare))
}

// body checks the body of a request or an answer.
func (c *checking) body(p *payload, h exchange.Header, b Body) {
	if b.Unread != "" {
		c.res.Unchecked = append(c.res.Unchecked, c.side+" body: "+b.Unread)
		return
	}
	bare := contentType(h)
	if len(b.Data) == 0 && (bare == "" || isJSON(bare) || bare == formType) {
		if p.required {
			c.breach(KindBody, "body", "is missing", p.at)
		}
		return
	}
	if len(p.media) == 0 {
		return
	}
	m := p.of(bare)
	if m == nil {
		c.breach(KindType, "header Content-Type", fmt.Sprintf("got %s, want %s", excerpt.Quote(bare), p.types()), p.at)
		return
	}
	v, ok, err := m.decode(bare, h, b.Data)
	switch {
	case err != nil:
		c.breach(KindBody, "body", err.Error(), m.at)
	case ok && m.schema != nil:
		for _, f := range c.compiler.faults(m.schema, v) {
			c.breach(KindBody, strings.TrimSpace("body "+f.at), f.text, f.place)
		}
	}
}

// types returns the content types of a payload for a message.
func (p *payload) types() string {
	list := make([]string, len(p.media))
	for i, m := range p.media {
		list[i] = m.name
	}
	return strings.Join(list, " or ")
}

// decode returns a body as a value for its schema. ok is false for a type whose bodies
// schemas do not describe here.
func (m *media) decode(bare string, h exchange.Header, data []byte) (v any, ok bool, err error) {
	switch {
	case isJSON(bare):
		v, err := jsonvalue.Parse(data)
		if err != nil {
			return nil, false, fmt.Errorf("is no JSON: %w", err)
		}
		return jsonvalue.Plain(v), true, nil
	case bare == formType:
		return m.form(string(data)), true, nil
	case bare == "text/plain":
		text, _ := exchange.DecodeText(data, h.Get("Content-Type"))
		return string(text), true, nil
	}
	return nil, false, nil
}

// form returns a form as an object.
func (m *media) form(text string) any {
	o := map[string]any{}
	for name, values := range exchange.Values(text) {
		var of *hint
		if m.hint != nil {
			of = m.hint.properties[name]
		}
		if of != nil && of.types["array"] {
			o[name] = of.list(values)
		} else {
			o[name] = of.read(values[0])
		}
	}
	return o
}

// ReadBody undoes the content encodings of a body.
func ReadBody(data []byte, h exchange.Header) Body {
	if len(data) > MaxBody {
		return Body{Unread: TooLarge}
	}
	plain, err := exchange.Decode(data, exchange.Encodings(h), MaxBody)
	switch {
	case errors.Is(err, exchange.ErrBodyTooLarge):
		return Body{Unread: TooLarge}
	case err != nil:
		return Body{Unread: "it can't be decoded: " + err.Error()}
	}
	return Body{Data: plain}
}
