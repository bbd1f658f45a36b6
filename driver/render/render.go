// Package render lays bodies and messages out for people: documents, events, trees of
// values, messages of Protocol Buffers, parts with images. It returns data. The page and
// the terminal only show it.
//
// The bytes come from strangers. All that is made of them is bounded in size, depth, number
// and time, and a view that met such a bound, or a fault in the bytes, says so in its notes.
package render

import (
	"bytes"
	"context"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

// The bounds of the views of one body.
const (
	// MaxBytes is how much of a body is looked at, in bytes.
	MaxBytes = 1 << 20
	maxNodes = 50_000
	maxDepth = 100
	maxParts = 500
	// maxText bounds a document that is laid out, in bytes.
	maxText = 4 << 20
	maxTime = 2 * time.Second
)

// Source is a body, or a message of a WebSocket, and what is known of it. Only Data is
// required.
type Source struct {
	// Data has no content encoding. Bytes after MaxBytes are not looked at.
	Data []byte
	// More says that the body goes on after Data.
	More bool
	// Type is the whole value of Content-Type, with its parameters.
	Type string
	// Target is the target of the request: path and query. The path of a gRPC call names
	// its message, the query may have a GraphQL query.
	Target string
	// Response says that the body is of the response.
	Response bool
	// Encoding is the value of Grpc-Encoding: how compressed messages are compressed.
	Encoding string
	// Protos names the messages and fields of Protocol Buffers; nil for none.
	Protos *Protos
}

// View is one way to look at a body.
type View struct {
	// Name says what the body is taken for, such as "JSON" or "gRPC". It ends with a
	// question mark when only the bytes look like it.
	Name  string `json:"name"`
	Parts []Part `json:"parts"`
	// Notes tell what is wrong with the body, and what of it is not shown.
	Notes []string `json:"notes,omitempty"`
}

// Part is a part of a view: a part of a multipart body, or all of any other one. It has any
// of its fields, which are shown in their order.
type Part struct {
	Title string `json:"title,omitempty"`
	// Table has the lines of a header, or the fields of a form.
	Table [][2]string `json:"table,omitempty"`
	// Text is laid out.
	Text string `json:"text,omitempty"`
	Tree *Node  `json:"tree,omitempty"`
	// Type is the content type of Data, an image.
	Type string `json:"type,omitempty"`
	Data []byte `json:"data,omitempty"` // base64 in JSON
}

// Views returns the ways to look at a body, the best first: nil when it is only a text or
// bytes. It takes at most two seconds, less when ctx ends.
func Views(ctx context.Context, s Source) []View {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if len(s.Data) > MaxBytes {
		s.Data, s.More = s.Data[:MaxBytes], true
	}
	b := &builder{ctx: ctx, left: maxNodes}
	return b.views(s)
}

func (b *builder) views(s Source) []View {
	var views []View
	add := func(v *View) {
		if v == nil {
			return
		}
		if s.More {
			v.Notes = append(v.Notes, "Only the beginning of the body is shown.")
		}
		views = append(views, *v)
	}
	kind, params, _ := mime.ParseMediaType(s.Type)
	if kind == "" {
		kind, _, _ = strings.Cut(s.Type, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
	}
	if !s.Response {
		add(b.graphQLOfQuery(s.Target))
	}
	if len(s.Data) == 0 {
		return views
	}
	for _, f := range formats() {
		if f.is(kind) {
			add(b.begin(f.name, func() []Part { return f.read(b, s, params) }))
		}
	}
	if len(views) > 0 {
		if isJSON(kind) && !s.Response {
			if v := b.graphQLOfJSON(s.Data); v != nil {
				views = append([]View{*v}, views...)
			}
		}
		return views
	}
	add(b.guess(kind, s))
	return views
}

// format is a kind of bodies.
type format struct {
	name string
	is   func(kind string) bool
	read func(b *builder, s Source, params map[string]string) []Part
}

// of returns a function that knows some content types, and those that end with a suffix.
func of(suffix string, kinds ...string) func(string) bool {
	return func(kind string) bool {
		for _, k := range kinds {
			if kind == k {
				return true
			}
		}
		return suffix != "" && strings.HasSuffix(kind, suffix)
	}
}

func prefixed(prefix string) func(string) bool {
	return func(kind string) bool { return strings.HasPrefix(kind, prefix) }
}

func isHTML(kind string) bool { return kind == "text/html" }

func isXML(kind string) bool {
	return kind == "text/xml" || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
}

func isJSON(kind string) bool {
	switch kind {
	case "application/json", "text/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
		"application/json-seq", "application/stream+json", "application/csp-report":
		return true
	}
	return strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+json-seq")
}

// formats returns the known ones, without those that are only guessed.
func formats() []format {
	return []format{
		{"JSON", isJSON, func(b *builder, s Source, _ map[string]string) []Part { return b.json(textOf(s)) }},
		{"Events", of("", "text/event-stream"), func(b *builder, s Source, _ map[string]string) []Part { return b.events(textOf(s)) }},
		{"HTML", isHTML, func(b *builder, s Source, _ map[string]string) []Part { return b.html(textOf(s)) }},
		{"XML", isXML, func(b *builder, s Source, _ map[string]string) []Part { return b.xml(textOf(s)) }},
		{"GraphQL", of("", "application/graphql"), func(_ *builder, s Source, _ map[string]string) []Part {
			return []Part{{Text: layGraphQL(string(textOf(s)))}}
		}},
		{"Form", of("", "application/x-www-form-urlencoded"), func(b *builder, s Source, _ map[string]string) []Part { return b.form(s) }},
		{"Multipart", prefixed("multipart/"), func(b *builder, s Source, _ map[string]string) []Part { return b.multipart(s) }},
		{"gRPC", func(kind string) bool {
			return strings.HasPrefix(kind, "application/grpc") || strings.HasPrefix(kind, "application/connect+")
		}, func(b *builder, s Source, _ map[string]string) []Part { return b.grpc(s) }},
		{"Protobuf", of("+protobuf", "application/x-protobuf", "application/protobuf", "application/proto", "application/x-google-protobuf",
			"application/vnd.google.protobuf"), (*builder).protobuf},
		{"MessagePack", of("+msgpack", "application/msgpack", "application/x-msgpack", "application/vnd.msgpack"),
			func(b *builder, s Source, _ map[string]string) []Part { return b.sequence(s.Data, b.msgpack) }},
		{"CBOR", of("+cbor", "application/cbor", "application/cbor-seq"),
			func(b *builder, s Source, _ map[string]string) []Part { return b.sequence(s.Data, b.cbor) }},
	}
}

// begin makes a view with what read returns, nil for nothing.
func (b *builder) begin(name string, read func() []Part) *View {
	b.notes = nil
	parts := read()
	if len(parts) == 0 {
		return nil
	}
	return &View{Name: name, Parts: parts, Notes: b.notes}
}

// guess looks at the bytes of a body whose type says nothing.
func (b *builder) guess(kind string, s Source) *View {
	if strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/") || kind == "text/css" ||
		strings.HasSuffix(kind, "javascript") {
		return nil
	}
	text := textOf(s)
	start := bytes.ToLower(bytes.TrimSpace(text[:min(len(text), 512)]))
	begins := func(texts ...string) bool {
		for _, t := range texts {
			if bytes.HasPrefix(start, []byte(t)) {
				return true
			}
		}
		return false
	}
	switch {
	case begins("{", "["):
		v := b.begin("JSON", func() []Part { return b.json(text) })
		if v != nil && len(v.Notes) > 0 && !s.More {
			return nil // a text in braces
		}
		return v
	case begins("<!doctype html", "<html"):
		return b.begin("HTML", func() []Part { return b.html(text) })
	case begins("<?xml"):
		return b.begin("XML", func() []Part { return b.xml(text) })
	}
	if s.More || isPlain(s.Data) {
		return nil
	}
	for _, f := range []format{
		{"MessagePack?", nil, func(b *builder, s Source, _ map[string]string) []Part { return b.wholeBranch(s.Data, b.msgpack) }},
		{"CBOR?", nil, func(b *builder, s Source, _ map[string]string) []Part { return b.wholeBranch(s.Data, b.cbor) }},
		{"Protobuf?", nil, func(b *builder, s Source, _ map[string]string) []Part {
			if !isMessage(s.Data) {
				return nil
			}
			return b.protobuf(s, nil)
		}},
	} {
		if v := b.begin(f.name, func() []Part { return f.read(b, s, nil) }); v != nil && len(v.Notes) == 0 {
			return v
		}
	}
	return nil
}

// textOf returns the body as UTF-8.
func textOf(s Source) []byte {
	text, _ := exchange.DecodeText(s.Data, s.Type)
	if !utf8.Valid(text) { // the body ends within a character
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	return text
}

// isPlain reports whether data is a text that a person can read.
func isPlain(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
