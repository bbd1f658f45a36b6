package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/mock"
)

// ExportOptions say what of the captures becomes a scenario.
type ExportOptions struct {
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

// Exported is a scenario made of captures.
type Exported struct {
	// YAML is the document. Comments at its head say what it could not take up.
	YAML string `json:"yaml"`
	// Files are the bodies it refers to, relative to the files directory, with
	// slashes, each once.
	Files []string `json:"files"`
}

// Export makes a scenario that gives the answers that were captured: a list of
// entries under each URL, one for each response, in the order of the requests.
// Requests that differ in their query have a match; repeated ones form a
// sequence, whose last answer stays.
//
// Exchanges that no mock can repeat are left out and named in a comment:
// WebSockets, failures, answers of the proxy itself, bodies that were not kept.
func Export(entries []*capture.Entry, o ExportOptions) (*Exported, error) {
	x := &export{files: exportFiles{dir: o.FilesDir}, timed: o.Timed}
	defer x.files.close()
	picks := capture.Glob(o.Filter)
	groups := map[string][]*capture.Entry{}
	var keys []string
	for _, e := range entries {
		mocked := e.Origin.Mocked()
		if e.Kind != capture.HTTP || !picks(e.Path()) || o.ExcludeMocked && mocked {
			continue
		}
		if reason := unrepeatable(e); reason != "" {
			x.leaveOut(e, reason)
			continue
		}
		key := exportKey(e)
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
			put(endpoints, key, &yaml.Node{Kind: yaml.SequenceNode, Content: list})
		}
	}
	if len(endpoints.Content) == 0 {
		endpoints.Style = yaml.FlowStyle
	}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	put(doc, "endpoints", endpoints)
	var b strings.Builder
	b.WriteString(x.comment())
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("export captures: %w", err)
	}
	return &Exported{YAML: b.String(), Files: append([]string{}, x.files.list...)}, nil
}

// export is an export under way.
type export struct {
	files   exportFiles
	timed   bool
	left    []string // what was left out, and why
	omitted int      // how many more
}

// maxLeft bounds the comments.
const maxLeft = 50

func (x *export) leaveOut(e *capture.Entry, reason string) {
	if len(x.left) == maxLeft {
		x.omitted++
		return
	}
	x.left = append(x.left, fmt.Sprintf("%.200q: %.300q", e.Method+" "+e.URL(), reason))
}

func (x *export) comment() string {
	if len(x.left) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("# Left out:\n")
	for _, line := range x.left {
		b.WriteString("#   " + line + "\n")
	}
	if x.omitted > 0 {
		fmt.Fprintf(&b, "#   and %d more\n", x.omitted)
	}
	return b.String()
}

// unrepeatable says why no mock can give the answer of e.
func unrepeatable(e *capture.Entry) string {
	switch {
	case e.Origin == exchange.FromProxy:
		return "the proxy answered, not a server"
	case e.Status == http.StatusSwitchingProtocols:
		return "a connection that was upgraded"
	case e.Status < 200 || e.Status > 599:
		return "no final answer"
	case !strings.HasPrefix(e.Target, "/"):
		return "the request has no path"
	case strings.ContainsAny(e.Method, "/#*") || !httpguts.ValidHeaderFieldName(e.Method):
		return "the method can't stand in a scenario"
	case e.ResponseBody.Truncated:
		return "the body was not kept whole"
	}
	return ""
}

// exportKey is the URL of e without its query. Segments that would be read as
// patterns, or not at all, become a pattern that fits them.
func exportKey(e *capture.Entry) string {
	segments := strings.Split(e.Path(), "/")
	for i, s := range segments {
		odd := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("*{}#", r) }
		if !utf8.ValidString(s) || strings.IndexFunc(s, odd) >= 0 {
			segments[i] = "*"
		}
	}
	u := *e
	u.Target = strings.Join(segments, "/")
	return u.URL()
}

// variant is the requests of one method and query.
type variant struct {
	method  string
	query   map[string]string
	valued  int // values in query that are not empty
	entries []*capture.Entry
}

// entries makes the list of one URL.
func (x *export) entries(list []*capture.Entry) ([]*yaml.Node, error) {
	slices.SortStableFunc(list, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	var variants []*variant
	byKey := map[string]*variant{}
	methods := map[string]int{}
	for _, e := range list {
		v := &variant{method: e.Method, query: exportQuery(e)}
		names := url.Values{}
		for name, value := range v.query {
			names.Set(name, value)
			if value != "" {
				v.valued++
			}
		}
		key := e.Method + " " + names.Encode()
		if byKey[key] == nil {
			byKey[key] = v
			variants = append(variants, v)
		}
		byKey[key].entries = append(byKey[key].entries, e)
		if _, ok := methods[e.Method]; !ok {
			methods[e.Method] = len(methods)
		}
	}
	// The first entry whose match holds answers, so those that ask for more
	// come first.
	slices.SortStableFunc(variants, func(a, b *variant) int {
		return cmp.Or(cmp.Compare(methods[a.method], methods[b.method]),
			cmp.Compare(len(b.query), len(a.query)), cmp.Compare(b.valued, a.valued))
	})
	var nodes []*yaml.Node
	for _, v := range variants {
		more, err := x.variant(v)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, more...)
	}
	return nodes, nil
}

// variant makes the entries of one method and query.
func (x *export) variant(v *variant) ([]*yaml.Node, error) {
	var nodes []*yaml.Node
	var when timeline
	steps := steps{}
	for _, e := range v.entries {
		response, err := x.response(e)
		if err != nil {
			return nil, err
		}
		if response == nil || !x.timed && !steps.next(response) {
			continue
		}
		n := &yaml.Node{Kind: yaml.MappingNode}
		put(n, "method", quoted(e.Method))
		if len(v.query) > 0 {
			query := &yaml.Node{Kind: yaml.MappingNode}
			for _, name := range slices.Sorted(maps.Keys(v.query)) {
				put(query, name, quoted(v.query[name]))
			}
			match := &yaml.Node{Kind: yaml.MappingNode}
			put(match, "query", query)
			put(n, "match", match)
		}
		if x.timed {
			put(n, "delay_ms", when.delay(e))
		}
		put(n, "response", response)
		nodes = append(nodes, n)
	}
	for i, times := range steps.times {
		if i < len(nodes)-1 { // the last one stays
			repeat := &yaml.Node{Kind: yaml.MappingNode}
			put(repeat, "repeat", integer(int64(times)))
			n := nodes[i]
			at := len(n.Content) - 2 // before the response
			n.Content = slices.Insert(n.Content, at, repeat.Content...)
		}
	}
	return nodes, nil
}

// steps counts how often each answer of a sequence was given in a row.
type steps struct {
	times []int
	last  string
}

// next takes the next answer; it tells whether that is another one.
func (s *steps) next(response *yaml.Node) bool {
	text, err := yaml.Marshal(response)
	if n := len(s.times); n > 0 && err == nil && string(text) == s.last {
		s.times[n-1]++
		return false
	}
	s.times, s.last = append(s.times, 1), string(text)
	return true
}

// exportQuery is what match.query must say to pick the request: the first
// value of each parameter.
func exportQuery(e *capture.Entry) map[string]string {
	_, raw, _ := strings.Cut(e.Target, "?")
	values, _ := url.ParseQuery(raw)
	q := make(map[string]string, len(values))
	for name, v := range values {
		if !utf8.ValidString(name) {
			continue
		}
		q[name] = ""
		if utf8.ValidString(v[0]) {
			q[name] = v[0]
		}
	}
	return q
}

// response makes the response of an entry, nil if its body can't be had.
func (x *export) response(e *capture.Entry) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	put(n, "status", integer(int64(e.Status)))
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
	if ct != "" && ct != "application/json" && presentable(ct) {
		put(n, "content_type", quoted(ct))
	}
	if file != "" {
		put(n, "file", quoted(file))
	}
	headers := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(e.ResponseHeader)) {
		values := e.ResponseHeader[name]
		switch {
		case framing(name) && !(encoded && name == "Content-Encoding") && !(name == "Content-Length" && e.Method == http.MethodHead):
			continue
		case len(values) == 0:
			continue
		case !slices.ContainsFunc(values, func(v string) bool { return !presentable(v) }):
		default:
			x.leaveOut(e, "header "+name)
			continue
		}
		if sent, ok := e.ResponseNames[name]; ok && e.Proto != "HTTP/2.0" {
			name = sent
		}
		if len(values) == 1 {
			put(headers, name, quoted(values[0]))
			continue
		}
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, v := range values {
			list.Content = append(list.Content, quoted(v))
		}
		put(headers, name, list)
	}
	if len(headers.Content) > 0 {
		put(n, "headers", headers)
	}
	return n, nil
}

// framing tells whether a header belongs to the connection or the server, or
// is made anew when a mock answers.
func framing(name string) bool {
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Date", "Server",
		"Keep-Alive", "Proxy-Connection", "Trailer", "Upgrade", "Te":
		return true
	}
	return false
}

// presentable tells whether a header's value comes back as it is: not text in
// another encoding, and nothing that would be taken for a template.
func presentable(v string) bool {
	return utf8.ValidString(v) && validValue(v) && !strings.Contains(v, "{{")
}
