package export

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// maxInline is the size up to which a body becomes part of a definition.
const maxInline = 64 << 10

// Choices say which requests the endpoint of [Mock] is to answer. The zero value means
// those with the host, the path and the query of the captured one.
type Choices struct {
	// AnyHost lets it answer for every host.
	AnyHost bool `yaml:"any_host"`
	// Placeholders replaces segments of the path that are numbers, UUIDs or other
	// identifiers by {id}.
	Placeholders bool `yaml:"placeholders"`
	// AnyQuery leaves out the condition on the query.
	AnyQuery bool `yaml:"any_query"`
	// Body adds a condition on the body of the request.
	Body bool `yaml:"body"`
	// Headers are the headers of the request that become conditions.
	Headers []string `yaml:"headers"`
}

// Draft is an endpoint made from a captured exchange.
type Draft struct {
	Key string `json:"key"`
	// Definition is in YAML.
	Definition string `json:"definition"`
	// File is the file below the files directory that has the body of the answer; empty
	// when the definition has it.
	File string `json:"file"`
	// Offers are the choices that make a difference for this exchange.
	Offers Offers `json:"offers"`
}

// Offers are the choices that make a difference for an exchange.
type Offers struct {
	// Host is the captured host.
	Host string `json:"host"`
	// Path is the path with placeholders; empty if it has no identifiers.
	Path string `json:"path"`
	// Query is true if the request has a query.
	Query bool `json:"query"`
	// Body is the key of the condition on the body; empty if there is none.
	Body string `json:"body"`
	// Headers are those of the request that can become conditions, in their order.
	Headers []string `json:"headers"`
}

// Mock returns an endpoint that gives the response of a captured exchange. A large body, or
// one that is not text, goes into a file below filesDir if write is true; else only the name
// of that file is found.
func Mock(e *capture.Entry, o Choices, filesDir string, write bool) (*Draft, error) {
	if e.Kind != capture.HTTP {
		return nil, &document.Error{Message: "there was no request"}
	}
	if e.Origin == exchange.FromProxy { // the response is an error of the proxy, so a plain success is offered
		e = plainSuccess(e)
	} else if reason := unrepeatable(e); reason != "" {
		return nil, &document.Error{Message: reason}
	}
	d := &Draft{Key: mockKey(e, o.AnyHost, o.Placeholders), Offers: offers(e)}
	if _, err := mock.ParseKey(d.Key); err != nil {
		return nil, err
	}
	def := &yaml.Node{Kind: yaml.MappingNode}
	if match := o.match(e); len(match.Content) > 0 {
		document.Put(def, "match", match)
	}
	x := &writer{files: bodyFiles{dir: filesDir, dry: !write}}
	defer x.files.close()
	n, err := x.definition(e)
	if err != nil {
		return nil, err
	}
	def.Content = append(def.Content, n.Content...)
	if len(x.files.list) > 0 {
		d.File = x.files.list[0]
	}
	d.Definition, err = document.YAML(def)
	return d, err
}

// plainSuccess returns e with a short JSON answer.
func plainSuccess(e *capture.Entry) *capture.Entry {
	fine := *e
	fine.Status, fine.Error = http.StatusOK, ""
	fine.ResponseHeader = exchange.HeaderOf("Content-Type", "application/json")
	body := []byte(`{"ok":true}`)
	fine.ResponseBody = capture.Blob{Data: body, Size: int64(len(body))}
	return &fine
}

// mockKey returns the key of an endpoint for the request of e.
func mockKey(e *capture.Entry, anyHost, placeholders bool) string {
	at := *e
	if anyHost {
		at.Scheme, at.Host, at.Port = "http", "h", 80
	}
	url := keyOf(&at)
	if placeholders {
		var p placer
		url = keyWith(&at, p.place)
	}
	if anyHost {
		url = strings.TrimPrefix(url, "http://h")
	}
	return e.Method + " " + url
}

// match returns the conditions on the request of e.
func (o *Choices) match(e *capture.Entry) *yaml.Node {
	match := &yaml.Node{Kind: yaml.MappingNode}
	if query := queryOf(e); len(query) > 0 && !o.AnyQuery {
		document.Put(match, "query", queryNode(query))
	}
	if len(o.Headers) > 0 {
		headers := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range o.Headers {
			if values := e.RequestHeader.Values(name); len(values) > 0 && presentable(values[0]) {
				document.Put(headers, name, document.Quoted(values[0]))
			}
		}
		if len(headers.Content) > 0 {
			document.Put(match, "headers", headers)
		}
	}
	if key, n := bodyCondition(e); o.Body && n != nil {
		document.Put(match, key, n)
	}
	return match
}

// offers returns the choices for e.
func offers(e *capture.Entry) Offers {
	o := Offers{Host: e.Host, Query: len(queryOf(e)) > 0, Headers: []string{}}
	if loose := mockKey(e, true, true); loose != mockKey(e, true, false) {
		_, o.Path, _ = strings.Cut(loose, " ")
	}
	o.Body, _ = bodyCondition(e)
	perMessage := []string{"host", "connection", "content-length", "proxy-connection", "transfer-encoding", "date", "te"}
	for _, name := range e.RequestHeader.Names() {
		if presentable(e.RequestHeader.Get(name)) && !slices.Contains(perMessage, strings.ToLower(name)) {
			o.Headers = append(o.Headers, name)
		}
	}
	return o
}

// definition returns the response of e as a definition.
func (x *writer) definition(e *capture.Entry) (*yaml.Node, error) {
	body := inlineBody(e)
	if body != nil {
		whole := *e // without the body, which is in the definition
		whole.ResponseBody = capture.Blob{}
		e = &whole
	}
	n, err := x.response(e)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, &document.Error{Message: "the body was not kept"}
	}
	if body != nil {
		document.Put(n, "body", body)
	}
	return n, nil
}

// inlineBody returns a body as a node of a definition: JSON as a value, other text
// as text. It is nil for a body that needs a file.
func inlineBody(e *capture.Entry) *yaml.Node {
	if e.ResponseBody.Size == 0 || e.Method == http.MethodHead {
		return nil
	}
	data, more, err := capture.Decoded(e.ResponseHeader, e.ResponseBody, maxInline)
	if err != nil || more {
		return nil
	}
	// A body that a definition would not send byte for byte needs a file.
	typ, sent := e.ResponseHeader.Get("Content-Type"), data
	data, _ = exchange.DecodeText(data, typ)
	if again, ok := exchange.EncodeText(data, typ); !ok || !bytes.Equal(again, sent) || bytes.ContainsRune(data, 0) {
		return nil
	}
	if strings.Contains(string(data), "{{") {
		return nil
	}
	if n := jsonNode(data, typ); n != nil {
		return n
	}
	n := document.Quoted(string(data))
	if strings.Contains(string(data), "\n") {
		n.Style = yaml.LiteralStyle
	}
	return n
}

// jsonNode returns a JSON body that is a map or a list, nil for any other.
func jsonNode(data []byte, contentType string) *yaml.Node {
	if !strings.Contains(contentType, "json") {
		return nil
	}
	n, err := document.ReadJSON(data)
	if err != nil || n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		return nil
	}
	document.Plain(n)
	return n
}
