package script

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
	"starproxy/builtins/nearest"
	"starproxy/builtins/value"
	"starproxy/stdlib"
)

// Section is a part of the reference: a module of builtins, the fields of a
// value, or a module of the standard library.
type Section struct {
	// Name is the name of a module ("state"), the argument of load
	// ("@stdlib//rules.star"), or empty.
	Name string
	// Title is the heading. Every section has one.
	Title string
	// Doc says what the section is about.
	Doc     string
	Entries []Entry
}

// Entry is one documented name.
type Entry struct {
	// Name is what scripts write: "state.incr", "uuid", "conditional".
	Name string
	// Signature is Name with the parameters of the function, or Name alone if it is
	// not a function.
	Signature string
	// Doc is the whole description, in paragraphs. Lists show its first sentence
	// only.
	Doc string
	// Example is Starlark that can be run unchanged.
	Example string
}

// testSuffix ends the name of each file with tests.
const testSuffix = "_test.star"

// Summary returns the first sentence of the description.
func (e Entry) Summary() string { return sentence(e.Doc) }

// Reference documents everything that scripts can use: the builtins, the values
// that handlers get, and the standard library. The texts come from the code.
func Reference() ([]Section, error) {
	sections := []Section{topics()}
	for _, m := range builtins.Modules() {
		sections = append(sections, moduleSection(m))
	}
	for _, t := range builtins.Types() {
		sections = append(sections, typeSection(t))
	}
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil {
		return nil, err
	}
	h := New(Options{})
	for _, file := range files {
		if strings.HasSuffix(file, testSuffix) {
			continue
		}
		s, err := h.stdlibSection(file)
		if err != nil {
			return nil, err
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func moduleSection(m builtins.Module) Section {
	s := Section{Name: m.Name, Title: m.Name, Doc: m.Doc}
	prefix := m.Name + "."
	if m.Name == "" {
		s.Title, prefix = strings.TrimSuffix(sentence(m.Doc), "."), ""
	}
	for _, f := range m.Funcs {
		name := prefix + f.Name
		s.Entries = append(s.Entries, Entry{name, name + "(" + f.Params + ")", f.Doc, f.Example})
	}
	for _, c := range m.Consts {
		s.Entries = append(s.Entries, Entry{Name: prefix + c.Name, Signature: prefix + c.Name, Doc: c.Doc})
	}
	return s
}

func typeSection(t value.Type) Section {
	s := Section{Name: t.Name, Title: t.Name, Doc: t.Doc}
	for _, a := range t.Attrs {
		name := t.Name + "." + a.Name
		e := Entry{Name: name, Signature: name, Doc: a.Doc}
		if a.Method {
			e.Signature += "(" + a.Params + ")"
		}
		s.Entries = append(s.Entries, e)
	}
	return s
}

// stdlibSection documents a module of the standard library by its docstrings.
func (h *Host) stdlibSection(file string) (Section, error) {
	name := stdlibPrefix + file
	src, err := stdlib.FS.ReadFile(file)
	if err != nil {
		return Section{}, err
	}
	globals, err := h.Stdlib(file)
	if err != nil {
		return Section{}, err
	}
	s := Section{Name: name, Title: name, Doc: fileDoc(name, src)}
	var funcs []*starlark.Function
	for name, v := range globals {
		if fn, ok := v.(*starlark.Function); ok && !strings.HasPrefix(name, "_") {
			funcs = append(funcs, fn)
		}
	}
	slices.SortFunc(funcs, func(a, b *starlark.Function) int { return int(a.Position().Line) - int(b.Position().Line) })
	for _, fn := range funcs {
		doc, example := docstring(fn.Doc())
		s.Entries = append(s.Entries, Entry{fn.Name(), fn.Name() + "(" + parameters(fn) + ")", doc, example})
	}
	return s, nil
}

// fileDoc returns the docstring at the top of a file, or "".
func fileDoc(name string, src []byte) string {
	f, err := dialect().Parse(name, src, 0)
	if err != nil || len(f.Stmts) == 0 {
		return ""
	}
	if stmt, ok := f.Stmts[0].(*syntax.ExprStmt); ok {
		if lit, ok := stmt.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
			doc, _ := docstring(lit.Value.(string))
			return doc
		}
	}
	return ""
}

// parameters returns the parameter list of a function as in its def statement.
func parameters(fn *starlark.Function) string {
	var list []string
	positional := fn.NumParams()
	if fn.HasKwargs() {
		positional--
	}
	if fn.HasVarargs() {
		positional--
	}
	write := func(i int) {
		name, _ := fn.Param(i)
		if d := fn.ParamDefault(i); d != nil {
			name += "=" + written(d)
		}
		list = append(list, name)
	}
	// Parameters come in this order: plain, keyword-only, *args, **kwargs.
	plain := positional - fn.NumKwonlyParams()
	for i := range plain {
		write(i)
	}
	switch {
	case fn.HasVarargs():
		name, _ := fn.Param(positional)
		list = append(list, "*"+name)
	case plain < positional:
		list = append(list, "*")
	}
	for i := plain; i < positional; i++ {
		write(i)
	}
	if fn.HasKwargs() {
		name, _ := fn.Param(fn.NumParams() - 1)
		list = append(list, "**"+name)
	}
	return strings.Join(list, ", ")
}

// written returns a default value as Starlark source.
func written(v starlark.Value) string {
	if fn, ok := v.(starlark.Callable); ok {
		return fn.Name()
	}
	return v.String()
}

// docstring splits a docstring into its description and its example, without
// indentation.
func docstring(s string) (doc, example string) {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	indent := -1
	for _, line := range lines[1:] {
		if text := strings.TrimLeft(line, " "); text != "" && (indent < 0 || len(line)-len(text) < indent) {
			indent = len(line) - len(text)
		}
	}
	var text, code []string
	in := &text
	for i, line := range lines {
		if i > 0 {
			line = strings.TrimRight(line[min(max(indent, 0), len(line)):], " ")
		}
		switch {
		case line == "Example:" || line == "Examples:":
			in = &code
			continue
		case in == &code && line != "" && line[0] != ' ':
			in = &text // the next heading
		}
		*in = append(*in, line)
	}
	return strings.TrimSpace(strings.Join(text, "\n")), unindent(code)
}

// unindent removes the indentation of the first line from all lines.
func unindent(lines []string) string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return ""
	}
	n := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[min(n, len(line)-len(strings.TrimLeft(line, " "))):]
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// sentence returns the first sentence of a text, on one line.
func sentence(s string) string {
	paragraph, _, _ := strings.Cut(s, "\n\n")
	words := strings.Fields(paragraph)
	for i, w := range words {
		if strings.HasSuffix(w, ".") && w != "e.g." && w != "i.e." {
			return strings.Join(words[:i+1], " ")
		}
	}
	return strings.Join(words, " ")
}

// Find returns the sections that name names. A section matches as a whole by its
// name or by its file, with or without ".star". Of other sections, Find returns only
// the entries with that name. The name of an entry may be given without the module
// before its dot. When nothing matches, the error suggests the nearest known name.
func Find(sections []Section, name string) ([]Section, error) {
	name = strings.TrimSuffix(name, "()")
	var found []Section
	var known []string
	for _, s := range sections {
		if s.Name != "" {
			known = append(known, s.Name)
			base := strings.TrimPrefix(s.Name, stdlibPrefix)
			if name == s.Name || name == base || name == strings.TrimSuffix(base, ".star") {
				found = append(found, s)
				continue
			}
		}
		part := Section{Name: s.Name, Title: s.Title}
		for _, e := range s.Entries {
			_, last, dotted := strings.Cut(e.Name, ".")
			known = append(known, e.Name)
			if e.Name == name || dotted && last == name {
				part.Entries = append(part.Entries, e)
			}
		}
		if len(part.Entries) > 0 {
			found = append(found, part)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if near := nearest.Name(name, known); near != "" {
		return nil, fmt.Errorf("no builtin or module %q (did you mean %s?)", name, near)
	}
	return nil, fmt.Errorf("no builtin or module %q", name)
}
