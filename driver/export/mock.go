package export

import (
	"bytes"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// maxInline is the size up to which a body becomes part of a definition.
const maxInline = 64 << 10

// Mock returns the key and the definition, in YAML, of an endpoint that gives the
// response of a captured exchange, whatever the host. A large body, or one that is
// not text, is written to a file below filesDir.
func Mock(e *capture.Entry, filesDir string) (key, text string, err error) {
	if e.Kind != capture.HTTP {
		return "", "", &document.Error{Message: "there was no request"}
	}
	if e.Origin == exchange.FromProxy { // the response is an error of the proxy, so a plain success is offered
		fine := *e
		fine.Status, fine.Error = http.StatusOK, ""
		fine.ResponseHeader = exchange.HeaderOf("Content-Type", "application/json")
		body := []byte(`{"ok":true}`)
		fine.ResponseBody = capture.Blob{Data: body, Size: int64(len(body))}
		e = &fine
	} else if reason := unrepeatable(e); reason != "" {
		return "", "", &document.Error{Message: reason}
	}
	u := *e
	u.Scheme, u.Host, u.Port = "http", "h", 80
	key = e.Method + " " + strings.TrimPrefix(keyOf(&u), "http://h")
	if _, err := mock.ParseKey(key); err != nil {
		return "", "", err
	}
	x := &writer{files: bodyFiles{dir: filesDir}}
	defer x.files.close()
	body := inlineBody(e)
	if body != nil {
		whole := *e // without the body, which is in the definition
		whole.ResponseBody = capture.Blob{}
		e = &whole
	}
	n, err := x.response(e)
	if err != nil {
		return "", "", err
	}
	if n == nil {
		return "", "", &document.Error{Message: "the body was not kept"}
	}
	if body != nil {
		document.Put(n, "body", body)
	}
	def := &yaml.Node{Kind: yaml.MappingNode}
	if query := queryOf(e); len(query) > 0 {
		match := &yaml.Node{Kind: yaml.MappingNode}
		document.Put(match, "query", queryNode(query))
		document.Put(def, "match", match)
	}
	def.Content = append(def.Content, n.Content...)
	text, err = document.YAML(def)
	return key, text, err
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
	if strings.Contains(typ, "json") {
		if n, err := document.ReadJSON(data); err == nil && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) {
			document.Plain(n)
			return n
		}
	}
	n := document.Quoted(string(data))
	if strings.Contains(string(data), "\n") {
		n.Style = yaml.LiteralStyle
	}
	return n
}
