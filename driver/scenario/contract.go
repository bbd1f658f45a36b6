package scenario

import (
	"errors"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/driver/access"
	"starproxy/driver/contract"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// contract loads the OpenAPI document that a scenario names: its path, or a map.
func (c *compiler) contract(n *yaml.Node, path string) (*contract.Contract, error) {
	if n.Tag == "!!null" {
		return nil, nil
	}
	var o contract.Options
	file := n
	if n.Kind == yaml.MappingNode {
		var err error
		if file, err = contractKeys(n, path, &o); err != nil {
			return nil, err
		}
		path += ".file"
	}
	if file.Kind != yaml.ScalarNode || file.Tag != "!!str" || file.Value == "" {
		return nil, document.Wrong(file, path, "the path of an OpenAPI document")
	}
	var err error
	if o.File, o.Read, err = c.contractFile(file.Value); err != nil {
		return nil, document.Errorf(file, "%s: %v", path, err)
	}
	loaded, err := contract.Load(o)
	if err != nil {
		if errors.As(err, new(*document.Error)) {
			return nil, err
		}
		return nil, document.Errorf(file, "%s: %v", path, err)
	}
	for _, w := range loaded.Warnings {
		c.warn(file, "%s: %s", path, w)
	}
	return loaded, nil
}

// contractKeys reads the map of a contract. It returns the node of the file.
func contractKeys(n *yaml.Node, path string, o *contract.Options) (*yaml.Node, error) {
	var file *yaml.Node
	for k, v := range document.Pairs(n) {
		at := path + "." + k.Value
		text, isText := v.Value, v.Kind == yaml.ScalarNode && v.Tag == "!!str"
		switch {
		case v.Tag == "!!null":
		case k.Value == "file":
			file = v
		case k.Value == "mode":
			if o.Mode = contract.Mode(text); !isText || o.Mode != contract.Warn && o.Mode != contract.Reject {
				return nil, document.Wrong(v, at, "warn or reject")
			}
		case k.Value == "base":
			if o.Base = text; !isText || !strings.HasPrefix(text, "/") {
				return nil, document.Wrong(v, at, "a path that begins with /")
			}
		case k.Value == "hosts":
			var err error
			if o.Hosts, err = hostPatterns(v, at); err != nil {
				return nil, err
			}
		default:
			return nil, document.UnknownKey(k, path, []string{"file", "mode", "base", "hosts"})
		}
	}
	if file == nil {
		return nil, document.Errorf(n, "%s: got no file, want the path of an OpenAPI document", path)
	}
	return file, nil
}

// hostPatterns reads one pattern of hosts, or a list of them.
func hostPatterns(n *yaml.Node, path string) ([]exchange.HostPattern, error) {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	var patterns []exchange.HostPattern
	for _, e := range list {
		if e.Kind != yaml.ScalarNode || e.Tag != "!!str" {
			return nil, document.Wrong(e, path, "a host, *.domain or *, or a list of such")
		}
		p, err := exchange.ParseHostPattern(e.Value)
		if err != nil {
			return nil, document.Errorf(e, "%s: %v", path, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// contractFile returns the absolute path of a contract, and a function that reads its
// files. The path is relative to the document, or to the directory of files if the
// document was sent; then it can't leave that directory.
func (c *compiler) contractFile(name string) (path string, read func(string) ([]byte, error), err error) {
	policy, base := c.env.policy(), c.dir
	if base == "" {
		base = c.sent
		if policy == nil {
			policy = access.New([]string{base}, nil)
		}
	}
	if path = filepath.FromSlash(name); !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	return path, func(path string) ([]byte, error) {
		f, info, err := policy.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return disk.ReadAll(f, info, document.MaxBytes)
	}, nil
}

// knownAnswer is an answer that does not depend on the request.
type knownAnswer struct {
	d      *definition
	match  mock.Match
	answer contract.Answer
}

// knows keeps an answer until the contract is known, unless a part of it is computed for
// each request or broken on purpose.
func (d *definition) knows(a responseFields, header exchange.Header, body []byte) {
	if len(a.templates) > 0 || d.get("fault") != nil || d.c.quiet || d.c.adversity.Contract == nil {
		return
	}
	status := a.status
	if status == 0 {
		status = 200
	}
	answer := contract.Answer{Status: status, Header: header, Body: contract.ReadBody(body, header)}
	d.c.known = append(d.c.known, knownAnswer{d: d, answer: answer})
}

// knowsFile keeps an answer with a file as it is now, unless that is large.
func (d *definition) knowsFile(a responseFields, name string) {
	if d.c.adversity.Contract == nil {
		return
	}
	f, info, err := d.c.files.Open(name)
	if err != nil {
		return // another warning says so
	}
	defer f.Close()
	data, err := disk.ReadAll(f, info, contract.MaxBody)
	if err != nil {
		return
	}
	if a.typ == "" {
		a.typ = mock.ContentType(name)
	}
	d.knows(a, a.typed(a.typ), data)
}

// checkAnswers warns about the answers that break the contract.
func (c *compiler) checkAnswers() {
	con := c.adversity.Contract
	for _, k := range c.known {
		if k.match.Method == "" || k.match.Method == mock.WebSocket || k.match.Path == "" || strings.HasSuffix(k.match.Path, "*") {
			continue // it answers requests to more than one operation
		}
		r := con.CheckAnswer(&contract.Request{Method: k.match.Method, Host: k.match.Host, Target: k.match.Path}, &k.answer)
		for _, b := range r.Breaches {
			c.warn(k.at(b), "%s: %s", k.d.path, b)
		}
	}
	c.known = nil
}

// at returns the node of a definition that breaks the contract.
func (k *knownAnswer) at(b contract.Breach) *yaml.Node {
	body := k.d.get("body")
	if pointer, ok := strings.CutPrefix(b.At, "body"); ok && body != nil {
		return contract.Below(body, strings.TrimSpace(pointer))
	}
	for _, key := range []string{"status", "headers", "content_type"} {
		if n := k.d.get(key); n != nil && strings.HasPrefix(b.At, strings.TrimSuffix(key, "s")) {
			return n
		}
	}
	return k.d.node
}
