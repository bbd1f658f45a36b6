package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/driver"
	"starproxy/driver/document"
	"starproxy/driver/exporter/hook"
	"starproxy/driver/exporter/part"
	"starproxy/script"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	// Wrong keeps the exporter, or a part of it, from working.
	Wrong Severity = "error"
	// Doubtful is most likely not what was meant.
	Doubtful Severity = "warning"
	// Known is worth knowing, and all right.
	Known Severity = "note"
)

// Finding is a remark on an exporter file, or on something that it names.
type Finding struct {
	// File is where the remark is to the point; Line and Column count from 1 and
	// are 0 when they are not known.
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
}

// String returns file:line:column: severity: message.
func (f Finding) String() string {
	at := script.Position{File: f.File, Line: f.Line, Column: f.Column}
	return fmt.Sprintf("%s: %s: %s", at, f.Severity, f.Message)
}

// CheckOptions configure Check.
type CheckOptions struct {
	// Python is the interpreter, or the environment, that hosts the drivers which
	// we don't; empty for the one that [part.Python] takes. Without any these
	// drivers are not looked at.
	Python string
}

// Check looks at an exporter file and at everything that it names. It starts
// nothing, listens nowhere and writes nothing; to look for Python's drivers it
// runs the interpreter. An error is a file that can't be read.
func Check(ctx context.Context, path string, o CheckOptions) ([]Finding, error) {
	data, err := disk.ReadInput(path, disk.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("exporter file: %w", err)
	}
	c := &checker{reader: newReader(path), now: time.Now()}
	c.python, c.noPython = part.FindPython(o.Python)
	c.fault = func(err error) {
		c.found(Wrong, nil, err)
	}
	c.warn = func(err error) { c.found(Doubtful, nil, err) }
	export, err := c.head(data)
	if err != nil {
		c.found(Wrong, nil, err)
		return c.findings, nil
	}
	c.controller()
	c.readable(path)
	c.hooks()
	c.drivers(ctx, export)
	return c.findings, nil
}

// checker collects findings about one file.
type checker struct {
	*reader
	now      time.Time
	python   string // empty for none
	noPython error  // why there is none
	findings []Finding
}

// found adds a finding. An error that knows its place is told there, any other
// at n, or, for nil, at the file.
func (c *checker) found(s Severity, n *yaml.Node, err error) {
	f := Finding{File: c.file, Severity: s, Message: oneLine(err.Error())}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	var placed *document.Error
	var code *script.Error
	at := ""
	switch {
	case errors.As(err, &code) && code.Pos.File != "":
		f.File, f.Line, f.Column, at = code.Pos.File, code.Pos.Line, code.Pos.Column, code.Pos.String()
	case errors.As(err, &placed) && placed.File != "":
		f.File, f.Line, f.Column = placed.File, placed.Line, placed.Column
		at = script.Position{File: f.File, Line: f.Line, Column: f.Column}.String()
	}
	if at != "" { // what stands before the place, such as a key, stays
		f.Message = strings.Replace(f.Message, at+": ", "", 1)
	}
	c.findings = append(c.findings, f)
}

func (c *checker) wrong(n *yaml.Node, format string, args ...any) {
	c.found(Wrong, n, fmt.Errorf(format, args...))
}

func (c *checker) doubtful(n *yaml.Node, format string, args ...any) {
	c.found(Doubtful, n, fmt.Errorf(format, args...))
}

func (c *checker) know(n *yaml.Node, format string, args ...any) {
	c.found(Known, n, fmt.Errorf(format, args...))
}

// at returns the value of a key, or else the nearest above it that the file
// has.
func at(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		below := value(n, key)
		if below == nil {
			break
		}
		n = below
	}
	return n
}

// readable warns of a token that everybody on the machine can read.
func (c *checker) readable(path string) {
	info, err := os.Stat(path)
	if err == nil && c.config.Token != "" && info.Mode().IsRegular() && info.Mode()&0o004 != 0 {
		c.know(at(&c.root, "token"), "token: every user of this machine can read the file (mode %04o)", info.Mode().Perm())
	}
}

// hooks checks that their programs are there.
func (c *checker) hooks() {
	for _, h := range []struct {
		name string
		hook *hook.Hook
	}{{"beforeLease", c.config.Hooks.BeforeLease}, {"afterLease", c.config.Hooks.AfterLease}} {
		if h.hook == nil {
			continue
		}
		if err := h.hook.Check(c.python); err != nil {
			c.wrong(at(&c.root, "hooks", h.name), "hooks.%s: %v", h.name, err)
		}
	}
}

// exported is a driver as it stands in the file.
type exported struct {
	path string // dotted
	node *yaml.Node
	kind string // the type, empty for none
}

// drivers checks everything below export.
func (c *checker) drivers(ctx context.Context, export *yaml.Node) {
	all := list(export, "", nil)
	nodes, err := c.children(export, "export")
	if err != nil {
		c.found(Wrong, export, err)
		return
	}
	if len(nodes) == 0 {
		c.doubtful(&c.root, "export: no driver at all")
	}
	c.config.Export = nodes
	if _, err := c.config.checked(); err != nil {
		c.found(Wrong, export, err)
	}
	c.foreign(ctx, all)
	c.proxies(nodes, "", all)
}

// list lists the drivers below a map of them.
func list(n *yaml.Node, above string, into []exported) []exported {
	if n == nil || n.Kind != yaml.MappingNode {
		return into
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := exported{join(above, n.Content[i].Value), n.Content[i+1], typeOf(n.Content[i+1])}
		into = append(into, e)
		into = list(value(e.node, "children"), e.path, into)
	}
	return into
}

// proxies checks what would be wrong with each proxy.
func (c *checker) proxies(nodes []*Node, above string, all []exported) {
	for _, n := range nodes {
		path := join(above, n.Name)
		if n.Driver != nil {
			for _, p := range driver.Check(*n.Driver) {
				severity := Wrong
				if p.Mild {
					severity = Doubtful
				}
				c.found(severity, configAt(all, path, p.Key), fmt.Errorf("export.%s: %w", path, p.Err))
			}
		}
		c.proxies(n.Children, path, all)
	}
}

// configAt returns the place of a key in the config block of a driver.
func configAt(all []exported, path, key string) *yaml.Node {
	for _, e := range all {
		if e.path == path {
			return at(e.node, append([]string{"config"}, strings.Split(key, ".")...)...)
		}
	}
	return nil
}

// FindFile returns the exporter file that a word means: the path of a file, or
// the name of an exporter, see [Find].
func FindFile(word string) (string, error) {
	if _, err := os.Stat(word); err == nil || strings.ContainsRune(word, filepath.Separator) || filepath.Ext(word) != "" {
		return word, nil
	}
	return Find(word)
}
