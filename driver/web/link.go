package web

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// link joins the modules of the page into one script, which runs main.js or whatever first
// names. Each module becomes a function that runs once, when it is first imported. A
// module may be replaced by another one: replaced has the other's name by its name.
//
// It is no compiler of JavaScript. It knows the forms of import and export that the page
// uses, and returns an error for others: an import is a line of its own, an export is the
// declaration of one function, class or constant, and modules import each other in no
// circle.
func link(modules map[string]string, first string, replaced map[string]string) (string, error) {
	var b strings.Builder
	b.WriteString("const modules = {}, loaded = {};\nconst $import = name => loaded[name] ??= modules[name]();\n")
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		at := name
		for old, other := range replaced {
			switch name {
			case old:
				at = ""
			case other:
				at = old
			}
		}
		if at == "" {
			continue
		}
		text, err := linked(modules[name])
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "modules[%q] = () => {\n%s};\n", "./"+at, text)
	}
	fmt.Fprintf(&b, "$import(%q);\n", "./"+first)
	text := b.String()
	if i := strings.Index(strings.ToLower(text), "</script"); i >= 0 || strings.Contains(text, "<!--") {
		return "", fmt.Errorf("%s: got a text that ends a script in HTML", first)
	}
	return text, nil
}

// The forms of import and export that the page uses.
var (
	importLine = regexp.MustCompile(`^import (?:(\{[\w$, ]+\}) from )?('\./\w+\.js');$`)
	exportLine = regexp.MustCompile(`^export ((?:async )?function|class|const) ([\w$]+)`)
	dynamic    = regexp.MustCompile(`\bimport\(`)
	renamed    = regexp.MustCompile(` as `)
)

// linked returns the body of the function of a module.
func linked(module string) (string, error) {
	var b strings.Builder
	var exports []string
	for n, line := range strings.Split(strings.TrimSuffix(module, "\n"), "\n") {
		if m := importLine.FindStringSubmatch(line); m != nil {
			if line = "$import(" + m[2] + ");"; m[1] != "" {
				line = "const " + renamed.ReplaceAllString(m[1], ": ") + " = " + line
			}
		} else if m := exportLine.FindStringSubmatch(line); m != nil {
			exports = append(exports, m[2])
			line = strings.TrimPrefix(line, "export ")
		} else if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "export ") {
			return "", fmt.Errorf("line %d: got %q, want a form that link knows", n+1, line)
		} else {
			line = dynamic.ReplaceAllLiteralString(line, "$import(")
		}
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "return { %s };\n", strings.Join(exports, ", "))
	return b.String(), nil
}

// sources returns the files of the page by their names.
func sources() (map[string]string, error) {
	entries, err := files.ReadDir("ui")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := files.ReadFile(path.Join("ui", e.Name()))
		if err != nil {
			return nil, err
		}
		all[e.Name()] = string(b)
	}
	return all, nil
}
