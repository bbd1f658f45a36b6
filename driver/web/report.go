package web

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"iter"
	"log/slog"
	"path"
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/filter"
	"starproxy/driver/view"
)

// WriteReport writes the page with the data of a session as one HTML document. It needs no
// server and no network, and opens from a file. b bounds the bodies in it.
//
// Data from outside is in the document only as base64 of compressed JSON, so that none of
// it can become markup or script. The policy of the document allows its own script and
// style by their hashes, and nothing else.
func WriteReport(ctx context.Context, w io.Writer, s *view.Session, b view.Budget) error {
	head, tail, err := shell(s.Name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(head)
	r := &report{ctx: ctx, out: out, session: s}
	if err := r.write(s.Records(ctx, b)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	out.WriteString(tail)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// shell returns the document before and after its data.
func shell(title string) (head, tail string, err error) {
	all, err := sources()
	if err != nil {
		return "", "", err
	}
	modules := map[string]string{}
	for name, text := range all {
		if path.Ext(name) == ".js" {
			modules[name] = text
		}
	}
	script, err := link(modules, "app.js", map[string]string{"source.js": "record.js"})
	if err != nil {
		return "", "", err
	}
	script, style := "\n"+script, "\n"+all["app.css"]
	if strings.Contains(strings.ToLower(style), "</style") {
		return "", "", fmt.Errorf("app.css: got a text that ends a style in HTML")
	}
	page := all["index.html"]
	for _, part := range [][2]string{
		{`<link rel="stylesheet" href="app.css">`, "<style>" + style + "</style>"},
		{`<script type="module" src="app.js"></script>` + "\n", ""},
		{"<title>starproxy</title>", "<title>" + html.EscapeString(title) + "</title>"},
		{`<meta charset="utf-8">`, `<meta charset="utf-8">` + "\n" + `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; ` +
			`script-src ` + hash(script) + `; style-src ` + hash(style) + `; img-src blob: data:; base-uri 'none'; form-action 'none'">`},
	} {
		if strings.Count(page, part[0]) != 1 {
			return "", "", fmt.Errorf("index.html: got no single %q", part[0])
		}
		page = strings.Replace(page, part[0], part[1], 1)
	}
	return page + "\n", `<script type="module">` + script + "</script>\n", nil
}

// hash returns a source of a Content-Security-Policy that allows one text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// The bounds of a part: the browser unpacks it as a whole.
const (
	partExchanges = 500
	partBytes     = 2 << 20
)

// report writes the data of a report.
type report struct {
	ctx     context.Context
	out     io.Writer
	session *view.Session

	rows   []view.Row       // newest first, as all lists are
	fields []map[string]any // the subjects of the rows
	parts  []int            // the part in which a row is
	short  int              // exchanges whose bodies are not all in it

	n    int // number of the part that is filled
	part *part
}

// part has all that is known of some exchanges. Bodies are in it once.
type part struct {
	Bodies    []string          `json:"bodies"` // base64
	Exchanges map[uint64]packed `json:"exchanges"`

	size  int
	known map[[sha256.Size]byte]int
}

// packed is a record, in which numbers stand for bodies.
type packed struct {
	Detail   map[string]json.RawMessage `json:"detail"`
	Request  side                       `json:"request"`
	Response side                       `json:"response"`
	Messages []message                  `json:"messages"`
	Headers  map[string][]string        `json:"headers"`
	Bodies   map[string][]int           `json:"bodies"`
}

type side struct {
	Body  any             `json:"body"`
	Data  int             `json:"data"`
	Views json.RawMessage `json:"views,omitempty"` // result of render_body
}

type message struct {
	view.Message
	Data  int             `json:"data"`
	Views json.RawMessage `json:"views,omitempty"` // result of render_body
}

func newPart() *part {
	return &part{Exchanges: map[uint64]packed{}, known: map[[sha256.Size]byte]int{}}
}

// body returns the number of a body.
func (p *part) body(data []byte) int {
	sum := sha256.Sum256(data)
	n, ok := p.known[sum]
	if !ok {
		n = len(p.Bodies)
		p.known[sum] = n
		p.Bodies = append(p.Bodies, base64.StdEncoding.EncodeToString(data))
		p.size += len(data)
	}
	return n
}

func (r *report) write(records iter.Seq2[*view.Record, error]) error {
	r.part = newPart()
	for rec, err := range records {
		if err != nil {
			return err
		}
		r.add(rec)
		if len(r.part.Exchanges) == partExchanges || r.part.size >= partBytes {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	slices.Reverse(r.rows)
	slices.Reverse(r.fields)
	slices.Reverse(r.parts)
	return r.index()
}

// add puts a record into the part.
func (r *report) add(rec *view.Record) {
	p := r.part
	e := packed{
		Detail:   rec.Detail,
		Request:  side{rec.Request, p.body(rec.RequestData), rec.RequestViews},
		Response: side{rec.Response, p.body(rec.ResponseData), rec.ResponseViews},
		Messages: []message{}, Headers: rec.Subjects.Headers, Bodies: map[string][]int{},
	}
	for i, m := range rec.Messages {
		e.Messages = append(e.Messages, message{m, p.body(rec.MessageData[i]), rec.MessageViews[i]})
		p.size += len(rec.MessageViews[i])
	}
	for name, bodies := range rec.Subjects.Bodies {
		for _, b := range bodies {
			e.Bodies[name] = append(e.Bodies[name], p.body(b))
		}
	}
	p.Exchanges[rec.Row.Seq] = e
	p.size += len(rec.Detail["headers_list"]) + len(rec.RequestViews) + len(rec.ResponseViews) + 1<<10
	r.rows = append(r.rows, rec.Row)
	r.fields = append(r.fields, rec.Subjects.Fields)
	r.parts = append(r.parts, r.n)
	if rec.Short {
		r.short++
	}
}

// flush writes the part and begins another one.
func (r *report) flush() error {
	if len(r.part.Exchanges) == 0 {
		return nil
	}
	if err := r.data(fmt.Sprintf("part-%d", r.n), r.part); err != nil {
		return err
	}
	r.n++
	r.part = newPart()
	return nil
}

func (r *report) index() error {
	methods := r.session.Table(slog.New(slog.DiscardHandler))
	index := map[string]any{"rows": orEmpty(r.rows), "fields": orEmpty(r.fields), "parts": orEmpty(r.parts), "rules": filter.Rules()}
	parts := map[string]string{"status": "status", "timeline": "list_timeline", "tls": "tls_report", "counts": "count_captures"}
	for key, method := range parts {
		value, err := methods.Value(r.ctx, method, nil)
		if err != nil {
			return err
		}
		index[key] = value
	}
	if r.short > 0 {
		index["short"] = fmt.Sprintf("of %d exchanges, the report has no bodies or messages, or only the beginning: "+
			"filters do not see the rest", r.short)
	}
	return r.data("index", index)
}

// orEmpty returns a list that is [] in JSON when it is nil.
func orEmpty[T any](list []T) []T { return append([]T{}, list...) }

// data writes an element with a value. Its content is base64, which can't end it.
func (r *report) data(id string, value any) error {
	text, err := jsonvalue.Append(nil, value)
	if err != nil {
		return err
	}
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	z.Write(text) // to memory
	if err := z.Close(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(r.out, "<script type=\"text/plain\" id=%q>", id); err != nil {
		return err
	}
	to := base64.NewEncoder(base64.StdEncoding, r.out)
	to.Write(small.Bytes()) // the buffer of r.out keeps its error
	to.Close()
	_, err = io.WriteString(r.out, "</script>\n")
	return err
}
