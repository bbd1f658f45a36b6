package scenario

import (
	"context"
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// textType is the content type of rendered text that says none.
const textType = "text/plain; charset=utf-8"

// textTemplate compiles the text at n, with {{expressions}} in it.
func (d *definition) textTemplate(key string, n *yaml.Node) (*script.Template, error) {
	host, err := d.script(key, n)
	if err != nil {
		return nil, err
	}
	where := script.Position{File: d.c.src.File, Line: n.Line, Column: n.Column}
	var t *script.Template
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		where.Line, where.Column = n.Line+1, 0 // the indentation is not known
		t, err = host.TextTemplate(n.Value, where)
	case n.Style&yaml.FoldedStyle != 0 || strings.Contains(n.Value, "\n"):
		// A line of the text, such as one after an escaped line end, is none of the
		// document: the place of the whole text is known.
		t, err = host.TextTemplateIn(n.Value, func(int) script.Position { return where })
	default:
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			where.Column++
		}
		t, err = host.TextTemplate(n.Value, where)
	}
	if err != nil {
		at := n
		var e *script.Error
		if errors.As(err, &e) && e.Pos.Line > 0 && d.c.src.File != "" {
			at = &yaml.Node{Line: e.Pos.Line, Column: e.Pos.Column}
		}
		return nil, document.Errorf(at, "%s: %s", d.at(key), scriptMessage(err))
	}
	d.checkParams(n)
	d.warnTemplate(t)
	return t, nil
}

// typeOr returns the content type of the definition or its document, or else usual.
func (d *definition) typeOr(usual string) (string, error) {
	if d.get("content_type") == nil && !d.c.typed {
		return usual, nil
	}
	return d.contentType()
}

func textHandler(d *definition) (exchange.Handler, error) {
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	if a.typ, err = d.typeOr(textType); err != nil {
		return nil, err
	}
	n := d.get("body_text_template")
	if _, ok := document.ScalarText(n); !ok {
		return nil, d.wrong("body_text_template", n, "text")
	}
	t, err := d.textTemplate("body_text_template", n)
	if err != nil {
		return nil, err
	}
	if t.Static() {
		return d.static(a, []byte(n.Value)), nil
	}
	render := func(ctx context.Context, x *exchange.Exchange) ([]byte, error) {
		s, err := t.Text(ctx, x)
		return []byte(s), err
	}
	return a.finish(&templated{render, a.head(a.typ)}), nil
}

// binaryHandler answers with body_base64, or with a body tagged !!binary.
func binaryHandler(d *definition) (exchange.Handler, error) {
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	if a.typ, err = d.typeOr("application/octet-stream"); err != nil {
		return nil, err
	}
	n := d.get("body_base64")
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" && n.Tag != document.BinaryTag {
		return nil, d.wrong("body_base64", n, "text in base64")
	}
	body, err := document.DecodeBase64(n.Value)
	if err != nil {
		return nil, document.Errorf(n, "%s: want text in base64: %v", d.at("body_base64"), err)
	}
	d.knows(a, a.typed(a.typ), body)
	return a.finish(mock.NewStatic(a.status, a.typed(a.typ), body, a.latency.Fixed)), nil
}
