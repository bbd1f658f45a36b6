package exporter

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/driver/document"
	"starproxy/driver/exporter/hook"
)

// What an exporter file has to call itself, when it says anything.
const (
	apiVersion = "jumpstarter.dev/v1alpha1"
	configKind = "ExporterConfig"
)

// Config is an exporter file: the stock Jumpstarter document.
type Config struct {
	// The document's version, jumpstarter.dev/v1alpha1 when left out.
	APIVersion string `yaml:"apiVersion"`
	// ExporterConfig; may be left out.
	Kind string `yaml:"kind"`
	// The exporter's identity. JMP_NAMESPACE and JMP_NAME supply what is left out.
	Metadata Metadata `yaml:"metadata"`
	// host:port of the controller that leases the exporter. Together with Token it
	// makes "starproxy run" register there.
	Endpoint string `yaml:"endpoint"`
	// How the controller's certificate is judged.
	TLS TLS `yaml:"tls"`
	// The bearer token shown to the controller.
	Token string `yaml:"token"`
	// Arguments for gRPC's core library, by name, for the connections to the
	// controller and to routers. Those that have a meaning here are the times of
	// keepalive, the sizes of messages, the names of the server, the user agent
	// and enable_http_proxy; others become a warning.
	GRPCOptions map[string]any `yaml:"grpcOptions"`
	// The help text of the whole tree.
	Description string `yaml:"description"`
	// The message of the day, shown when an interactive shell starts.
	MOTD string `yaml:"motd"`
	// The drivers, in the order of the file.
	Export []*Node `yaml:"-"`
	// Commands run around a lease.
	Hooks Hooks `yaml:"hooks"`
	// How often the drivers may fail to open: after that an exporter that starts
	// ends, and a lease is given back.
	FailureDetection FailureDetection `yaml:"failureDetection"`
	// Leave the controller and end when a lease has ended. Default false.
	ExitOnLeaseEnd bool `yaml:"exitOnLeaseEnd"`

	// Path is the file that was read; empty for a built-in configuration.
	Path string `yaml:"-"`
	// Warnings are one-line remarks on what the file says to no effect.
	Warnings []string `yaml:"-"`

	pythonRefs []*Node // refs within drivers that Python hosts
}

// Metadata names an exporter within its cluster.
type Metadata struct {
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
}

// TLS says how to judge a server's certificate.
type TLS struct {
	// A PEM bundle in base64; empty means the system's roots.
	CA string `yaml:"ca"`
	// Accept any certificate. Default false.
	Insecure bool `yaml:"insecure"`
}

// Hooks are the commands run before and after a lease.
type Hooks struct {
	BeforeLease *hook.Hook `yaml:"beforeLease"`
	AfterLease  *hook.Hook `yaml:"afterLease"`
}

// FailureDetection bounds how often drivers may fail to open.
type FailureDetection struct {
	// Failures that are too many, when they come within the window; default 5.
	MaxRapidFailures int `yaml:"maxRapidFailures"`
	// Seconds; default 60.
	RapidFailureWindow float64 `yaml:"rapidFailureWindow"`
}

// Load reads an exporter file.
func Load(path string) (*Config, error) {
	data, err := disk.ReadInput(path, disk.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("exporter file: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the text of an exporter file; filename appears in errors. A key
// that Jumpstarter doesn't know becomes a warning, as stock exporters accept
// it; within a driver's own config it is an error.
func Parse(filename string, data []byte) (*Config, error) {
	r := newReader(filename)
	export, err := r.head(data)
	if err != nil {
		return nil, err
	}
	c := r.config
	if c.Export, err = r.children(export, "export"); err != nil {
		return nil, err
	}
	if _, err := c.checked(); err != nil {
		return nil, err
	}
	return c, nil
}

// reader turns the nodes of one file into a Config.
type reader struct {
	file   string
	config *Config
	root   yaml.Node // without what was taken
	// fault gets the errors of single drivers, and reading goes on; nil ends it
	// at the first.
	fault func(error)
	// warn gets the warnings, beside the Config; may be nil.
	warn func(error)
}

// newReader makes the reader of a file that says nothing.
func newReader(filename string) *reader {
	return &reader{file: filename, config: &Config{
		APIVersion:       apiVersion,
		Kind:             configKind,
		Metadata:         Metadata{Namespace: os.Getenv("JMP_NAMESPACE"), Name: os.Getenv("JMP_NAME")},
		FailureDetection: FailureDetection{MaxRapidFailures: 5, RapidFailureWindow: 60},
		Path:             filename,
	}}
}

// head reads the document but for the drivers, whose node it returns.
func (r *reader) head(data []byte) (export *yaml.Node, err error) {
	c, root := r.config, &r.root
	if err := document.Decode(r.file, data, root); err != nil {
		return nil, err
	}
	if root.Kind == 0 {
		return nil, fmt.Errorf("%s: the exporter file is empty", r.file)
	}
	if root.Kind != yaml.MappingNode {
		return nil, r.errorf(root, "expected a map with the key export")
	}
	export = take(root, "export")
	if kind, hint := document.KindOf(root); export == nil && kind == "scenario" {
		return nil, r.errorf(root, "this is a scenario, not an exporter file: expected the key export, a map of names to drivers "+
			"(\"starproxy script check FILE\" looks at scenarios)")
	} else if export == nil && kind != "" && !strings.HasSuffix(kind, "exporter file") {
		return nil, r.errorf(root, "this is %s, not an exporter file: %s", kind, hint)
	}
	r.prune(root, reflect.TypeFor[Config](), "")
	if err := document.DecodeNode(r.file, root, c); err != nil {
		return nil, err
	}
	switch {
	case c.APIVersion != apiVersion:
		return nil, r.errorf(root, "apiVersion %q is not supported: expected %s", c.APIVersion, apiVersion)
	case c.Kind != configKind:
		return nil, r.errorf(root, "kind %q is not supported: expected %s", c.Kind, configKind)
	}
	for name, h := range map[string]*hook.Hook{"beforeLease": c.Hooks.BeforeLease, "afterLease": c.Hooks.AfterLease} {
		if h == nil {
			continue
		}
		if err := h.Complete(); err != nil {
			return nil, r.errorf(root, "hooks.%s: %v", name, err)
		}
	}
	return export, nil
}

func (r *reader) errorf(n *yaml.Node, format string, args ...any) error {
	return r.place(n).errorf(format, args...)
}

func (r *reader) place(n *yaml.Node) position {
	if n == nil {
		return position{file: r.file}
	}
	return position{r.file, n.Line, n.Column}
}

// report passes the error of one driver to fault. Without that it returns it,
// and reading ends.
func (r *reader) report(err error) error {
	if r.fault == nil {
		return err
	}
	r.fault(err)
	return nil
}

// warnf notes what the file says to no effect.
func (r *reader) warnf(n *yaml.Node, format string, args ...any) {
	err := r.errorf(n, format, args...)
	r.config.Warnings = append(r.config.Warnings, err.Error())
	if r.warn != nil {
		r.warn(err)
	}
}

// position is a place in a file. The zero position is none.
type position struct {
	file         string
	line, column int
}

// errorf returns an error at the place.
func (p position) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &document.Error{File: p.file, Line: p.line, Column: p.column, Message: err.Error(), Err: errors.Unwrap(err)}
}

// prune drops from n the keys that t, a struct, has no field for, with a
// warning each, so that the strict decoder accepts the rest.
func (r *reader) prune(n *yaml.Node, t reflect.Type, path string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct || t == reflect.TypeFor[yaml.Node]() {
		return
	}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "-" {
			fields[name] = t.Field(i).Type
		}
	}
	kept := n.Content[:0:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := fields[key.Value]
		if !known {
			r.warnf(key, "unknown key %q is ignored", path+key.Value)
			continue
		}
		r.prune(value, field, path+key.Value+".")
		kept = append(kept, key, value)
	}
	n.Content = kept
}

// take removes key from the mapping n and returns its value, nil if absent.
func take(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			value := n.Content[i+1]
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			return value
		}
	}
	return nil
}
