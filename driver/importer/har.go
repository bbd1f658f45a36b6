package importer

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/export"
	"starproxy/driver/flow"
)

// har adds the endpoints that answer with the responses of a HAR document, in the
// form in which captured traffic is exported.
func (c *conversion) har(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxHARBytes {
		return &document.Error{File: path, Message: "got more than " + itoa(maxHARBytes>>20) + " MiB, want less"}
	}
	file, err := flow.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var entries []*capture.Entry
	for f, err := range file.Flows() {
		if err != nil {
			return err
		}
		e := f.Entry(1)
		e.Seq = uint64(len(entries) + 1)
		entries = append(entries, e)
	}
	dir, err := os.MkdirTemp("", "starproxy-import-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	doc, err := export.Scenario(entries, export.Options{FilesDir: dir})
	if err != nil {
		return err
	}
	s := source{file: path}
	for _, w := range file.Warnings() {
		c.note(s, nil, "%s", w)
	}
	for _, l := range doc.LeftOut {
		c.note(s, nil, "left out: %s", l)
	}
	moved, err := c.keepAll(dir, doc.Files)
	if err != nil {
		return err
	}
	root, err := document.Read(path, []byte(doc.YAML))
	if err != nil {
		return err
	}
	return c.recorded(s, document.Child(root, "endpoints"), moved)
}

// keepAll adds the files of a directory, and returns the new names of those that
// could not keep theirs.
func (c *conversion) keepAll(dir string, names []string) (moved map[string]string, err error) {
	moved = map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		kept, err := c.keep(name, data)
		if err != nil {
			return nil, err
		}
		if kept != name {
			moved[name] = kept
		}
	}
	return moved, nil
}

// recorded adds endpoints that are complete. A key that another file has, too, gets a
// number.
func (c *conversion) recorded(s source, endpoints *yaml.Node, moved map[string]string) error {
	if endpoints == nil {
		return nil
	}
	for k, v := range document.Pairs(endpoints) {
		unstyled(v)
		rename(v, moved)
		key := k.Value
		for n := 2; document.Has(&c.whole, key); n++ {
			key, _, _ = strings.Cut(key, "#")
			key += "#" + itoa(n)
		}
		document.Put(&c.whole, key, v)
		if len(c.whole.Content) > 2*maxRules {
			return &document.Error{File: s.file, Message: "got more than " + itoa(maxRules) + " endpoints in all files, want fewer"}
		}
	}
	return nil
}

// unstyled removes the places of the nodes, which are those of another document.
func unstyled(n *yaml.Node) {
	n.Line, n.Column = 0, 0
	for _, c := range n.Content {
		unstyled(c)
	}
}

// rename sets the names of files that moved.
func rename(n *yaml.Node, moved map[string]string) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "file" && moved[c.Value] != "" {
			c.Value = moved[c.Value]
		}
		rename(c, moved)
	}
}
