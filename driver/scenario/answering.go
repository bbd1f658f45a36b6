package scenario

import (
	"encoding/base64"
	"errors"
	"time"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// answering returns how results of script functions become responses: with the
// defaults and files of the document, and with dicts that have the keys of an
// endpoint.
func (c *compiler) answering() *script.Answering {
	dir := c.files
	how := &script.Answering{
		Defaults: call.Defaults{ContentType: c.env.DefaultContentType, Latency: c.env.DefaultLatency, FilesDir: c.env.FilesDir},
		Compile:  c.answer,
	}
	how.File = func(name string, status int, header exchange.Header, contentType string, delay time.Duration) exchange.Handler {
		return mock.NewFile(dir, name, status, header, contentType, delay)
	}
	return how
}

// Matching compiles conditions for scripts. They are JSON, as the value of match:.
func Matching(conditions []byte) (func(*exchange.Exchange) bool, error) {
	n, err := document.Read("match.json", conditions)
	if err != nil {
		return nil, err
	}
	unplace(n, mock.Source{})
	d := &definition{c: newCompiler(Env{}, mock.Source{}, "")}
	m := &mock.Match{}
	if err := d.conditions("", n, m); err != nil {
		return nil, err
	}
	if err := m.Compile(); err != nil {
		return nil, err
	}
	return m.Holds, nil
}

// answer compiles a dict that a function returned.
func (c *compiler) answer(def *starlark.Dict, where script.Position) (exchange.Handler, error) {
	r := reader{c: c, room: maxValues}
	n, err := r.node(def, nil, nil, "answer", 0)
	if err != nil {
		return nil, answerFault(where, err)
	}
	body, _, _ := def.Get(starlark.String("body"))
	if b, ok := body.(starlark.Bytes); ok {
		encodeBytes(n, b)
	}
	src := mock.Source{Name: c.src.Name, File: where.File, Line: where.Line, Column: where.Column}
	unplace(n, src)
	inner := *c
	inner.src, inner.quiet = src, true
	d, err := inner.define(n, "answer", inStep)
	if err != nil {
		return nil, answerFault(where, err)
	}
	h, _, err := d.handler()
	if err != nil {
		return nil, answerFault(where, err)
	}
	return h, nil
}

// encodeBytes writes the body of an answer as base64: bytes are binary even if they
// could be text.
func encodeBytes(answer *yaml.Node, body starlark.Bytes) {
	for i := 0; i < len(answer.Content); i += 2 {
		if key := answer.Content[i]; key.Value == "body" {
			key.Value = "body_base64"
			answer.Content[i+1] = &yaml.Node{
				Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: base64.StdEncoding.EncodeToString([]byte(body)),
			}
		}
	}
}

// answerFault returns an error in a dict as an error of the script that returned it.
func answerFault(where script.Position, err error) error {
	var e *document.Error
	if errors.As(err, &e) {
		return &script.Error{Pos: where, Message: e.Message, Err: err}
	}
	return err
}
