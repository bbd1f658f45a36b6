package exporter

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/nearest"
	"starproxy/driver/exporter/part"
)

// foreignNode reads a driver that Python hosts: it stays as the file has it.
func (r *reader) foreignNode(key, n *yaml.Node, kind, path string) (*Node, error) {
	if near := ownTypeNear(kind); near != "" {
		return nil, r.errorf(value(n, "type"), "%s: driver type %q is not known; did you mean %q?", path, kind, near)
	}
	if i := strings.LastIndexByte(kind, '.'); i <= 0 || i == len(kind)-1 {
		return nil, r.errorf(n, "%s: driver type %q is not known: expected %s, or the class of a Python driver such as "+
			"jumpstarter_driver_power.driver.MockPower",
			path, kind, typeProxy)
	}
	if err := r.checkForeign(n, path); err != nil {
		return nil, err
	}
	return &Node{Name: key.Value, Type: kind, place: r.place(key), raw: n}, nil
}

// ownTypeNear returns the type of ours that kind was probably meant to be, ""
// for none: one that is misspelt, or its class alone.
func ownTypeNear(kind string) string {
	const slips = 3
	module, class := "", kind
	if i := strings.LastIndexByte(kind, '.'); i >= 0 {
		module, class = kind[:i], kind[i+1:]
	}
	for _, own := range ownTypes {
		whole := nearest.Distance(strings.ToLower(kind), strings.ToLower(own))
		i := strings.LastIndexByte(own, '.')
		part := nearest.Distance(strings.ToLower(class), strings.ToLower(own[i+1:]))
		if whole <= slips || part <= slips && (module == "" || module == own[:i]) {
			return own
		}
	}
	return ""
}

// checkForeign finds what Python could not host below one of its drivers.
func (r *reader) checkForeign(n *yaml.Node, path string) error {
	children := value(n, "children")
	if children == nil || children.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(children.Content); i += 2 {
		key, child := children.Content[i], children.Content[i+1]
		here := path + ".children." + key.Value
		if kind := typeOf(child); kind == typeProxy || kind == typeProxyOurs {
			return r.errorf(child, "%s: a proxy cannot be the child of a driver that Python hosts: put it beside", here)
		}
		if ref := value(child, "ref"); ref != nil {
			r.config.pythonRefs = append(r.config.pythonRefs, &Node{Name: strings.TrimPrefix(here, "export."), Ref: ref.Value,
				place: r.place(child), raw: ref})
		}
		if err := r.checkForeign(child, here); err != nil {
			return err
		}
	}
	return nil
}

// typeOf returns the type that a driver node names, empty for none.
func typeOf(n *yaml.Node) string {
	if t := value(n, "type"); t != nil && t.Kind == yaml.ScalarNode {
		return t.Value
	}
	return ""
}

// value returns the value of a key of a mapping, nil if absent.
func value(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// checkPythonRefs finds refs of Python's drivers that lead to a proxy. The others
// are put as Python follows them.
func (u *unfolder) checkPythonRefs(refs []*Node) error {
	paths := pathsOf(u.root.Children)
	for _, n := range refs {
		target, err := u.resolve(n, n.Name, nil)
		if err != nil {
			return err
		}
		if target.Driver != nil {
			return n.placed("export.%s: ref %q names a proxy, which a driver that Python hosts cannot have", n.Name, n.Ref)
		}
		n.raw.Value = n.pythonPath(paths)
		if len(target.Children) == 0 {
			continue
		}
		keepRefs(target.Children)
		below := unfolder{root: u.root, targets: u.targets}
		if err := below.add(target, "", n.Ref, -1); err != nil {
			return err
		}
		for _, it := range below.items {
			if it.node.Driver != nil {
				return n.placed("export.%s: ref %q names a group with the proxy %s, which a driver that Python hosts cannot have",
					n.Name, n.Ref, it.path)
			}
		}
	}
	return nil
}

// keepRefs has Python know the refs among nodes and below them.
func keepRefs(nodes []*Node) {
	for _, n := range nodes {
		n.kept = n.kept || n.Ref != ""
		keepRefs(n.Children)
	}
}

// pythonPath returns the path at which Python finds a node, or what it names:
// its refs cannot lead through others.
func (n *Node) pythonPath(paths map[*Node]string) string {
	switch {
	case n.through:
		return n.target.pythonPath(paths) + "." + n.rest
	case n.Ref != "":
		return n.target.pythonPath(paths)
	}
	return paths[n]
}

// Foreign reports whether some driver of the configuration is hosted by Python.
func (c *Config) Foreign() bool { return anyForeign(c.Export) }

func anyForeign(nodes []*Node) bool {
	for _, n := range nodes {
		if n.foreign() || n.kept || anyForeign(n.Children) {
			return true
		}
	}
	return false
}

// pythonExport returns the part of the export tree that Python hosts, as YAML:
// our proxies are left out, groups stay where they are, for refs go through
// them.
func pythonExport(nodes []*Node) (string, error) {
	text, err := yaml.Marshal(pythonNodes(nodes, pathsOf(nodes)))
	return string(text), err
}

func pythonNodes(nodes []*Node, paths map[*Node]string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put := func(in *yaml.Node, name string, child *yaml.Node) {
		key := new(yaml.Node)
		key.SetString(name)
		in.Content = append(in.Content, key, child)
	}
	for _, n := range nodes {
		switch {
		case n.Type != "":
			put(out, n.Name, expanded(n.raw))
		case n.through, n.kept:
			ref, target := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, new(yaml.Node)
			target.SetString(n.pythonPath(paths))
			put(ref, "ref", target)
			put(out, n.Name, ref)
		case n.Driver == nil && n.Ref == "" && anyForeign(n.Children):
			group := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			put(group, "children", pythonNodes(n.Children, paths))
			put(out, n.Name, group)
		}
	}
	return out
}

// expanded returns a copy of n with the content of its aliases in their place:
// what they name may lie elsewhere in the file. Keys are quoted: to Python's
// YAML, on and yes are no words.
func expanded(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return expanded(n.Alias)
	}
	c := *n
	c.Anchor, c.HeadComment, c.LineComment, c.FootComment = "", "", "", ""
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = expanded(child)
		if key := c.Content[i]; n.Kind == yaml.MappingNode && i%2 == 0 && key.ShortTag() == "!!str" {
			key.Style = yaml.DoubleQuotedStyle
		}
	}
	return &c
}

// pathsOf returns the dotted paths of the nodes where the file has them.
func pathsOf(nodes []*Node) map[*Node]string {
	out := map[*Node]string{}
	for _, it := range listed(nodes, "") {
		out[it.node] = it.path
	}
	return out
}

// missing makes the error of a Python that cannot host the drivers one that
// names an export, its type and, where a package is lacking, what to install.
func (c *Config) missing(err error) error {
	var lacking part.Missing
	var refused *part.Refusal
	why := err
	if errors.As(err, &refused) && len(refused.Missing) > 0 {
		lacking, why = refused.Missing[0], refused
	}
	n, path := c.foreignAt(lacking.Path)
	if n == nil {
		return err
	}
	kind := n.Type
	if lacking.Type != "" {
		path, kind = lacking.Path, lacking.Type
	}
	advice := ""
	if install := packages(refused, kind); len(install) > 0 {
		advice = ": pip install " + strings.Join(install, " ")
	}
	return n.placed("export.%s: Python cannot host %s: %w%s", path, kind, why, advice)
}

// packages are what to install, for all drivers at once. kind is the type of one
// that Python cannot host.
func packages(refused *part.Refusal, kind string) (out []string) {
	if refused == nil {
		return nil
	}
	add := func(module string) {
		if name := packageOf(module); module != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, m := range refused.Missing {
		add(m.Module)
		if m.Type == "" { // every driver needs it, and the package of this one has not been looked for
			add(kind)
		}
	}
	return out
}

// foreignAt returns the driver of Python's that has the path, or has it below,
// and the first one for the empty path, as the file has it.
func (c *Config) foreignAt(path string) (n *Node, at string) {
	for _, it := range listed(c.Export, "") {
		if it.node.Type != "" && (path == "" || path == it.path || strings.HasPrefix(path, it.path+".")) {
			return it.node, it.path
		}
	}
	return nil, ""
}

// listed returns the nodes as the file has them, in its order, with their
// paths.
func listed(nodes []*Node, at string) (out []item) {
	for _, n := range nodes {
		here := join(at, n.Name)
		out = append(out, item{node: n, path: here})
		out = append(out, listed(n.Children, here)...)
	}
	return out
}

// packageOf returns the name under which a Python module is most likely
// published.
func packageOf(module string) string {
	first, _, _ := strings.Cut(module, ".")
	return strings.ReplaceAll(first, "_", "-")
}
