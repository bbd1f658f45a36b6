package scenario

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/syntax"
	"go.yaml.in/yaml/v3"

	"starproxy/driver/contract"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// Companions returns the files that a document names, in their order, as paths
// below the files directory of an exporter. These are each "file" and
// "file_template" of an endpoint, a response, a rule or a step. In a script they
// are those of its data and of its calls, such as response(file = "a.bin"). An
// {{expression}} in a name becomes *. The files of its contract come first. The list is empty for a document that can't
// be read: the exporter reports what is wrong with it.
func Companions(filename string, data []byte, host *script.Host) []string {
	c := &companions{home: filepath.Dir(filename)}
	if isScript(filename) {
		c.script(filename, data, host)
		return c.below()
	}
	root, err := document.Read(filename, data)
	if err != nil || root.Kind != yaml.MappingNode {
		return nil
	}
	endpoints := root
	for _, wrapper := range []string{"endpoints", "mocks"} {
		if n := document.Child(root, wrapper); n != nil {
			endpoints = n
			break
		}
	}
	c.configure(document.Child(root, "config"))
	c.endpoints(endpoints)
	c.contract(document.Child(root, "contract"))
	return c.below()
}

// companions are the files that one document names.
type companions struct {
	home  string // directory of the document
	dir   string // files_dir of the document
	files []string
	api   []string // files of the contract, relative to home
}

// contract adds the files of an OpenAPI document: those that its references lead to, or
// only itself if it can't be read.
func (c *companions) contract(n *yaml.Node) {
	if n != nil && n.Kind == yaml.MappingNode {
		n = document.Child(n, "file")
	}
	if n == nil || n.Tag != "!!str" || n.Value == "" || filepath.IsAbs(n.Value) {
		return
	}
	home, err := filepath.Abs(c.home)
	if err != nil {
		return
	}
	files := []string{filepath.Join(home, filepath.FromSlash(n.Value))}
	if loaded, err := contract.Load(contract.Options{File: files[0], Read: os.ReadFile}); err == nil {
		files = loaded.Files
	}
	for _, f := range files {
		if rel, err := filepath.Rel(home, f); err == nil {
			c.api = append(c.api, filepath.ToSlash(rel))
		}
	}
}

func (c *companions) configure(config *yaml.Node) {
	if dir := document.Child(config, "files_dir"); dir != nil && dir.Tag == "!!str" {
		c.dir = dir.Value
	}
}

func (c *companions) endpoints(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for k, v := range document.Pairs(n) {
		if k.Value != "config" && k.Value != remark {
			c.definition(v, 0)
		}
	}
}

// definition adds the files of a definition, or of a list of definitions, with those
// inside.
func (c *companions) definition(n *yaml.Node, depth int) {
	if depth > document.MaxDepth || n == nil {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			c.definition(item, depth+1)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for k, v := range document.Pairs(n) {
		switch k.Value {
		case "file", "file_template":
			if v.Kind == yaml.ScalarNode && v.Tag == "!!str" {
				c.add(v.Value)
			}
		case "response", "rules", "sequence":
			c.definition(v, depth+1)
		}
	}
}

func (c *companions) add(name string) {
	for {
		before, rest, found := strings.Cut(name, "{{")
		_, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			break
		}
		name = before + "*" + after
	}
	if name != "" {
		c.files = append(c.files, name)
	}
}

// below returns the files with files_dir of the document before their names. An
// absolute files_dir is left out, because an exporter does not use it in a document
// that a client sends.
func (c *companions) below() []string {
	if c.dir == "" || filepath.IsAbs(c.dir) {
		return append(c.api, c.files...)
	}
	for i, name := range c.files {
		if !filepath.IsAbs(name) {
			c.files[i] = path.Join(filepath.ToSlash(c.dir), name)
		}
	}
	return append(c.api, c.files...)
}

// script adds the files of a script. If the script does not run here, for example
// because it loads a file that only the exporter has, only the files that its calls
// name are added.
func (c *companions) script(filename string, data []byte, host *script.Host) {
	var file *syntax.File
	loaded, err := host.LoadText(filename, data)
	if err == nil {
		file = loaded.Syntax
		r := reader{c: newCompiler(Env{Script: host}, mock.Source{Name: filename}, ""), room: maxValues}
		if config, ok := loaded.Globals["config"]; ok {
			if n, err := r.node(config, nil, nil, "config", 0); err == nil {
				c.configure(n)
			}
		}
		if contract, ok := loaded.Globals["contract"]; ok {
			if n, err := r.node(contract, nil, nil, "contract", 0); err == nil {
				c.contract(n)
			}
		}
		if endpoints, ok := loaded.Globals["endpoints"]; ok {
			if n, err := r.endpoints(endpoints, nil); err == nil {
				c.endpoints(n)
			}
		}
	} else if file, err = new(syntax.FileOptions).Parse(filename, data, 0); err != nil {
		return
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			c.call(call)
		}
		return true
	})
}

// call adds the files that a call names as text.
func (c *companions) call(call *syntax.CallExpr) {
	fn := ""
	switch f := call.Fn.(type) {
	case *syntax.Ident:
		fn = f.Name
	case *syntax.DotExpr:
		fn = f.Name.Name
	}
	for i, arg := range call.Args {
		wanted := i == 0 && fn == "read_file"
		if pair, ok := arg.(*syntax.BinaryExpr); ok && pair.Op == syntax.EQ {
			name, _ := pair.X.(*syntax.Ident)
			wanted, arg = name != nil && (name.Name == "file" || fn == "read_file" && name.Name == "path"), pair.Y
		}
		if text, ok := arg.(*syntax.Literal); wanted && ok && text.Token == syntax.STRING {
			name, _ := text.Value.(string)
			if !slices.Contains(c.files, name) {
				c.add(name)
			}
		}
	}
}
