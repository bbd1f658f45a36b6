package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
)

// ErrLayout is the error of [Set] and [Remove] for a document whose text can't be edited
// in place, for example because a map that changes is written by an alias.
var ErrLayout = errors.New("this part of the text can't be edited in place")

// Set returns the text of a document in which the value at path, a list of the keys of
// maps, is value, in the form of package jsonvalue. Maps that are missing are added. Of a
// map that is there already, only the keys that differ are written. All other text stays
// as it is byte by byte: comments, order, quotes, blank lines. Text that is replaced loses
// the comments inside it. filename decides between YAML and JSON.
//
// The result is read again; when it does not say what it should, the error is an
// [ErrLayout].
func Set(filename string, data []byte, path []string, value any) ([]byte, error) {
	return edit(filename, data, path, func(e textEditor) error { return e.set(path, value) }, func(root any) any {
		return withMember(root, path, value)
	})
}

// Remove returns the text of a document without the key at path, a list of the keys of
// maps. The comment right above the key goes with it. All other text stays as it is. When
// there is no such key, the text is unchanged.
func Remove(filename string, data []byte, path []string) ([]byte, error) {
	return edit(filename, data, path, func(e textEditor) error { return e.remove(path) }, func(root any) any {
		return withoutMember(root, path)
	})
}

// textEditor makes the edits of one text. Each kind of document has one.
type textEditor interface {
	set(path []string, value any) error
	remove(path []string) error
	// made returns the edits of the text.
	made() []splice
}

// splice replaces text[from:to] by with.
type splice struct {
	from, to int
	with     string
}

// edit makes an edit, and checks that the result is what want makes of the old value.
func edit(filename string, data []byte, path []string, do func(textEditor) error, want func(any) any) ([]byte, error) {
	root, err := Read(filename, data)
	if err != nil {
		return nil, err
	}
	text, mark := bytes.CutPrefix(data, []byte("\xef\xbb\xbf"))
	text, unended := ended(text)
	e, err := newTextEditor(filename, text)
	if err != nil {
		return nil, err
	}
	if err := do(e); err != nil {
		return nil, InFile(filename, err)
	}
	out := spliced(text, e.made())
	if unended && len(e.made()) > 0 {
		out = bytes.TrimSuffix(bytes.TrimSuffix(out, []byte("\n")), []byte("\r"))
	} else if unended {
		out = out[:len(out)-1]
	}
	if mark {
		out = append([]byte("\xef\xbb\xbf"), out...)
	}
	again, err := Read(filename, out)
	if err != nil || !jsonvalue.Equal(Value(again), want(Value(root))) {
		return nil, InFile(filename, &Error{Message: fmt.Sprintf("%s: %v", strings.Join(path, ": "), ErrLayout), Err: ErrLayout})
	}
	return out, nil
}

// ended returns a text with a line end at its end, and reports whether it had none.
func ended(text []byte) ([]byte, bool) {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return append(slices.Clip(text), '\n'), true
	}
	return text, false
}

func newTextEditor(filename string, text []byte) (textEditor, error) {
	t := bytes.TrimLeft(text, " \t\r\n")
	if strings.EqualFold(filepath.Ext(filename), ".json") || len(t) > 0 && t[0] == '{' && json.Valid(t) {
		return newJSONEditor(text), nil
	}
	n, err := readYAML(text)
	if err != nil {
		return nil, InFile(filename, err)
	}
	return newYAMLEditor(text, n), nil
}

// spliced returns text with all edits made. They must not overlap.
func spliced(text []byte, edits []splice) []byte {
	sort.SliceStable(edits, func(i, j int) bool { return edits[i].from < edits[j].from })
	var out []byte
	at := 0
	for _, s := range edits {
		out = append(append(out, text[at:max(at, s.from)]...), s.with...)
		at = max(at, s.to)
	}
	return append(out, text[at:]...)
}

// withMember returns an object in which the value at path is v.
func withMember(root any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	o, _ := root.(jsonvalue.Object)
	b := jsonvalue.From(o)
	old, _ := o.Get(path[0])
	b.Set(path[0], withMember(old, path[1:], v))
	return b.Object()
}

// withoutMember returns an object without the value at path.
func withoutMember(root any, path []string) any {
	o, ok := root.(jsonvalue.Object)
	if !ok {
		return root
	}
	if len(path) == 1 {
		return slices.DeleteFunc(slices.Clone(o), func(m jsonvalue.Member) bool { return m.Key == path[0] })
	}
	old, there := o.Get(path[0])
	if !there {
		return root
	}
	b := jsonvalue.From(o)
	b.Set(path[0], withoutMember(old, path[1:]))
	return b.Object()
}

// nested returns {path[0]: {path[1]: … v}}.
func nested(path []string, v any) any {
	for i := len(path) - 1; i >= 0; i-- {
		v = jsonvalue.Object{{Key: path[i], Value: v}}
	}
	return v
}

// layoutError returns an [ErrLayout] at a node.
func layoutError(n *yaml.Node, why string) error {
	e := Errorf(n, "%s: %v", why, ErrLayout)
	e.Err = ErrLayout
	return e
}
