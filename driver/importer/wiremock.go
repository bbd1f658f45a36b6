package importer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/driver/document"
)

// The format is documented at https://wiremock.org/docs/stubbing,
// https://wiremock.org/docs/request-matching and https://wiremock.org/docs/simulating-faults.

// usualPriority is the priority of a mapping that has none; 1 is the highest.
const usualPriority = 5

// wireMockDir reads the mappings of a directory: all JSON files below mappings, or
// below the directory itself. Bodies lie in __files.
func (c *conversion) wireMockDir(dir string) error {
	top := dir
	if info, err := os.Stat(filepath.Join(dir, "mappings")); err == nil && info.IsDir() {
		top = filepath.Join(dir, "mappings")
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer root.Close()
	var files []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "__files":
			return fs.SkipDir
		case !d.IsDir() && strings.EqualFold(filepath.Ext(name), ".json"):
			files = append(files, name)
		}
		if len(files) > maxRules {
			return errors.New("more than " + itoa(maxRules) + " files")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return &document.Error{File: dir, Message: "got no JSON files, want those of mappings"}
	}
	m := &mappings{c: c}
	for _, name := range files {
		path := filepath.Join(top, filepath.FromSlash(name))
		f, info, err := disk.OpenIn(root, name)
		if err != nil {
			return err
		}
		data, err := disk.ReadAll(f, info, document.MaxBytes)
		f.Close()
		if err != nil {
			return err
		}
		n, err := document.Read(path, data)
		if err != nil {
			return err
		}
		if err := m.read(n, source{file: path, dir: filepath.Dir(path), bodies: filepath.Join(dir, "__files")}); err != nil {
			return document.InFile(path, err)
		}
	}
	return m.done()
}

// wireMock reads one document of mappings.
func (c *conversion) wireMock(root *yaml.Node, s source) error {
	m := &mappings{c: c}
	if err := m.read(root, s); err != nil {
		return err
	}
	return m.done()
}

// mappings are the mappings of WireMock that were read.
type mappings struct {
	c    *conversion
	list []ranked
}

// ranked is a rule with the priority that the other tool gives it.
type ranked struct {
	*rule
	priority int64
}

// read reads a mapping, a list of them, or the key mappings.
func (m *mappings) read(root *yaml.Node, s source) error {
	list := root
	if inner := document.Child(root, "mappings"); inner != nil {
		list = inner
	}
	switch list.Kind {
	case yaml.SequenceNode:
		for _, n := range items(list) {
			if err := m.one(n, s); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		return m.one(list, s)
	}
	return document.Wrong(list, "mappings", "a list of mappings")
}

// done adds the rules in the order in which WireMock asks them: by priority, and of
// one priority the one that was added last.
func (m *mappings) done() error {
	slices.Reverse(m.list)
	slices.SortStableFunc(m.list, func(a, b ranked) int { return int(max(-1, min(1, a.priority-b.priority))) })
	for _, r := range m.list {
		if err := m.c.add(r.rule); err != nil {
			return err
		}
	}
	return nil
}

// one reads one mapping.
func (m *mappings) one(n *yaml.Node, s source) error {
	request, response := document.Child(n, "request"), document.Child(n, "response")
	if request == nil || request.Kind != yaml.MappingNode {
		return document.Wrong(document.Field(n, "request"), "request", "a map")
	}
	r := s.rule(n)
	r.title = str(document.Child(n, "name"))
	r.place = m.c.next()
	w := &stub{m.c, r}
	if err := w.request(request); err != nil {
		return err
	}
	w.state(n)
	if err := w.response(response); err != nil {
		return err
	}
	for _, key := range []string{"postServeActions", "serveEventListeners"} {
		if v := document.Child(n, key); v != nil && len(v.Content) > 0 {
			w.listeners(key, v)
		}
	}
	m.list = append(m.list, ranked{r, whole(document.Child(n, "priority"), usualPriority)})
	if len(m.list) > maxRules {
		return document.Errorf(n, "got more than %d mappings, want fewer", maxRules)
	}
	return nil
}

// stub is a mapping that is being read.
type stub struct {
	c *conversion
	*rule
}

// state reads the state of a scenario.
func (w *stub) state(n *yaml.Node) {
	name := str(document.Child(n, "scenarioName"))
	if name == "" {
		return
	}
	state := newMap()
	state.Style = yaml.FlowStyle
	document.Put(state, "scenario", text(name))
	for _, pair := range [][2]string{{"requiredScenarioState", "is"}, {"newScenarioState", "then"}} {
		if v := str(document.Child(n, pair[0])); v != "" {
			document.Put(state, pair[1], text(v))
		}
	}
	if len(state.Content) > 2 {
		w.set("state", state)
	}
}

// request reads the pattern of a request.
func (w *stub) request(n *yaml.Node) error {
	w.path = "/*"
	for k, v := range pairs(n) {
		if v.Tag == "!!null" {
			continue
		}
		switch k.Value {
		case "method":
			if m := strings.ToUpper(str(v)); m != "ANY" {
				w.method = m
			}
		case "url":
			w.url(str(v))
		case "urlPath":
			w.literalPath(str(v))
		case "urlPattern":
			w.regexPath(v, str(v), true)
		case "urlPathPattern":
			w.regexPath(v, str(v), false)
		case "urlPathTemplate":
			w.path = str(v)
		case "host":
			w.one("host", "", v)
		case "queryParameters":
			w.all("query", v)
		case "pathParameters":
			w.all("params", v)
		case "headers":
			w.all("headers", v)
		case "cookies":
			w.all("cookies", v)
		case "formParameters":
			w.all("form", v)
		case "basicAuthCredentials", "basicAuth":
			credentials := basic(str(document.Child(v, "username")), str(document.Child(v, "password")))
			w.putNamed("headers", "Authorization", text("Basic "+credentials))
		case "bodyPatterns":
			w.bodies(v)
		case "multipartPatterns":
			w.multipart(v)
		case "scheme", "port", "clientIp", "customMatcher":
			w.lack(v, "request.%s has no counterpart", k.Value)
		}
	}
	return nil
}

// url reads the path with its query.
func (w *stub) url(s string) {
	path, _, _ := strings.Cut(s, "?")
	w.literalPath(path)
	w.target = s
}

// all reads conditions on values by name.
func (w *stub) all(key string, n *yaml.Node) {
	for k, v := range pairs(n) {
		w.one(key, k.Value, v)
	}
}

// one reads the condition on one value. The values of a name may have several
// patterns.
func (w *stub) one(key, name string, v *yaml.Node) {
	c, why := valuePattern(v)
	if why != "" {
		w.lack(v, "%s %s: %s", key, name, why)
		return
	}
	if name == "" {
		w.put(key, c)
		return
	}
	if key == "cookies" && document.Has(c, "not") { // a negation needs a cookie there
		document.Put(c, "absent", truth(false))
	}
	w.putNamed(key, name, c)
}

// valuePattern returns a pattern on text as a condition, or the reason why there is
// none.
func valuePattern(v *yaml.Node) (c *yaml.Node, why string) {
	if v.Kind == yaml.ScalarNode { // short for equalTo
		return equals(str(v)), ""
	}
	ignoreCase := isTrue(document.Child(v, "caseInsensitive"))
	for k, operand := range pairs(v) { // only the first pattern counts there, too
		if c, why := valueWord(k.Value, operand, ignoreCase); c != nil || why != "" {
			return c, why
		}
	}
	return nil, "got no pattern"
}

// valueWord returns one word of a pattern as a condition; nil for words that belong
// to another one.
func valueWord(word string, operand *yaml.Node, ignoreCase bool) (c *yaml.Node, why string) {
	s := str(operand)
	switch word {
	case "equalTo":
		if ignoreCase {
			return matcher("regex", text("(?i)"+wholly(quoteMeta(s)))), ""
		}
		return equals(s), ""
	case "contains":
		return matcher("contains", text(s)), ""
	case "doesNotContain":
		return matcher("not", matcher("contains", text(s))), ""
	case "matches", "doesNotMatch":
		expression := wholly(s)
		if _, err := compile(expression); err != nil {
			return nil, "the expression " + expression + " is not valid here: " + err.Error()
		}
		c = matcher("regex", text(expression))
		if word == "doesNotMatch" {
			c = matcher("not", c)
		}
		return c, ""
	case "absent":
		if operand.Value == "false" {
			return matcher("absent", truth(false)), ""
		}
		return matcher("absent", truth(true)), ""
	case "not":
		inner, why := valuePattern(operand)
		if why != "" {
			return nil, why
		}
		return matcher("not", inner), ""
	case "and", "or":
		return combined(word, operand)
	case "hasExactly", "includes":
		return several(word, operand)
	case "equalToNumber":
		return matcher("regex", text(wholly(quoteMeta(s)))), ""
	case "greaterThanNumber", "lessThanNumber", "greaterThanEqualNumber", "lessThanEqualNumber":
		names := map[string]string{"greaterThanNumber": "gt", "lessThanNumber": "lt",
			"greaterThanEqualNumber": "gte", "lessThanEqualNumber": "lte"}
		return matcher(names[word], bare(operand)), ""
	case "caseInsensitive":
		return nil, ""
	}
	return nil, word + " has no counterpart"
}

// combined returns the condition that all, or one, of several patterns hold.
func combined(word string, list *yaml.Node) (c *yaml.Node, why string) {
	var branches []string
	for _, v := range items(list) {
		next, why := valuePattern(v)
		if why != "" {
			return nil, why
		}
		if word == "or" {
			re, ok := asRegex(next)
			if !ok {
				return nil, "or: only texts and expressions can be joined"
			}
			branches = append(branches, "(?:"+re+")")
			continue
		}
		if c == nil {
			c = next
			continue
		}
		var ok bool
		if c, ok = both(c, next); !ok {
			return nil, "and: the patterns cannot be joined"
		}
	}
	switch {
	case len(branches) > 0:
		return matcher("regex", text(strings.Join(branches, "|"))), ""
	case c == nil:
		return nil, word + ": got no pattern"
	}
	return c, ""
}

// several returns the condition on all values of one name.
func several(word string, list *yaml.Node) (c *yaml.Node, why string) {
	out := newList()
	for _, v := range items(list) {
		equal := document.Child(v, "equalTo")
		if equal == nil || len(v.Content) != 2 {
			return nil, word + ": only equalTo has a counterpart"
		}
		out.Content = append(out.Content, text(str(equal)))
	}
	if len(out.Content) == 0 {
		return nil, word + ": got no values"
	}
	if word == "hasExactly" {
		return out, ""
	}
	if len(out.Content) == 1 {
		return out.Content[0], ""
	}
	return nil, word + ": several values have no counterpart"
}
