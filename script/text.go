package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

// TextTemplate compiles a text with {{ expressions }} in it. The result of
// [Template.Text] has everything around the expressions unchanged, space included.
// where is the place of the first character. Each error has the place of its
// expression.
func (h *Host) TextTemplate(s string, where Position) (*Template, error) {
	return h.TextTemplateIn(s, func(offset int) Position { return placeIn(s, offset, where) })
}

// TextTemplateIn is [Host.TextTemplate] for a text whose lines are not the lines of
// the document. place returns the place of a byte of the text.
func (h *Host) TextTemplateIn(s string, place func(offset int) Position) (*Template, error) {
	c := compiler{host: h, where: place(0)}
	spans, err := spansOf(s)
	var open *openError
	if errors.As(err, &open) {
		c.where = place(open.pos)
	}
	if err != nil {
		return nil, c.fail(nil, err)
	}
	var parts textNode
	for _, sp := range spans {
		if !sp.expr {
			parts = append(parts, textPart{sp.text, -1})
			continue
		}
		c.where = place(sp.pos + len(sp.text) - len(strings.TrimLeft(sp.text, " \t\r\n")))
		i, err := c.expression(sp.text, nil)
		if err != nil {
			return nil, err
		}
		parts = append(parts, textPart{"", i})
	}
	t := &Template{host: h, root: parts, at: c.at, warnings: c.warnings}
	if len(c.exprs) > 0 {
		c.where = place(0)
		if t.fn, err = c.function(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// placeIn returns the place of a byte of a text that begins at where.
func placeIn(s string, offset int, where Position) Position {
	before := s[:offset]
	if n := strings.Count(before, "\n"); n > 0 {
		where.Line += n
		where.Column = min(where.Column, 1) // 0 means unknown, and stays 0
		before = before[strings.LastIndexByte(before, '\n')+1:]
	}
	if where.Column > 0 {
		where.Column += utf8.RuneCountInString(before)
	}
	return where
}

// Text renders a template for a request. The template must come from TextTemplate.
func (t *Template) Text(ctx context.Context, x *exchange.Exchange) (string, error) {
	v, err := t.Render(ctx, x)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("a template of JSON gives no text but %T", v)
	}
	return s, nil
}
