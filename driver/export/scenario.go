package export

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/filter"
	"starproxy/driver/mock"
)

// Options select the captured exchanges that become a scenario.
type Options struct {
	// FilesDir is where the bodies go, below responses/. It is made if need
	// be. A file that is there already is never changed.
	FilesDir string
	// Filter is a shell pattern for the path without its query; empty for all.
	// Its * stands for any characters, "/" too.
	Filter string
	// ExcludeMocked leaves out what mocks answered or patched.
	ExcludeMocked bool
	// Timed lets repeated requests be answered by the time since the first of
	// their kind, as the stock driver has it, instead of one after the other.
	Timed bool
}

// Document is a scenario made of captures.
type Document struct {
	// YAML is the document. It begins with comments on the exchanges left out.
	YAML string `json:"yaml"`
	// Files are the bodies it refers to, relative to the files directory, with
	// slashes, each once.
	Files []string `json:"files"`
	// LeftOut names the exchanges and headers left out, with the reason, one a line.
	LeftOut []string `json:"left_out,omitempty"`
	// Saved numbers the entries whose answers are in the document or in Files.
	Saved []uint64 `json:"-"`
}

// Scenario returns a scenario that answers with the captured responses: a list of
// entries under each URL, one for each response, in the order of the requests.
// Requests that differ in their query have a match; repeated ones form a
// sequence, whose last answer stays.
//
// Exchanges that no mock can repeat are left out and named in a comment:
// WebSockets, failures, answers of the proxy itself, bodies that were not kept.
func Scenario(entries []*capture.Entry, o Options) (*Document, error) {
	x := &writer{files: bodyFiles{dir: o.FilesDir}, timed: o.Timed}
	defer x.files.close()
	picks := filter.Glob(o.Filter)
	groups := map[string][]*capture.Entry{}
	var keys []string
	for _, e := range entries {
		mocked := e.Origin.Mocked()
		if e.Kind != capture.HTTP && e.Kind != capture.TCP || !picks(e.Path()) || o.ExcludeMocked && mocked {
			continue
		}
		if reason := unrepeatable(e); reason != "" {
			x.leaveOut(e, reason)
			continue
		}
		key := keyOf(e)
		if _, err := mock.ParseKey(key); err != nil {
			x.leaveOut(e, err.Error())
			continue
		}
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], e)
	}
	endpoints := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range keys {
		list, err := x.entries(groups[key])
		if err != nil {
			return nil, fmt.Errorf("export captures: %w", err)
		}
		if len(list) > 0 {
			document.Put(endpoints, key, &yaml.Node{Kind: yaml.SequenceNode, Content: list})
		}
	}
	if len(endpoints.Content) == 0 {
		endpoints.Style = yaml.FlowStyle
	}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	document.Put(doc, "endpoints", endpoints)
	text, err := document.YAML(doc)
	if err != nil {
		return nil, fmt.Errorf("export captures: %w", err)
	}
	return &Document{YAML: x.comment() + text, Files: append([]string{}, x.files.list...), LeftOut: x.leftOut(), Saved: x.saved}, nil
}

// writer is an export under way.
type writer struct {
	files   bodyFiles
	timed   bool
	saved   []uint64 // numbers of the entries that were exported
	left    []string // a line for each thing left out, with the reason
	omitted int      // number of further lines
}

// maxLeft bounds the comments.
const maxLeft = 50

func (x *writer) leaveOut(e *capture.Entry, reason string) {
	if len(x.left) == maxLeft {
		x.omitted++
		return
	}
	x.left = append(x.left, fmt.Sprintf("%.200q: %.300q", e.Method+" "+e.URL(), reason))
}

// leftOut returns the lines about the things left out.
func (x *writer) leftOut() []string {
	if x.omitted > 0 {
		return append(x.left, fmt.Sprintf("and %d more", x.omitted))
	}
	return x.left
}

func (x *writer) comment() string {
	if len(x.left) == 0 {
		return ""
	}
	return "# Left out:\n#   " + strings.Join(x.leftOut(), "\n#   ") + "\n"
}

// unrepeatable returns the reason why no mock can give the response of e, "" if one
// can.
func unrepeatable(e *capture.Entry) string {
	switch {
	case e.Kind == capture.TCP:
		return "a TCP stream: flow files have it"
	case e.Origin == exchange.FromProxy:
		return "the proxy answered, not a server"
	case e.Status == http.StatusSwitchingProtocols:
		return "a connection that was upgraded"
	case e.Status < 200 || e.Status > 599:
		return "no final answer"
	case !strings.HasPrefix(e.Target, "/"):
		return "the request has no path"
	case !utf8.ValidString(e.Host) || strings.IndexFunc(e.Host, unicode.IsControl) >= 0:
		return "the host is not text"
	case strings.ContainsAny(e.Method, "/#*") || strings.EqualFold(e.Method, "WEBSOCKET") || !httpguts.ValidHeaderFieldName(e.Method):
		return "the method can't stand in a scenario"
	case e.Status == http.StatusPartialContent && rangeOf(e) == "":
		return "a part of a body that nobody asked for"
	case e.ResponseBody.Truncated:
		return "the body was not kept: " + e.ResponseBody.Missing()
	case e.ResponseBody.Partial:
		return fmt.Sprintf("the answer broke off after %d bytes of its body: %s", e.ResponseBody.Size, e.Error)
	}
	return ""
}

// keyOf returns the URL of e without its query. A segment that a key can't hold
// literally becomes a pattern that it matches.
func keyOf(e *capture.Entry) string { return keyWith(e, func(s string) string { return s }) }

// keyWith is keyOf with a function that may replace a segment by a pattern.
func keyWith(e *capture.Entry, replaced func(segment string) string) string {
	segments := strings.Split(e.Path(), "/")
	for i, s := range segments {
		if segments[i] = replaced(s); segments[i] != s {
			continue
		}
		odd := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("*{}#", r) }
		if !utf8.ValidString(s) || strings.IndexFunc(s, odd) >= 0 {
			if segments[i] = "*"; i < len(segments)-1 {
				segments[i] = fmt.Sprintf("{segment%d}", i)
			}
		}
	}
	u := *e
	u.Target = strings.Join(segments, "/")
	return u.URL()
}

// response returns the response of an entry as a node, nil if its body can't be read.
func (x *writer) response(e *capture.Entry) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	document.Put(n, "status", document.Integer(int64(e.Status)))
	file, encoded, err := x.files.body(e)
	if err != nil {
		if reason, ok := err.(unreadable); ok {
			x.leaveOut(e, reason.Error())
			return nil, nil
		}
		return nil, err
	}
	ct := e.ResponseHeader.Get("Content-Type")
	if ct == "" && file != "" {
		ct = "application/octet-stream"
	}
	if ct != "" && !presentable(ct) {
		x.leaveOut(e, unwritable("Content-Type", []string{ct}))
		ct = ""
	}
	if ct != "" && ct != "application/json" {
		document.Put(n, "content_type", document.Quoted(ct))
	}
	if file != "" {
		document.Put(n, "file", document.Quoted(file))
	}
	headers := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range e.ResponseHeader.Names() {
		values := e.ResponseHeader.Values(name)
		canonical := http.CanonicalHeaderKey(name)
		if framing(canonical) && !(encoded && canonical == "Content-Encoding") &&
			!(canonical == "Content-Length" && e.Method == http.MethodHead) {
			continue
		}
		if e.Proto == "HTTP/2.0" {
			name = canonical
		}
		if reason := unwritable(name, values); reason != "" {
			x.leaveOut(e, reason)
			continue
		}
		if len(values) == 1 {
			document.Put(headers, name, document.Quoted(values[0]))
			continue
		}
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, v := range values {
			list.Content = append(list.Content, document.Quoted(v))
		}
		document.Put(headers, name, list)
	}
	if len(headers.Content) > 0 {
		document.Put(n, "headers", headers)
	}
	x.saved = append(x.saved, e.Seq)
	return n, nil
}

// framing reports whether a header belongs to the connection or the server, or is
// computed for the response of a mock.
func framing(name string) bool {
	switch name {
	case "Content-Type", "Content-Encoding", "Date", "Server", "Trailer":
		return true
	}
	return exchange.IsFraming(name) || exchange.IsHop(name)
}

// unwritable returns the reason why a scenario can't have a header, "" if it can.
func unwritable(name string, values []string) string {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Sprintf("header %.100q: this is no name of a header", name)
	case slices.ContainsFunc(values, func(v string) bool { return !presentable(v) }):
		return "header " + name + ": its value is not text, or would be taken for a template"
	}
	return ""
}

// presentable reports whether a scenario can have a header's value: it is UTF-8 and
// has no template.
func presentable(v string) bool {
	return utf8.ValidString(v) && httpguts.ValidHeaderFieldValue(v) && !strings.Contains(v, "{{")
}
