package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/access"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// naming makes the name of a file for a request.
type naming func(context.Context, *exchange.Exchange) (string, error)

// fileName returns the name at key. If it has {{expressions}}, render computes it for
// a request. Else render is nil.
func (d *definition) fileName(key string) (name string, render naming, err error) {
	if name, err = d.text(key); err != nil || !strings.Contains(name, "{{") {
		return name, nil, err
	}
	t, err := d.textTemplate(key, d.get(key))
	if err != nil || t.Static() {
		return name, nil, err
	}
	return name, t.Text, nil
}

func fileHandler(d *definition) (exchange.Handler, error) {
	name, render, err := d.fileName("file")
	if err != nil {
		return nil, err
	}
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	if render == nil {
		d.checkFile("file", name)
		d.knowsFile(a, name)
		return a.finish(mock.NewFile(d.c.files, name, a.status, a.header, a.typ, a.latency.Fixed)), nil
	}
	if a.typ, err = d.typeOr(""); err != nil { // that of the file which is chosen
		return nil, err
	}
	return a.finish(&chosenFile{d.c.files, render, a}), nil
}

// chosenFile answers with a file whose name is made for each request.
type chosenFile struct {
	dir    access.Dir
	name   naming
	answer responseFields
}

func (f *chosenFile) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	name, err := f.name(ctx, x)
	if err != nil {
		return nil, err
	}
	a := &f.answer
	return mock.NewChosenFile(f.dir, name, a.status, a.header, a.typ, a.latency.Fixed).Respond(ctx, x)
}

func fileTemplateHandler(d *definition) (exchange.Handler, error) {
	name, render, err := d.fileName("file_template")
	if err != nil {
		return nil, err
	}
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	if a.typ, err = d.typeOr(""); err != nil {
		return nil, err
	}
	host, err := d.script("file_template", d.get("file_template"))
	if err != nil {
		return nil, err
	}
	f := &fileTemplate{host: host, dir: d.c.files, name: render, fixed: name, answer: a, parsed: map[string]*parsedFile{}}
	if render == nil {
		d.checkFile("file_template", name)
		t, err := f.template(name)
		var e *script.Error
		switch {
		case errors.As(err, &e):
			return nil, &document.Error{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Message: scriptMessage(err), Err: err}
		case err == nil:
			d.warnTemplate(t)
		}
	}
	return a.finish(f), nil
}

// fileTemplate answers with a text file whose {{expressions}} are computed for the
// request. As with file:, each request gets the present content of the file. The file
// is compiled again when it has changed.
type fileTemplate struct {
	host   *script.Host
	dir    access.Dir
	name   naming // nil when it is fixed
	fixed  string
	answer responseFields

	mu     sync.Mutex
	parsed map[string]*parsedFile // by name
}

// parsedFile is a compiled template, with the properties by which a change of its
// file is detected.
type parsedFile struct {
	modified time.Time
	size     int64
	template *script.Template
}

const (
	maxTemplateFile = 4 << 20 // bytes
	maxParsedFiles  = 100     // compiled templates that are kept for one mock
)

func (f *fileTemplate) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	name, a := f.fixed, &f.answer
	missing := mock.NewFile
	if f.name != nil {
		var err error
		if name, err = f.name(ctx, x); err != nil {
			return nil, err
		}
		missing = mock.NewChosenFile
	}
	t, err := f.template(name)
	var e *script.Error
	switch {
	case errors.As(err, &e):
		return nil, err
	case err != nil: // the answer says that the file is missing, and why
		return missing(f.dir, name, a.status, a.header, a.typ, a.latency.Fixed).Respond(ctx, x)
	}
	s, err := t.Text(ctx, x)
	if err != nil {
		return nil, err
	}
	typ := a.typ
	if typ == "" {
		typ = mock.ContentType(name)
	}
	return a.head(typ).with([]byte(s)), nil
}

// template returns the file of that name, compiled. An error of the text is a
// [script.Error]; any other means that the file can't be opened.
func (f *fileTemplate) template(name string) (*script.Template, error) {
	file, info, err := f.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f.mu.Lock()
	known := f.parsed[name]
	f.mu.Unlock()
	if known != nil && known.modified.Equal(info.ModTime()) && known.size == info.Size() {
		return known.template, nil
	}
	where := script.Position{File: filepath.Join(f.dir.String(), filepath.FromSlash(name)), Line: 1, Column: 1}
	data, err := io.ReadAll(io.LimitReader(file, maxTemplateFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTemplateFile {
		return nil, &script.Error{Pos: script.Position{File: where.File},
			Message: fmt.Sprintf("a template of more than %d bytes", maxTemplateFile)}
	}
	text, _ := exchange.DecodeText(data, "")
	t, err := f.host.TextTemplate(string(text), where)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.parsed) >= maxParsedFiles {
		clear(f.parsed)
	}
	f.parsed[name] = &parsedFile{info.ModTime(), info.Size(), t}
	return t, nil
}

// Interface guards.
var (
	_ exchange.Handler = (*chosenFile)(nil)
	_ exchange.Handler = (*fileTemplate)(nil)
)
