package scenario

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/nearest"
	"starproxy/driver/access"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// document compiles the map at the top: {config, endpoints}, {config, mocks},
// or the endpoints themselves with config among them.
func (c *compiler) document(root *yaml.Node) ([]*mock.Endpoint, error) {
	if kind, hint := document.KindOf(root); kind != "" && kind != "scenario" {
		return nil, document.Errorf(root, "this is %s, not a scenario: %s", kind, hint)
	}
	if root.Kind != yaml.MappingNode {
		return nil, sentinel(root, document.Describe(root), ErrNotObject)
	}
	endpoints, wrapper := root, (*yaml.Node)(nil)
	for k, v := range document.Pairs(root) {
		switch k.Value {
		case "endpoints", "mocks":
			if wrapper != nil {
				return nil, document.Errorf(k, "got both endpoints and mocks, want one of them")
			}
			endpoints, wrapper = v, k
		case "config":
			if err := c.configure(v); err != nil {
				return nil, err
			}
		default:
			if err := c.oppose(k.Value, v); err != nil {
				return nil, err
			}
		}
	}
	if endpoints.Kind != yaml.MappingNode {
		return nil, sentinel(endpoints, document.Describe(endpoints), ErrNoEndpoints)
	}
	if wrapper != nil {
		for k, v := range document.Pairs(root) {
			switch {
			case k == wrapper || slices.Contains(settings(), k.Value):
			case document.IsEndpoint(k.Value) && !isRemark(k.Value) && !anchored(v):
				return nil, document.Errorf(k, "got endpoint %q beside %s, want it inside", k.Value, wrapper.Value)
			default:
				c.unused(k, v)
			}
		}
		return c.endpoints(endpoints, false)
	}
	return c.endpoints(endpoints, true)
}

// sentinel returns an error at n. err names the wanted value, got the one of n.
func sentinel(n *yaml.Node, got string, err error) error {
	return &document.Error{Line: n.Line, Column: n.Column, Message: "got " + got + ", " + err.Error(), Err: err}
}

// remark is the key of comments in JSON, which has no comments of its own. Each map
// of a scenario may have it.
const remark = "$comment"

// isRemark reports whether a key is one for people and tools, whatever its value:
// a remark, or one that begins with "x-", as extensions of many formats do.
func isRemark(key string) bool { return key == remark || strings.HasPrefix(key, "x-") }

// settings returns the keys at the top that are not endpoints.
func settings() []string {
	keys := []string{"config", "name", "description", "version", "$schema"}
	for _, a := range adversities() {
		keys = append(keys, a.key)
	}
	return keys
}

// unused warns of a key beside the endpoints that means nothing. A value with an
// anchor is there to be referred to, which is no mistake.
func (c *compiler) unused(k, v *yaml.Node) {
	if isRemark(k.Value) || anchored(v) || c.env.Log == nil {
		return
	}
	known := append(slices.DeleteFunc(settings(), func(s string) bool { return s == "$schema" }), "endpoints", "mocks")
	slices.Sort(known)
	hint := "want one of " + strings.Join(known, ", ") + ", or a name that begins with x-"
	if near := nearest.Name(k.Value, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.env.Log.Warn(fmt.Sprintf("scenario: key %q is not used; %s", k.Value, hint), "scenario", c.src.Name, "line", k.Line)
}

// anchored reports whether n or a part of it has an anchor.
func anchored(n *yaml.Node) bool { return n.Anchor != "" || slices.ContainsFunc(n.Content, anchored) }

// config is the document's config block.
type config struct {
	FilesDir           string    `yaml:"files_dir"`
	AddonsDir          string    `yaml:"addons_dir"`
	DefaultLatencyMS   yaml.Node `yaml:"default_latency_ms"`
	DefaultContentType string    `yaml:"default_content_type"`
}

func (c *compiler) configure(n *yaml.Node) error {
	var cfg config
	if err := document.DecodeAt(document.Filtered(n, func(k string) bool { return !isRemark(k) }), &cfg, "config"); err != nil {
		return err
	}
	if cfg.DefaultLatencyMS.Kind != 0 {
		l, err := c.latency(&cfg.DefaultLatencyMS, "config.default_latency_ms")
		if err != nil {
			return err
		}
		c.env.DefaultLatency = l
	}
	if cfg.DefaultContentType != "" {
		if !validValue(cfg.DefaultContentType) {
			return document.Wrong(document.Field(n, "default_content_type"), "config.default_content_type", "one line of text")
		}
		c.env.DefaultContentType, c.typed = cfg.DefaultContentType, true
	}
	if cfg.FilesDir != "" {
		if dir, ok := c.directory(cfg.FilesDir, c.env.FilesDir, document.Field(n, "files_dir")); ok {
			c.env.FilesDir, c.files = dir.String(), dir
		}
	}
	if cfg.AddonsDir != "" {
		if dir, ok := c.directory(cfg.AddonsDir, c.env.AddonsDir, document.Field(n, "addons_dir")); ok {
			c.env.AddonsDir = dir.String()
		}
	}
	return nil
}

// directory resolves a directory of the config block; base is the driver's own.
// Relative ones are relative to the document, or to base when it was sent. A
// directory that the policy does not allow is not used: base is used and a warning
// is logged. Scenarios written for another machine may name such directories.
func (c *compiler) directory(name, base string, at *yaml.Node) (access.Dir, bool) {
	path, policy := name, c.env.Access
	switch {
	case filepath.IsAbs(path):
	case c.dir != "":
		path = filepath.Join(c.dir, path)
	default:
		path = filepath.Join(base, path)
	}
	switch {
	case c.dir != "" && (c.env.Owned || policy == nil):
		return policy.Owned(path), true
	case policy == nil:
		policy = access.New([]string{base}, nil)
	}
	dir, err := policy.Dir(path)
	if err != nil && c.env.Log != nil {
		c.env.Log.Warn("scenario: its directory lies outside of those of the configuration and is not used",
			"scenario", c.src.Name, "line", at.Line, "directory", name, "used", base)
	}
	return dir, err == nil
}
