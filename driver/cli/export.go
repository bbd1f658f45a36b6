package cli

import (
	"fmt"
	"strings"

	"starproxy/driver/client"
)

// export is one node of what an exporter exports.
type export struct {
	name     string // empty for the root
	class    string // Python's client class
	caller   caller
	children []*export
}

// exportOf returns the tree below n.
func exportOf(n *client.Node) *export {
	e := &export{name: n.Name, class: n.Client, caller: n}
	for _, child := range n.Children {
		e.children = append(e.children, exportOf(child))
	}
	return e
}

// isGroup reports whether e has no commands of its own.
func (e *export) isGroup() bool { return e.class == client.CompositeClass }

// child returns the child of that name, or nil.
func (e *export) child(name string) *export {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// locate finds the proxy that args begin with the path of: names of exports
// from the root down, until one is a proxy. A root that is a proxy itself needs
// no name.
func locate(root *export, args []string) (at *export, path, rest []string, err error) {
	at, rest = root, args
	for len(rest) > 0 && at.class != client.ProxyClass {
		next := at.child(rest[0])
		if next == nil {
			break
		}
		at, path, rest = next, append(path, rest[0]), rest[1:]
	}
	if at.class == client.ProxyClass {
		return at, path, rest, nil
	}
	if len(rest) > 0 && at.isGroup() {
		return nil, nil, nil, fmt.Errorf("no export %q: the exporter has %s",
			strings.Join(append(path, rest[0]), " "), orNothing(root.listing()))
	}
	return nil, nil, nil, &foreignError{path: strings.Join(path, " "), class: at.class, group: at.isGroup(),
		exports: orNothing(root.listing())}
}

// foreignError says that an export is none of ours: its commands are those of
// Python's j.
type foreignError struct {
	path, class string
	group       bool // it has no commands, see isGroup
	exports     string
}

func (e *foreignError) Error() string {
	return fmt.Sprintf("%s is no proxy but a %s: the exporter has %s", e.subject(), e.class, e.exports)
}

// subject names the export in a message.
func (e *foreignError) subject() string {
	if e.path == "" {
		return "the exporter's root"
	}
	return fmt.Sprintf("export %q", e.path)
}

// firstProxy returns the path of the first proxy below e, empty for none.
func (e *export) firstProxy() string {
	for _, line := range e.listing() {
		path, class, _ := strings.Cut(line, " (")
		if strings.HasSuffix(client.ProxyClass, "."+strings.TrimSuffix(class, ")")) {
			return path
		}
	}
	return ""
}

// listing describes every export below e that can be named: its path and the
// class of its client. Parents without abilities of their own are left out.
func (e *export) listing() []string {
	var lines []string
	var walk func(e *export, path string)
	walk = func(e *export, path string) {
		if path != "" && (len(e.children) == 0 || e.class == client.ProxyClass) {
			class := e.class[strings.LastIndexByte(e.class, '.')+1:]
			lines = append(lines, fmt.Sprintf("%s (%s)", path, class))
		}
		for _, c := range e.children {
			walk(c, strings.TrimSpace(path+" "+c.name))
		}
	}
	walk(e, "")
	return lines
}

func orNothing(lines []string) string {
	if len(lines) == 0 {
		return "no exports"
	}
	return strings.Join(lines, ", ")
}
