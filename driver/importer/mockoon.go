package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// The format is that of the environments which Mockoon keeps as files; their parts are
// documented at https://mockoon.com/docs/latest/route-responses/multiple-responses.

// environment is an environment that is being read.
type environment struct {
	c    *conversion
	s    source
	root *yaml.Node
}

// mockoon reads an environment, or an export with several of them.
func (c *conversion) mockoon(root *yaml.Node, s source) error {
	if list := document.Child(root, "data"); list != nil && document.Has(root, "source") {
		for _, n := range items(list) {
			item := document.Child(n, "item")
			if str(document.Child(n, "type")) != "environment" || item == nil {
				continue
			}
			if err := c.mockoon(item, s); err != nil {
				return err
			}
		}
		return nil
	}
	e := &environment{c, s, root}
	routes := document.Child(root, "routes")
	if routes == nil || routes.Kind != yaml.SequenceNode {
		return document.Wrong(document.Field(root, "routes"), "routes", "a list")
	}
	for _, n := range e.ordered(routes) {
		if n.Kind != yaml.MappingNode {
			return document.Wrong(n, "routes", "maps")
		}
		if err := e.route(n); err != nil {
			return err
		}
	}
	if isTrue(document.Child(root, "proxyMode")) {
		return e.proxy()
	}
	return nil
}

// ordered returns the routes in the order in which they are asked, that of the
// folders.
func (e *environment) ordered(routes *yaml.Node) []*yaml.Node {
	children := document.Child(e.root, "rootChildren")
	if children == nil {
		return routes.Content
	}
	byID := map[string]*yaml.Node{}
	for _, r := range routes.Content {
		byID[str(document.Child(r, "uuid"))] = r
	}
	folders := map[string]*yaml.Node{}
	for _, f := range items(document.Child(e.root, "folders")) {
		folders[str(document.Child(f, "uuid"))] = f
	}
	var list []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for _, child := range items(n) {
			id := str(document.Child(child, "uuid"))
			if str(document.Child(child, "type")) == "folder" {
				f := folders[id]
				delete(folders, id) // a folder is in one place
				walk(document.Child(f, "children"))
				continue
			}
			if r := byID[id]; r != nil {
				list = append(list, r)
				delete(byID, id)
			}
		}
	}
	walk(children)
	for _, r := range routes.Content { // those in no folder
		if byID[str(document.Child(r, "uuid"))] == r {
			list = append(list, r)
		}
	}
	return list
}

// route reads a route with its responses.
func (e *environment) route(n *yaml.Node) error {
	r := e.s.rule(n)
	r.place = e.c.next()
	r.title = str(document.Child(n, "documentation"))
	if method := strings.ToUpper(str(document.Child(n, "method"))); method != "ALL" {
		r.method = method
	}
	r.expressPath(n, e.endpoint(str(document.Child(n, "endpoint"))))
	if enabled := document.Child(n, "enabled"); enabled != nil && !isTrue(enabled) {
		r.leaveOut(n, "the route is disabled")
		return e.c.add(r)
	}
	responses := items(document.Child(n, "responses"))
	switch kind := str(document.Child(n, "type")); {
	case kind == "ws":
		r.leaveOut(n, "a WebSocket route has no counterpart")
		return e.c.add(r)
	case kind == "crud":
		r.method = "GET"
		r.note(n, "of a CRUD route, only the list of all is answered")
	}
	if len(responses) == 0 {
		r.leaveOut(n, "it has no responses")
		return e.c.add(r)
	}
	if v := document.Child(n, "streamingMode"); v != nil && v.Tag != "!!null" && str(v) != "" {
		r.note(v, "streamingMode has no counterpart: the answer comes as a whole")
	}
	var err error
	switch mode := str(document.Child(n, "responseMode")); mode {
	case "RANDOM", "SEQUENTIAL":
		if mode == "RANDOM" && len(responses) > 1 {
			r.note(n, "responseMode: RANDOM: the responses come one after the other")
		}
		err = e.cycle(r, responses)
	case "DISABLE_RULES":
		err = e.answer(r, r.answer, usualResponse(responses))
	default:
		err = e.choice(r, responses, mode == "FALLBACK")
	}
	if err != nil {
		return err
	}
	return e.c.add(r)
}

// endpoint returns the path of a route with the prefix of the environment.
func (e *environment) endpoint(path string) string {
	prefix := strings.Trim(str(document.Child(e.root, "endpointPrefix")), "/")
	path = strings.TrimPrefix(path, "/")
	if prefix != "" {
		path = prefix + "/" + path
	}
	return "/" + path
}

// expressPath sets the path to a route of Express: literal text, :name for one
// segment, and * for anything.
func (r *rule) expressPath(at *yaml.Node, path string) {
	if !strings.ContainsAny(path, ":*?+()[]") {
		r.literalPath(path)
		return
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		name, ok := strings.CutPrefix(s, ":")
		if ok && name != "" && strings.Trim(name, letters) == "" {
			segments[i] = "{" + nameOf(name, i) + "}"
		} else if s == "*" && i == len(segments)-1 {
			continue
		} else if strings.ContainsAny(s, ":*?+()[]") {
			r.regexPath(at, expressPattern(path), false)
			return
		}
	}
	r.path = strings.Join(segments, "/")
}

// expressPattern returns a route of Express as an expression.
func expressPattern(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '*':
			b.WriteString(".*")
		case ':':
			for i+1 < len(path) && strings.IndexByte(letters, path[i+1]) >= 0 && path[i+1] != '-' {
				i++
			}
			b.WriteString("[^/]+")
		case '(', ')', '?', '+', '[', ']', '|', '\\':
			b.WriteByte(c)
		default:
			b.WriteString(quoteMeta(string(c)))
		}
	}
	return b.String()
}

// usualResponse returns the response that answers when no rule holds.
func usualResponse(list []*yaml.Node) *yaml.Node {
	i := slices.IndexFunc(list, func(n *yaml.Node) bool { return isTrue(document.Child(n, "default")) })
	return list[max(i, 0)]
}

// cycle lets the responses answer one after the other, again and again, by a state of
// the route.
func (e *environment) cycle(r *rule, responses []*yaml.Node) error {
	if len(responses) == 1 {
		return e.answer(r, r.answer, responses[0])
	}
	state := func(i int) string {
		if i%len(responses) == 0 {
			return "Started"
		}
		return itoa(i%len(responses) + 1)
	}
	list := newList()
	for i, n := range responses {
		to := newMap()
		s := newMap()
		s.Style = yaml.FlowStyle
		document.Put(s, "scenario", text("route "+itoa(r.place)))
		document.Put(s, "is", text(state(i)))
		document.Put(s, "then", text(state(i+1)))
		document.Put(to, "state", s)
		if err := e.answer(r, to, n); err != nil {
			return err
		}
		list.Content = append(list.Content, to)
	}
	r.set("rules", list)
	return nil
}

// choice lets the rules of the responses choose.
func (e *environment) choice(r *rule, responses []*yaml.Node, fallback bool) error {
	usual := usualResponse(responses)
	list := newList()
	for _, n := range responses {
		rules := items(document.Child(n, "rules"))
		if len(rules) == 0 {
			continue
		}
		for _, m := range e.matches(r, rules, str(document.Child(n, "rulesOperator")) == "AND") {
			if len(m.Content) == 0 { // it holds for every request
				return e.last(r, list, n)
			}
			to := newMap()
			document.Put(to, "match", m)
			if err := e.answer(r, to, n); err != nil {
				return err
			}
			list.Content = append(list.Content, to)
		}
	}
	switch {
	case fallback:
		r.note(r.at, "responseMode: FALLBACK: if no rule holds, no other route is asked")
	default:
		return e.last(r, list, usual)
	}
	if len(list.Content) == 0 {
		r.leaveOut(r.at, "no rule of its responses could be carried over")
		return nil
	}
	r.set("rules", list)
	return nil
}

// last writes the rules, and the response that answers when none of them holds.
func (e *environment) last(r *rule, list, response *yaml.Node) error {
	if len(list.Content) == 0 {
		return e.answer(r, r.answer, response)
	}
	to := newMap()
	if err := e.answer(r, to, response); err != nil {
		return err
	}
	list.Content = append(list.Content, to)
	r.set("rules", list)
	return nil
}

// answer writes one response.
func (e *environment) answer(r *rule, to, n *yaml.Node) error {
	a := r.reply(to, whole(document.Child(n, "statusCode"), 200), document.Field(n, "statusCode"))
	if !isTrue(document.Child(n, "disableTemplating")) {
		a.translate = func(h *helper) (string, bool, bool) { return e.helper(r, h) }
	}
	a.usual = "text/html; charset=utf-8"
	fields := keyValues(document.Child(n, "headers"))
	for _, f := range keyValues(document.Child(e.root, "headers")) {
		if !hasField(fields, f.name) {
			fields = append(fields, f)
		}
	}
	a.fields(fields)
	if err := e.body(a, n); err != nil {
		return err
	}
	wait := whole(document.Child(e.root, "latency"), 0) + whole(document.Child(n, "latency"), 0)
	a.latency(float64(wait))
	e.callbacks(a, n)
	return nil
}

// keyValues returns headers that are a list of maps with key and value.
func keyValues(n *yaml.Node) (list []field) {
	for _, h := range items(n) {
		if name := str(document.Child(h, "key")); name != "" {
			list = append(list, field{name, str(document.Child(h, "value")), h})
		}
	}
	return list
}

// body writes the body of a response.
func (e *environment) body(a *answer, n *yaml.Node) error {
	file := document.Child(n, "filePath")
	switch kind := str(document.Child(n, "bodyType")); {
	case kind == "DATABUCKET":
		id := str(document.Child(n, "databucketID"))
		if v := e.bucket(id); v != nil {
			a.body(v, compactJSON(strings.TrimSpace(str(v))))
			return nil
		}
		a.r.note(n, "the data bucket %q is not there", id)
	case kind == "FILE" || kind == "" && str(file) != "":
		if str(file) != "" {
			return a.file(e.c, file, str(file))
		}
	default:
		a.body(document.Field(n, "body"), str(document.Child(n, "body")))
	}
	return nil
}

// bucket returns the value of a data bucket, or nil.
func (e *environment) bucket(id string) *yaml.Node {
	for _, d := range items(document.Child(e.root, "data")) {
		if str(document.Child(d, "id")) == id || str(document.Child(d, "name")) == id {
			return document.Child(d, "value")
		}
	}
	return nil
}

// callbacks writes the requests that are sent after a response.
func (e *environment) callbacks(a *answer, n *yaml.Node) {
	out := newList()
	for _, called := range items(document.Child(n, "callbacks")) {
		id := str(document.Child(called, "uuid"))
		for _, c := range items(document.Child(e.root, "callbacks")) {
			if str(document.Child(c, "uuid")) != id {
				continue
			}
			hook := a.webhook(webhookSource{
				at: c, url: str(document.Child(c, "uri")), method: strings.ToUpper(cmp.Or(str(document.Child(c, "method")), "POST")),
				headers: keyValues(document.Child(c, "headers")), delay: whole(document.Child(called, "latency"), 0),
			})
			out.Content = append(out.Content, hook)
		}
	}
	if len(out.Content) > 0 {
		document.Put(a.to, "after", out)
	}
}

// proxy passes all other requests on to the host of the environment.
func (e *environment) proxy() error {
	at := document.Child(e.root, "proxyMode")
	host := strings.TrimSuffix(str(document.Child(e.root, "proxyHost")), "/")
	r := e.s.rule(at)
	r.place, r.path, r.title = e.c.next(), "/*", "proxyMode"
	r.function = fmt.Sprintf(`lambda req: forward(req, url = %q + req.url.split("/", 3)[3])`, host+"/")
	return e.c.add(r)
}
