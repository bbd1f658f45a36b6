package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// xml lays an XML document out: a line for each element, its content further in. The texts
// of tags stay as they were written.
func (b *builder) xml(text []byte) []Part {
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.Strict = false
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	l := &layout{}
	for {
		from := dec.InputOffset()
		token, err := dec.RawToken()
		raw := string(text[from:dec.InputOffset()])
		if err == io.EOF {
			break
		}
		if err == nil {
			err = b.room(l)
		}
		if err != nil {
			b.note(fmt.Errorf("line %d: %w", 1+bytes.Count(text[:min(int(dec.InputOffset()), len(text))], []byte("\n")), err))
			l.line(string(text[from:min(len(text), int(from)+maxText)]))
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			if raw == "" { // the start of an element that ends itself is one token with its end
				continue
			}
			l.start(qualified(t.Name), raw, strings.HasSuffix(raw, "/>"))
		case xml.EndElement:
			if raw != "" {
				l.end(qualified(t.Name), raw)
			}
		case xml.CharData:
			if strings.HasPrefix(raw, "<![CDATA[") {
				l.verbatim(raw)
			} else {
				l.text(raw)
			}
		default:
			l.line(raw)
		}
	}
	return l.parts()
}

func qualified(n xml.Name) string { return n.Space + ":" + n.Local }

// room returns an error when the layout is as long as it may be, or takes too long.
func (b *builder) room(l *layout) error {
	if b.left--; b.left%256 == 0 && b.ctx.Err() != nil {
		return errTime
	}
	if l.out.Len() > maxText {
		return errors.New("the rest is not laid out: the text is too long")
	}
	return nil
}

// html lays an HTML document out, as xml does.
func (b *builder) html(text []byte) []Part {
	z := html.NewTokenizer(bytes.NewReader(text))
	l := &layout{}
	kept := "" // the element whose text stays as it is
	for {
		kind := z.Next()
		raw := string(z.Raw())
		if err := b.room(l); err != nil {
			b.note(err)
			break
		}
		if kind == html.ErrorToken {
			if raw != "" {
				l.line(raw)
			}
			break
		}
		tag, _ := z.TagName()
		name := string(tag)
		switch {
		case kept != "" && !(kind == html.EndTagToken && name == kept):
			l.add(raw)
		case kind == html.TextToken:
			l.text(raw)
		case kind == html.StartTagToken && inline[name], kind == html.EndTagToken && inline[name]:
			l.text(raw)
		case kind == html.StartTagToken:
			if len(l.open) > 0 && l.open[len(l.open)-1] == name && implied[name] {
				l.end(name, "")
			}
			l.start(name, raw, void[name])
			if preserved[name] {
				kept = name
			}
		case kind == html.EndTagToken:
			l.end(name, raw)
			kept = ""
		default:
			l.line(raw)
		}
	}
	return l.parts()
}

var (
	// inline elements stay in the line of their text.
	inline = set("a abbr b bdi bdo cite code del dfn em i ins kbd label mark q s samp small span strong sub sup time u var")
	// void elements have no end (HTML, "Void elements").
	void = set("area base br col embed hr img input link meta source track wbr")
	// implied elements end where the next one of the same name begins.
	implied = set("dd dt li option p td th tr")
	// preserved elements have texts in which each space counts.
	preserved = set("pre script style textarea")
)

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

// layout writes a document of elements with a line for each.
type layout struct {
	out  strings.Builder
	open []string // the names of the elements that have begun
	// leaf says that no line has come since the last start: its text stays behind it.
	leaf bool
}

// maxIndent bounds the indentation, which is two spaces for each element around.
const maxIndent = 40

func (l *layout) add(s string) { l.out.WriteString(s) }

// line writes s on a line of its own.
func (l *layout) line(s string) {
	if l.out.Len() > 0 {
		l.add("\n")
	}
	l.add(strings.Repeat("  ", min(len(l.open), maxIndent)))
	l.add(s)
	l.leaf = false
}

func (l *layout) start(name, raw string, alone bool) {
	l.line(raw)
	if !alone {
		l.open = append(l.open, name)
		l.leaf = true
	}
}

// end ends the element with a name, and those in it that have no end.
func (l *layout) end(name, raw string) {
	leaf := l.leaf
	for i := len(l.open) - 1; i >= max(0, len(l.open)-maxDepth); i-- {
		if l.open[i] == name {
			leaf = leaf && i == len(l.open)-1
			l.open = l.open[:i]
			break
		}
	}
	switch {
	case raw == "":
	case leaf:
		l.add(raw)
	default:
		l.line(raw)
	}
	l.leaf = false
}

// text writes a text without the space around it: in the line of its element when it is a
// single one, else in lines of its own.
func (l *layout) text(s string) {
	trimmed := strings.TrimSpace(s)
	switch {
	case trimmed == "":
	case l.leaf && !strings.Contains(trimmed, "\n"):
		l.add(strings.TrimRight(strings.TrimLeft(s, "\r\n\t"), "\r\n\t"))
	default:
		for line := range strings.Lines(trimmed) {
			l.line(strings.TrimSpace(line))
		}
	}
}

// verbatim writes a text that stays as it is.
func (l *layout) verbatim(s string) {
	if !l.leaf {
		l.line(s)
		return
	}
	l.add(s)
}

func (l *layout) parts() []Part {
	if l.out.Len() == 0 {
		return nil
	}
	return []Part{{Text: l.out.String()}}
}
