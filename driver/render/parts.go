package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
)

// form reads the fields of a form.
func (b *builder) form(s Source) []Part {
	var table [][2]string
	for name, value := range exchange.FormPairs(s.Data, s.Type) {
		if b.left--; b.left < 0 {
			b.note(errFull)
			break
		}
		table = append(table, [2]string{strings.ToValidUTF8(name, "\ufffd"), strings.ToValidUTF8(value, "\ufffd")})
	}
	if table == nil {
		return nil
	}
	return []Part{{Table: table}}
}

// maxNesting is how deep multipart bodies may contain others.
const maxNesting = 5

// multipart reads the parts of a body, and each part as a body of its own.
func (b *builder) multipart(s Source) []Part {
	var all []Part
	for i, p := range exchange.Parts(s.Type, s.Data) {
		if len(all) >= maxParts {
			b.note(fmt.Errorf("the rest is not shown: the view ends after %d parts", maxParts))
			break
		}
		title := cmp.Or(p.Name, fmt.Sprintf("part %d", i+1))
		if p.FileName != "" {
			title += " (" + p.FileName + ")"
		}
		head := Part{Title: strings.ToValidUTF8(title, "\ufffd")}
		for _, name := range slices.Sorted(maps.Keys(p.Header)) {
			for _, v := range p.Header[name] {
				head.Table = append(head.Table, [2]string{strings.ToValidUTF8(name, "\ufffd"), strings.ToValidUTF8(v, "\ufffd")})
			}
		}
		if p.Cut {
			b.note(fmt.Errorf("the body ends within %q", title))
		}
		inner := Source{Data: p.Data, Type: p.ContentType(), Response: s.Response, Protos: s.Protos, More: p.Cut}
		all = append(all, b.inner(head, inner)...)
	}
	return all
}

// inner adds to the head of a part what is in it, and the parts that it contains.
func (b *builder) inner(head Part, s Source) []Part {
	kind, _, _ := strings.Cut(strings.ToLower(s.Type), ";")
	if kind = strings.TrimSpace(kind); strings.HasPrefix(kind, "image/") {
		head.Type, head.Data = kind, s.Data
		return []Part{head}
	}
	var inner []Part
	if b.depth += maxDepth / maxNesting; b.depth <= maxDepth {
		notes := b.notes
		if views := b.views(s); len(views) > 0 {
			inner = views[0].Parts
			notes = append(notes, views[0].Notes...)
		}
		b.notes = notes[:min(len(notes), maxNotes)]
	}
	b.depth -= maxDepth / maxNesting
	switch {
	case len(inner) == 1 && inner[0].Title == "" && inner[0].Table == nil:
		head.Text, head.Tree = inner[0].Text, inner[0].Tree
		return []Part{head}
	case len(inner) > 0:
		return append([]Part{head}, inner...)
	case isPlain(s.Data) || strings.HasPrefix(kind, "text/"):
		head.Text = string(textOf(s))
	default:
		head.Table = append(head.Table, [2]string{"", fmt.Sprintf("%d bytes", len(s.Data))})
	}
	return []Part{head}
}
