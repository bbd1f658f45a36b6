package script

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
	"starproxy/builtins/value"
	"starproxy/stdlib"
)

// Stubs returns files that tell language servers which names scripts have, by their paths:
//
//   - starlark-lsp/ is a directory for the flag --builtin-paths of starlark-lsp
//     (https://github.com/tilt-dev/starlark-lsp): Python without bodies, a module for each
//     module of the builtins, a class for each kind of value. stdlib/ has the functions that
//     load statements bring.
//   - starpls.json is a dialect for starpls (https://github.com/withered-magic/starpls) in the
//     form that its pull request 409 proposes.
//
// The texts come from the same tables as [Reference].
func Stubs() (map[string][]byte, error) {
	files := map[string][]byte{}
	root := &stub{}
	root.doc("What scripts of starproxy can use. Written by starproxy script stubs.")
	var symbols []starplsSymbol
	for _, m := range builtins.Modules() {
		if m.Scope == builtins.Templates {
			continue
		}
		in := root
		if m.Name != "" {
			in = &stub{}
			in.doc(m.Doc)
			symbols = append(symbols, starplsSymbol{Name: m.Name, Kind: "module", Doc: m.Doc})
		}
		for _, f := range m.Funcs {
			in.function("", f.Name, f.Params, withExample(f.Doc, f.Example))
			if m.Name == "" {
				symbols = append(symbols, starplsFunction(f.Name, f.Params, f.Doc))
			}
			if m.Call == f.Name {
				root.function("", m.Name, f.Params, withExample(f.Doc, f.Example))
			}
		}
		for _, c := range m.Consts {
			in.constant("", c.Name, c.Value, c.Doc)
		}
		if m.Name != "" {
			files["starlark-lsp/"+m.Name+"/__init__.py"] = in.bytes()
		}
	}
	for _, t := range builtins.Types() {
		root.class(t)
	}
	files["starlark-lsp/__init__.py"] = root.bytes()
	if err := stdlibStubs(files); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(map[string]any{
		"dialect": map[string]any{"id": "starproxy", "name": "starproxy", "description": "Scripts of starproxy",
			"file_patterns": []string{"*" + Ext}, "priority": 200},
		"symbols": symbols,
	}, "", "  ")
	files["starpls.json"] = append(text, '\n')
	return files, err
}

// stdlibStubs adds the modules of the standard library.
func stdlibStubs(files map[string][]byte) error {
	names, err := fs.Glob(stdlib.FS, "*"+Ext)
	if err != nil {
		return err
	}
	h := New(Options{})
	defer h.Close()
	for _, name := range names {
		if strings.HasSuffix(name, testSuffix) {
			continue
		}
		section, err := h.stdlibSection(name)
		if err != nil {
			return err
		}
		s := &stub{}
		s.doc("load(\"" + section.Name + "\", ...)\n\n" + section.Doc)
		for _, e := range section.Entries {
			params := strings.TrimSuffix(strings.TrimPrefix(e.Signature, e.Name+"("), ")")
			s.function("", e.Name, params, withExample(e.Doc, e.Example))
		}
		files["starlark-lsp/stdlib/"+strings.TrimSuffix(name, Ext)+".py"] = s.bytes()
	}
	return nil
}

// withExample returns a description with its example.
func withExample(doc, example string) string {
	if example == "" {
		return doc
	}
	return doc + "\n\nExample:\n    " + strings.ReplaceAll(example, "\n", "\n    ")
}

// stub is the text of a Python module without bodies.
type stub struct{ b strings.Builder }

func (s *stub) bytes() []byte { return []byte(s.b.String()) }

// literal returns a text as a docstring, whose lines after the first are indented.
func literal(text, indent string) string {
	text = strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`).Replace(strings.TrimSpace(text))
	if strings.HasSuffix(text, `"`) {
		text += " "
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		if i > 0 && lines[i] != "" {
			lines[i] = indent + lines[i]
		}
	}
	return `"""` + strings.Join(lines, "\n") + `"""`
}

func (s *stub) doc(text string) { fmt.Fprintf(&s.b, "%s\n", literal(text, "")) }

// pythonName matches the names that Python allows; its own words end in an underscore.
var pythonName = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// pythonWords are the names of functions and fields that Python keeps for itself.
var pythonWords = map[string]bool{"assert": true, "async": true, "await": true, "class": true, "del": true, "except": true,
	"finally": true, "from": true, "global": true, "import": true, "is": true, "nonlocal": true, "raise": true, "try": true,
	"with": true, "yield": true, "and": true, "or": true, "not": true, "in": true, "if": true, "else": true, "for": true,
	"while": true, "return": true, "lambda": true, "pass": true, "None": true, "True": true, "False": true, "def": true}

// function writes a function; one with a name that Python does not have is left out.
func (s *stub) function(indent, name, params, doc string) {
	if !pythonName.MatchString(name) || pythonWords[name] {
		return
	}
	fmt.Fprintf(&s.b, "\n%sdef %s(%s):\n%s    %s\n", indent, name, params, indent, literal(doc, indent+"    "))
}

// constant writes a value; value may be nil if it is not known.
func (s *stub) constant(indent, name string, v starlark.Value, doc string) {
	if !pythonName.MatchString(name) || pythonWords[name] {
		return
	}
	text := "None"
	switch v := v.(type) {
	case starlark.Int, starlark.Float, starlark.String, starlark.Bool:
		text = v.String()
	}
	fmt.Fprintf(&s.b, "\n%s%s = %s\n%s%s\n", indent, name, text, indent, literal(doc, indent))
}

// class writes the fields and methods of a kind of value.
func (s *stub) class(t value.Type) {
	name := strings.ToUpper(t.Name[:1]) + t.Name[1:]
	fmt.Fprintf(&s.b, "\nclass %s:\n    %s\n", name, literal(t.Doc+"\n\nScripts usually call it "+t.Name+".", "    "))
	for _, a := range t.Attrs {
		if !a.Method {
			s.constant("    ", a.Name, nil, a.Doc)
			continue
		}
		params := "self"
		if a.Params != "" {
			params += ", " + a.Params
		}
		s.function("    ", a.Name, params, a.Doc)
	}
}

// starplsSymbol is a symbol of a dialect of starpls.
type starplsSymbol struct {
	Name     string           `json:"name"`
	Kind     string           `json:"kind"`
	Callable *starplsCallable `json:"callable,omitempty"`
	Doc      string           `json:"doc"`
}

type starplsCallable struct {
	Params []starplsParam `json:"params"`
	Return string         `json:"return_type"`
}

type starplsParam struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Default  string `json:"default_value,omitempty"`
	Required bool   `json:"is_mandatory"`
	Args     bool   `json:"is_star_arg"`
	Kwargs   bool   `json:"is_star_star_arg"`
}

func starplsFunction(name, params, doc string) starplsSymbol {
	c := &starplsCallable{Params: []starplsParam{}, Return: "Unknown"}
	file, err := dialect().Parse(name, "def f("+params+"): pass\n", 0)
	if err == nil {
		for _, p := range file.Stmts[0].(*syntax.DefStmt).Params {
			if param, ok := starplsParameter(p); ok {
				c.Params = append(c.Params, param)
			}
		}
	}
	return starplsSymbol{Name: name, Kind: "function", Callable: c, Doc: doc}
}

// starplsParameter returns false for the star before parameters that have to be named.
func starplsParameter(p syntax.Expr) (starplsParam, bool) {
	param := starplsParam{Type: "Unknown"}
	switch p := p.(type) {
	case *syntax.Ident:
		param.Name, param.Required = p.Name, true
	case *syntax.BinaryExpr:
		param.Name = p.X.(*syntax.Ident).Name
		if lit, ok := p.Y.(*syntax.Literal); ok {
			param.Default = lit.Raw
		} else if id, ok := p.Y.(*syntax.Ident); ok {
			param.Default = id.Name
		}
	case *syntax.UnaryExpr:
		id, ok := p.X.(*syntax.Ident)
		if !ok {
			return param, false
		}
		param.Name, param.Args, param.Kwargs = id.Name, p.Op == syntax.STAR, p.Op == syntax.STARSTAR
	}
	return param, true
}
