package contract

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

const (
	// maxFiles bounds how many files one contract has.
	maxFiles = 500
	// maxTotal bounds the bytes of all files of a contract.
	maxTotal = 64 << 20
	// maxHops bounds how many references follow each other.
	maxHops = 50
)

// tree has the files of a contract, by their paths.
type tree struct {
	read  func(path string) ([]byte, error)
	files map[string]*file
	bytes int
}

// file is one file of a contract.
type file struct {
	path  string
	node  *yaml.Node
	value any // JSON, objects as maps
}

// open returns a file, which is read at the first call.
func (t *tree) open(path string) (*file, error) {
	if f := t.files[path]; f != nil {
		return f, nil
	}
	if len(t.files) >= maxFiles {
		return nil, fmt.Errorf("the contract has more than %d files", maxFiles)
	}
	data, err := t.read(path)
	if err != nil {
		return nil, err
	}
	if t.bytes += len(data); t.bytes > maxTotal {
		return nil, fmt.Errorf("the files of the contract have more than %d MiB", maxTotal>>20)
	}
	n, err := document.Read(path, data)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, node: n, value: jsonvalue.Plain(document.Value(n))}
	t.files[path] = f
	return f, nil
}

// Load returns a file as the schema compiler asks for it, by its URL.
func (t *tree) load(address string) (*file, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "file" || u.Host != "" {
		return nil, fmt.Errorf("$ref: got %s, want a file: a contract is not loaded from a network", excerpt.Quote(address))
	}
	return t.open(filepath.FromSlash(u.Path))
}

// spot is a value in a file: at the JSON pointer at (RFC 6901).
type spot struct {
	file  *file
	at    string
	value any
}

// child returns the value of a key. ok is false if there is none.
func (s spot) child(key string) (spot, bool) {
	m, _ := s.value.(map[string]any)
	v, ok := m[key]
	return spot{s.file, s.at + "/" + escapePointer(key), v}, ok
}

// item returns an element of a list.
func (s spot) item(i int) spot {
	return spot{s.file, s.at + "/" + strconv.Itoa(i), s.value.([]any)[i]}
}

// text returns the value of a key that is text, or "".
func (s spot) text(key string) string {
	m, _ := s.value.(map[string]any)
	text, _ := m[key].(string)
	return text
}

// truth returns the value of a key that is true or false.
func (s spot) truth(key string) bool {
	m, _ := s.value.(map[string]any)
	b, _ := m[key].(bool)
	return b
}

// url returns the address of the value for the schema compiler.
func (s spot) url() string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(s.file.path)}
	return u.String() + "#" + (&url.URL{Fragment: s.at}).EscapedFragment()
}

// String returns the place of the value, such as "pets.yaml:12:5 #/paths/~1pets/get".
func (s spot) String() string {
	n := s.node()
	return fmt.Sprintf("%s:%d:%d #%s", filepath.Base(s.file.path), n.Line, n.Column, s.at)
}

// node returns the node of the value in its file, or of the closest value around it.
func (s spot) node() *yaml.Node {
	return Below(s.file.node, s.at)
}

// Below returns the node at a JSON pointer in n, or the closest node around it.
func Below(n *yaml.Node, pointer string) *yaml.Node {
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		next := step(n, unescapePointer(token))
		if next == nil {
			break
		}
		n = next
	}
	return n
}

func step(n *yaml.Node, key string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		return document.Child(n, key)
	case yaml.SequenceNode:
		if i, ok := jsonvalue.ListIndex(key, len(n.Content)); ok {
			return n.Content[i]
		}
	}
	return nil
}

// fault returns an error at the value.
func (s spot) fault(format string, args ...any) error {
	return document.InFile(s.file.path, document.Errorf(s.node(), format, args...))
}

// resolve follows the references at a value.
func (t *tree) resolve(s spot) (spot, error) {
	for range maxHops {
		ref := s.text("$ref")
		if ref == "" {
			return s, nil
		}
		next, err := t.refer(s, ref)
		if err != nil {
			var own *document.Error
			if errors.As(err, &own) {
				return s, err
			}
			return s, s.fault("$ref: %v", err)
		}
		s = next
	}
	return s, s.fault("$ref: more than %d references follow each other", maxHops)
}

// refer returns the value that a reference in the file of s means.
func (t *tree) refer(s spot, ref string) (spot, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return spot{}, err
	}
	if u.Scheme != "" || u.Host != "" {
		return spot{}, fmt.Errorf("got %s, want a file: a contract is not loaded from a network", excerpt.Quote(ref))
	}
	f := s.file
	if u.Path != "" {
		name := filepath.FromSlash(u.Path)
		if !path.IsAbs(u.Path) {
			name = filepath.Join(filepath.Dir(s.file.path), name)
		}
		if f, err = t.open(name); err != nil {
			return spot{}, err
		}
	}
	found := spot{f, "", f.value}
	if u.Fragment == "" {
		return found, nil
	}
	for token := range strings.SplitSeq(strings.TrimPrefix(u.Fragment, "/"), "/") {
		key, ok := unescapePointer(token), false
		if list, isList := found.value.([]any); isList {
			var i int
			if i, ok = jsonvalue.ListIndex(key, len(list)); ok {
				found = found.item(i)
			}
		} else {
			found, ok = found.child(key)
		}
		if !ok {
			return spot{}, fmt.Errorf("got %s, but there is no %s in %s", excerpt.Quote(ref), excerpt.Quote(key), filepath.Base(f.path))
		}
	}
	return found, nil
}

func escapePointer(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func unescapePointer(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}
