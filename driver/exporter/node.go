package exporter

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver"
	"starproxy/driver/document"
)

// The driver types that are ours. Everything else is hosted by Python.
const (
	typeComposite = "jumpstarter_driver_composite.driver.Composite"
	typeProxy     = "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver"
	typeProxyOurs = "starproxy.MitmproxyDriver"
)

var ownTypes = []string{typeComposite, typeProxy, typeProxyOurs}

// The Python classes that clients build for these types.
const (
	clientComposite = "jumpstarter_driver_composite.client.CompositeClient"
	clientProxy     = "jumpstarter_driver_mitmproxy.client.MitmproxyClient"
)

// maxNodes bounds the tree that refs unfold to.
const maxNodes = 1000

// Node is one driver of the export tree: a proxy when Driver is set, another
// name for a node elsewhere when Ref is, else a group of its children.
type Node struct {
	// Name is the word for the node under its parent: an attribute in Python,
	// a command in j.
	Name string
	// Description replaces the help text of the node's commands.
	Description string
	// MethodsDescription replaces help texts by command name (start-cmd, …).
	MethodsDescription map[string]string
	// Driver configures a proxy.
	Driver *driver.Config
	// Type is the Python class of a driver that is not ours. Its children are
	// Python's, too.
	Type string
	// Ref is the dotted path, from the root, of the node meant.
	Ref string
	// Children, in the order of the file.
	Children []*Node

	place   position   // in the file, for errors
	raw     *yaml.Node // as the file has it, where Type is set; of a ref of Python's, the path
	target  *Node      // the node that Ref names, or the driver of Python that it leads through
	through bool       // the latter: Python knows where to
	rest    string     // what of Ref is Python's matter then
	kept    bool       // a ref that Python has to know, since one of its own names a group with it
}

// foreign reports whether Python hosts the node.
func (n *Node) foreign() bool { return n.Type != "" || n.through }

// nodeDocument is how a file writes a Node.
type nodeDocument struct {
	Type               string            `yaml:"type"`
	Ref                string            `yaml:"ref"`
	Description        string            `yaml:"description"`
	MethodsDescription map[string]string `yaml:"methods_description"`
	Config             yaml.Node         `yaml:"config"`
	Children           yaml.Node         `yaml:"children"`
}

// children reads a map of name to driver node.
func (r *reader) children(n *yaml.Node, path string) ([]*Node, error) {
	if n == nil || n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, r.errorf(n, "%s: expected a map from name to driver", path)
	}
	var out []*Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Value == "" || strings.Contains(key.Value, ".") {
			return nil, r.errorf(key, "%s: the name %q is not valid: expected a word without dots", path, key.Value)
		}
		node, err := r.node(key, n.Content[i+1], path+"."+key.Value)
		if err != nil {
			if err := r.report(err); err != nil {
				return nil, err
			}
			node = &Node{Name: key.Value, place: r.place(key)} // refs may name it
		}
		out = append(out, node)
	}
	return out, nil
}

func (r *reader) node(key, n *yaml.Node, path string) (*Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.errorf(n, "%s: expected a map with type, ref or children", path)
	}
	if kind := typeOf(n); kind != "" && !slices.Contains(ownTypes, kind) {
		return r.foreignNode(key, n, kind, path)
	}
	r.prune(n, reflect.TypeFor[nodeDocument](), path+".")
	var doc nodeDocument
	if err := document.DecodeNode(r.file, n, &doc); err != nil {
		return nil, err
	}
	node := &Node{Name: key.Value, Description: doc.Description, MethodsDescription: doc.MethodsDescription, place: r.place(key)}
	var err error
	switch {
	case doc.Type == typeProxy || doc.Type == typeProxyOurs:
		config := driver.DefaultConfig()
		config.File = r.file
		if err := document.DecodeNode(r.file, &doc.Config, &config); err == nil {
			node.Driver = &config
			remarks, err := config.Anchor(r.file)
			if err != nil {
				return nil, r.errorf(&doc.Config, "%s: %w", path, err)
			}
			for _, remark := range remarks {
				r.warnf(&doc.Config, "%s: %s", path, remark)
			}
		} else if err := r.report(fmt.Errorf("%s: %w", path, err)); err != nil {
			return nil, err
		}
	case doc.Type == typeComposite, doc.Type == "" && doc.Ref == "" && doc.Children.Kind != 0:
		if len(doc.Config.Content) > 0 {
			return nil, r.errorf(&doc.Config, "%s: a group of drivers takes no config", path)
		}
	case doc.Ref != "":
		node.Ref = doc.Ref
		return node, nil
	default:
		return nil, r.errorf(key, "%s: expected one of the keys type, ref and children", path)
	}
	node.Children, err = r.children(&doc.Children, path+".children")
	return node, err
}

// checked returns the tree of the configuration. It finds what makes that
// impossible: refs to nothing, refs in a circle, and proxies of which two are
// meant for the same connections.
func (c *Config) checked() ([]item, error) {
	items, err := unfold(c)
	if err != nil {
		return nil, err
	}
	var paths []string
	var proxies []*driver.Config
	var nodes []*Node
	for _, it := range items {
		if it.node.Driver != nil && !slices.Contains(nodes, it.node) {
			paths, proxies, nodes = append(paths, "export."+it.path), append(proxies, it.node.Driver), append(nodes, it.node)
		}
	}
	if i, err := driver.Conflict(paths, proxies); err != nil {
		return nil, nodes[i].placed("%s: %w", paths[i], err)
	}
	return items, nil
}

// placed puts the node's place in the file, if it has one, before an error.
func (n *Node) placed(format string, args ...any) error {
	return n.place.errorf(format, args...)
}

// item is one line of the report: a node as it appears at one place of the tree.
type item struct {
	node   *Node // never a ref
	name   string
	path   string // dotted, from the root; empty for the root itself
	parent int    // index of the parent's item; -1 for the root
}

// unfold lists the tree, parents before children, with every ref replaced by
// the subtree it names. The root, a group without a name, comes first.
func unfold(c *Config) ([]item, error) {
	root := &Node{Description: c.Description, Children: c.Export}
	u := unfolder{root: root, targets: map[*Node]*Node{}}
	if err := u.add(root, "", "", -1); err != nil {
		return nil, err
	}
	return u.items, u.checkPythonRefs(c.pythonRefs)
}

type unfolder struct {
	root    *Node
	items   []item
	stack   []*Node         // the nodes whose subtrees are being listed
	targets map[*Node]*Node // what the refs met so far name
}

func (u *unfolder) add(n *Node, name, path string, parent int) error {
	target, err := u.resolve(n, path, nil)
	if err != nil {
		return err
	}
	if slices.Contains(u.stack, target) {
		return n.placed("export.%s: ref %q contains the ref itself", path, n.Ref)
	}
	if len(u.items) == maxNodes {
		return n.placed("export.%s: the tree has more than %d drivers", path, maxNodes)
	}
	u.stack = append(u.stack, target)
	index := len(u.items)
	u.items = append(u.items, item{node: target, name: name, path: path, parent: parent})
	if target.foreign() {
		u.stack = u.stack[:len(u.stack)-1]
		return nil // its children come with Python's report
	}
	for i, child := range target.Children {
		if slices.ContainsFunc(target.Children[:i], func(o *Node) bool { return o.Name == child.Name }) {
			return child.placed("export.%s: the name is given twice", join(path, child.Name))
		}
		if err := u.add(child, child.Name, join(path, child.Name), index); err != nil {
			return err
		}
	}
	u.stack = u.stack[:len(u.stack)-1]
	return nil
}

// resolve follows refs from n to a node that is none. seen are the refs on the way.
func (u *unfolder) resolve(n *Node, path string, seen []*Node) (*Node, error) {
	if n.Ref == "" {
		return n, nil
	}
	if target, ok := u.targets[n]; ok {
		return target, nil
	}
	if slices.Contains(seen, n) {
		return nil, n.placed("export.%s: ref %q leads back to itself", path, n.Ref)
	}
	seen = append(seen, n)
	at := u.root
	names := strings.Split(n.Ref, ".")
	for step, name := range names {
		if at.foreign() {
			n.target, n.through, n.rest = at, true, strings.Join(names[step:], ".")
			u.targets[n] = n
			return n, nil
		}
		i := slices.IndexFunc(at.Children, func(c *Node) bool { return c.Name == name })
		if i < 0 {
			return nil, n.placed("export.%s: ref %q: there is no driver %q", path, n.Ref, name)
		}
		var err error
		if at, err = u.resolve(at.Children[i], path, seen); err != nil {
			return nil, err
		}
	}
	u.targets[n], n.target = at, at
	return at, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// clientClass returns the Python class that clients build for the node.
func (n *Node) clientClass() string {
	if n.Driver != nil {
		return clientProxy
	}
	return clientComposite
}
