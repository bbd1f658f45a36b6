package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/nearest"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// warn logs a probable mistake in a document, with its place. The document is loaded
// all the same. The answers of a script at run time are not checked.
func (c *compiler) warn(n *yaml.Node, format string, args ...any) {
	if c.env.Log == nil || c.quiet {
		return
	}
	c.env.Log.Warn("scenario", "warning", document.InFile(c.src.File, document.Errorf(n, format, args...)))
}

// methods lists the usual methods of keys.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "REPORT", "QUERY",
	mock.WebSocket}

// checkMethod warns about an unusual method, which is probably a typing error.
func (c *compiler) checkMethod(k *yaml.Node, m mock.Match) {
	if m.Method == "" || slices.Contains(methods, m.Method) {
		return
	}
	near := ""
	if name := nearest.Name(m.Method, methods); name != "" {
		near = fmt.Sprintf("; did you mean %s?", name)
	}
	c.warn(k, "endpoint %q: %s is no usual method%s", k.Value, m.Method, near)
}

// checkSocket warns about a WEBSOCKET key whose answer opens no WebSocket. An answer
// that refuses on purpose has the status of an error and gets no warning.
func (d *definition) checkSocket(k *yaml.Node) {
	if d.method != mock.WebSocket {
		return
	}
	for _, key := range []string{"addon", "rules", "sequence", "patch"} {
		if d.get(key) != nil {
			return
		}
	}
	if status, err := d.status(); err == nil && status < 400 {
		d.c.warn(k, "%s: data opens no WebSocket: a function or an addon serves one, a status from 400 on refuses it", d.path)
	}
}

// checkFile warns if the file of a mock does not exist but its directory does.
func (d *definition) checkFile(key, name string) {
	dir := d.c.env.FilesDir
	if info, err := os.Stat(dir); dir == "" || err != nil || !info.IsDir() {
		return
	}
	if _, err := d.c.files.Stat(name); errors.Is(err, fs.ErrNotExist) {
		d.c.warn(d.get(key), "%s: no file %q in %s", d.path, name, dir)
	}
}

var (
	asksParam = regexp.MustCompile(`request_param\(\s*['"]?([A-Za-z_][\w-]*)`)
	hasParam  = regexp.MustCompile(`\{([A-Za-z_]\w*)`)
)

// checkParams warns about parameters in n that the path of the endpoint does not
// have.
func (d *definition) checkParams(n *yaml.Node) {
	if d.params == nil {
		return // not known
	}
	each(n, func(n *yaml.Node) bool {
		for _, m := range asksParam.FindAllStringSubmatch(n.Value, -1) {
			d.checkParam(n, m[1], "request_param("+m[1]+")")
		}
		return true
	})
}

// checkParam warns if the path of the endpoint does not have the parameter name.
func (d *definition) checkParam(n *yaml.Node, name, asked string) {
	if d.params == nil || slices.Contains(d.params, name) {
		return
	}
	hint := "the path of its key has no {name}"
	if len(d.params) > 0 {
		hint = "the path of its key has " + strings.Join(d.params, ", ")
	}
	d.c.warn(n, "%s: %s: %s", d.path, asked, hint)
}

// params returns the parameter names in the path of a key. The list is never nil.
func params(path string) []string {
	names := []string{}
	for _, m := range hasParam.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}
