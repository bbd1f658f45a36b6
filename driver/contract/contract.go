// Package contract checks exchanges against an OpenAPI document (version 3.0 or 3.1):
// the requests of devices, and the answers that they get. It also makes scenarios of such
// documents.
//
// A Contract is immutable once it is loaded, and is for any number of goroutines.
//
// Package scenario loads the contract that a scenario names, and package driver puts it
// in force.
package contract

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// Mode says what becomes of an exchange that breaks the contract.
type Mode string

// The modes of a contract.
const (
	// Warn notes the breaches in the entry, after the answer has been sent.
	Warn Mode = "warn"
	// Reject refuses a request that breaks the contract with 400, and puts 502 in the
	// place of an answer that does.
	Reject Mode = "reject"
)

// Options say which document is loaded, and how it is used.
type Options struct {
	// File is the absolute path of the document, in YAML or JSON.
	File string
	// Mode is empty for Warn.
	Mode Mode
	// Base is the path before those of the document, such as "/v1". Empty means the
	// paths of its servers; "/" means none.
	Base string
	// Hosts are the hosts that the contract is about. None means those of the
	// document's servers, and each host if these have none.
	Hosts []exchange.HostPattern
	// Read reads a file by its absolute path.
	Read func(path string) ([]byte, error)
}

// Contract is an OpenAPI document ready to check exchanges.
type Contract struct {
	// File is the path of the document, and Files those of all files it has.
	File  string
	Files []string
	// Title and Version are those of the document's info.
	Title, Version string
	Mode           Mode
	// Operations in the order of the document: by path, then by method.
	Operations []*Operation
	// Warnings are mistakes in the document, with their places, with which it is used
	// all the same.
	Warnings []string

	hosts map[exchange.HostPattern]bool // nil for each
	bases []base
	// plainBase is the first base, with the defaults of its variables.
	plainBase string
	givenBase string // of Options
	router    router
	tree      *tree
	sides     [2]*compiler
}

// methods are the fields of a path that are operations (OpenAPI 3.1, Path Item Object).
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Load reads a contract. Errors of the document have file, line and column.
func Load(o Options) (*Contract, error) {
	t := &tree{read: o.Read, files: map[string]*file{}}
	f, err := t.open(o.File)
	if err != nil {
		return nil, err
	}
	root := spot{f, "", f.value}
	version := root.text("openapi")
	old := strings.HasPrefix(version, "3.0.")
	if !old && !strings.HasPrefix(version, "3.1.") {
		at := root
		if v, ok := root.child("openapi"); ok {
			at = v
		}
		if root.text("swagger") != "" {
			return nil, at.fault("this is a document of Swagger %s, want one of OpenAPI 3.0 or 3.1", root.text("swagger"))
		}
		return nil, at.fault("openapi: got %s, want a version such as 3.0.3 or 3.1.0", excerpt.Quote(version))
	}
	c := &Contract{File: o.File, Mode: o.Mode, tree: t, givenBase: o.Base}
	if c.Mode == "" {
		c.Mode = Warn
	}
	if info, ok := root.child("info"); ok {
		c.Title, c.Version = info.text("title"), info.text("version")
	}
	for _, s := range []side{inRequest, inAnswer} {
		c.sides[s] = newCompiler(t, converter{old, s})
	}
	if err := c.servers(root, o); err != nil {
		return nil, err
	}
	if err := c.paths(root); err != nil {
		return nil, err
	}
	for _, s := range c.sides {
		for p := range s.loose {
			c.warn("pattern %s is not checked: it is no regular expression of Go", excerpt.Quote(p))
		}
	}
	slices.Sort(c.Warnings)
	c.Warnings = slices.Compact(c.Warnings)
	for path := range t.files {
		c.Files = append(c.Files, path)
	}
	slices.Sort(c.Files)
	return c, nil
}

// Watched returns the files of a contract, which may be nil.
func (c *Contract) Watched() []string {
	if c == nil {
		return nil
	}
	return c.Files
}

func (c *Contract) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, filepath.Base(c.File)+": "+fmt.Sprintf(format, args...))
}

// Named returns the name of the document for messages: "Kennel 1.2.0 (kennel.yaml)".
func (c *Contract) Named() string {
	name := strings.TrimSpace(c.Title + " " + c.Version)
	return strings.TrimSpace(name + " (" + filepath.Base(c.File) + ")")
}

// servers reads the hosts and the base paths.
func (c *Contract) servers(root spot, o Options) error {
	hosts, every := map[exchange.HostPattern]bool{}, false
	servers, _ := root.child("servers")
	list, _ := servers.value.([]any)
	var bases []string
	for i := range list {
		s := servers.item(i)
		host, path, err := serverURL(s)
		if err != nil {
			return err
		}
		if i == 0 {
			c.plainBase = plainPath(path, s)
		}
		bases = append(bases, path)
		if host == "" {
			every = true
			continue
		}
		pattern, err := exchange.ParseHostPattern(host)
		if err != nil {
			c.warn("server %s is not used: %v", excerpt.Quote(s.text("url")), err)
			continue
		}
		hosts[pattern] = true
	}
	if len(o.Hosts) > 0 {
		hosts, every = map[exchange.HostPattern]bool{}, false
		for _, h := range o.Hosts {
			hosts[h] = true
		}
	}
	if every = every || len(hosts) == 0; !every {
		c.hosts = hosts
	}
	if o.Base != "" {
		bases, c.plainBase = []string{o.Base}, strings.TrimRight(o.Base, "/")
	}
	if len(bases) == 0 {
		bases = []string{""}
	}
	for _, b := range bases {
		parsed := newBase(b)
		if !slices.ContainsFunc(c.bases, func(other base) bool { return other.text == parsed.text }) {
			c.bases = append(c.bases, parsed)
		}
	}
	// The longest comes first, for a short one may be the beginning of it.
	slices.SortStableFunc(c.bases, func(a, b base) int { return len(b.segments) - len(a.segments) })
	return nil
}

// serverURL returns the host pattern and the path of a server. A variable in the host
// stands for any label; one in the path stays as {name}.
func serverURL(s spot) (host, path string, err error) {
	text := s.text("url")
	_, rest, absolute := strings.Cut(text, "://")
	if !absolute {
		return "", text, nil
	}
	host, path, _ = strings.Cut(rest, "/")
	path = "/" + path
	if i := strings.LastIndexByte(host, '}'); i >= 0 {
		// "{region}.example.com" is *.example.com; a variable behind that is each host.
		_, domain, ok := strings.Cut(host[i:], ".")
		if !ok || strings.HasPrefix(host[i+1:], ":") {
			return "", path, nil
		}
		host = "*." + domain
	}
	u, err := url.Parse("http://" + host)
	if err != nil {
		return "", "", s.fault("url: got %s, want a URL", excerpt.Quote(text))
	}
	return u.Hostname(), path, nil
}

// plainPath returns the path of a server with the defaults of its variables.
func plainPath(path string, s spot) string {
	variables, _ := s.child("variables")
	m, _ := variables.value.(map[string]any)
	for name := range m {
		v, _ := variables.child(name)
		path = strings.ReplaceAll(path, "{"+name+"}", v.text("default"))
	}
	return strings.TrimRight(path, "/")
}

// paths reads all operations.
func (c *Contract) paths(root spot) error {
	paths, ok := root.child("paths")
	if !ok {
		return nil
	}
	for k := range document.Pairs(paths.node()) {
		if !strings.HasPrefix(k.Value, "/") {
			continue // an extension
		}
		item, ok := paths.child(k.Value)
		if !ok {
			continue
		}
		item, err := c.tree.resolve(item)
		if err != nil {
			return err
		}
		for _, method := range methods {
			at, ok := item.child(method)
			if !ok {
				continue
			}
			op, err := c.operation(root, item, at)
			if err != nil {
				return err
			}
			op.Method, op.Path = strings.ToUpper(method), k.Value
			op.Name = op.Method + " " + op.Path
			c.Operations = append(c.Operations, op)
			if other := c.router.add(op); other != nil {
				return item.fault("path %s: the path %s fits the same requests", excerpt.Quote(k.Value), excerpt.Quote(other.Path))
			}
		}
	}
	return nil
}
