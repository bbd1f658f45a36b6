package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

func itoa(i int) string { return strconv.Itoa(i) }

// result returns the scenario of all rules.
func (c *conversion) result() (*Result, error) {
	asked := demoted(c.rules)
	slices.SortStableFunc(c.rules, func(a, b *rule) int { return cmp.Compare(a.place, b.place) })
	name(c.rules)
	for _, r := range c.rules {
		r.exactTarget(c.rules)
	}
	c.check()
	rank(carried(asked))
	c.dropHidden(carried(c.rules))
	for _, r := range c.rules {
		r.priority = 0
	}
	rank(carried(asked)) // without those that were dropped
	c.placeFunctions(carried(c.rules))

	kept := carried(c.rules)
	name(kept)
	endpoints := newMap()
	for _, r := range kept {
		value := r.definition()
		if r.function != "" {
			value = &yaml.Node{Kind: yaml.ScalarNode, Tag: functionTag, Value: r.function}
		}
		document.Put(endpoints, r.key, value)
		endpoints.Content[len(endpoints.Content)-2].HeadComment = r.comment()
	}
	endpoints.Content = append(endpoints.Content, c.whole.Content...)
	if len(endpoints.Content) == 0 {
		endpoints.Style = yaml.FlowStyle
	}
	doc := newMap()
	if settings := c.settings(); len(settings.Content) > 0 {
		document.Put(doc, "config", settings)
	}
	document.Put(doc, "endpoints", endpoints)
	notes := c.allNotes()
	if len(notes) > maxNotes {
		more := len(notes) - maxNotes
		notes = append(notes[:maxNotes], Note{File: "", Text: fmt.Sprintf("and %d more", more)})
	}
	out := &Result{Endpoints: len(endpoints.Content) / 2, Files: c.files, Notes: notes}
	head := c.head()
	plainNumbers(doc)
	if c.options.Starlark {
		out.Text = head + starlark(doc)
		return out, nil
	}
	body, err := document.YAML(doc)
	out.Text = head + body
	return out, err
}

// carried returns the rules that are not left out.
func carried(rules []*rule) []*rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r *rule) bool { return len(r.open) > 0 })
}

// demoted returns the rules in the order in which they are asked. A rule that lost a
// condition comes after all others of its path, which it would hide.
func demoted(rules []*rule) []*rule {
	last := map[string]int{}
	for i, r := range rules {
		last[r.path] = i
	}
	at := make(map[*rule]int, len(rules))
	for i, r := range rules {
		if at[r] = i; r.loose {
			at[r] = last[r.path]
		}
	}
	asked := slices.Clone(rules)
	slices.SortStableFunc(asked, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(at[a], at[b]), cmp.Compare(looseness(a), looseness(b)))
	})
	return asked
}

func looseness(r *rule) int {
	if r.loose {
		return 1
	}
	return 0
}

// settings returns the config block.
func (c *conversion) settings() *yaml.Node {
	n := newMap()
	if len(c.files) > 0 {
		document.Put(n, "files_dir", text(c.options.FilesDir))
	}
	return n
}

// plainNumbers brings numbers of JSON into the form of YAML.
func plainNumbers(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
		document.Plain(n)
	}
	for _, c := range n.Content {
		plainNumbers(c)
	}
}

// name gives each rule its key, and compiles the path of the key.
func name(rules []*rule) {
	taken := map[string]int{}
	for _, r := range rules {
		method := r.method
		if method == "" {
			method = "*"
		}
		r.key = method + " " + cmp.Or(r.path, "/*")
		taken[r.key]++
		if n := taken[r.key]; n > 1 {
			r.key += "#" + itoa(n)
		}
		r.fits = &mock.Match{Path: r.path}
		if err := r.fits.Compile(); err != nil {
			r.leaveOut(r.at, "%v", err)
		}
	}
}

// check compiles each rule. A rule that does not compile is left out, and a warning
// about one becomes a note.
func (c *conversion) check() {
	host := script.New(script.Options{Merge: mock.Merge, Match: scenario.Matching})
	defer host.Close()
	for _, r := range c.rules {
		if len(r.open) > 0 {
			continue
		}
		var warned scenario.Warnings
		env := scenario.Env{Script: host, Log: slog.New(&warned)}
		def := map[string]any{}
		for k, v := range document.Pairs(r.definition()) {
			def[k.Value] = json.RawMessage(document.AppendJSON(nil, v))
		}
		eps, err := scenario.Compile(r.key, def, env, mock.Source{})
		if err != nil {
			r.leaveOut(r.at, "%v", err)
			continue
		}
		for _, w := range warned {
			r.note(r.at, "%s", w)
		}
		r.compiled = &eps[0].Match
	}
}

// dropHidden leaves out rules that never answer, because another one answers all of
// their requests.
func (c *conversion) dropHidden(rules []*rule) {
	eps := make([]*mock.Endpoint, len(rules))
	at := map[*mock.Endpoint]*rule{}
	for i, r := range rules {
		m := *r.compiled
		m.Priority = r.priority
		eps[i] = &mock.Endpoint{Name: r.key, Match: m}
		at[eps[i]] = r
	}
	mock.Hidden(eps, func(hidden, by *mock.Endpoint) {
		at[hidden].leaveOut(at[hidden].at, "it is never asked, since the one of line %d answers all of its requests", at[by].at.Line)
	})
}

// placeFunctions leaves out the functions that the scenario cannot have: all of
// YAML, and those with conditions.
func (c *conversion) placeFunctions(rules []*rule) {
	for _, r := range rules {
		switch {
		case r.function == "":
		case !c.options.Starlark:
			r.leaveOut(r.at, "it passes requests on to another server, which only a script can: import it with --format starlark")
		case len(r.match.Content) > 0 || r.priority != 0:
			r.leaveOut(r.at, "it passes requests on to another server by conditions or a priority, which no function can have")
		}
	}
}

// comment returns the lines above the key of a rule.
func (r *rule) comment() string {
	first := fmt.Sprintf("%s:%d", filepath.Base(r.from.file), r.at.Line)
	if r.title != "" {
		first = fmt.Sprintf("%s (%s)", oneLine(r.title), first)
	}
	lines := []string{first}
	for _, n := range r.notes {
		lines = append(lines, "NOTE "+oneLine(n.Text))
	}
	return "# " + strings.Join(lines, "\n# ")
}

// oneLine returns a text for a comment: printable, in one line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// head returns the comments at the top: notes about the files, and the rules that
// are left out.
func (c *conversion) head() string {
	var b strings.Builder
	for _, n := range c.notes {
		fmt.Fprintf(&b, "# NOTE %s\n", oneLine(n.Text))
	}
	first := true
	for _, r := range c.rules {
		if len(r.open) == 0 {
			continue
		}
		if first {
			b.WriteString("# Left out:\n")
			first = false
		}
		fmt.Fprintf(&b, "#   %s (%s:%d): %s\n", oneLine(cmp.Or(r.title, r.key)), filepath.Base(r.from.file), r.at.Line,
			oneLine(strings.Join(r.open, "; ")))
	}
	return b.String()
}

// allNotes returns the notes in the order of their places.
func (c *conversion) allNotes() []Note {
	notes := slices.Clone(c.notes)
	files := map[string]int{}
	for _, r := range c.rules {
		if _, ok := files[r.from.file]; !ok {
			files[r.from.file] = len(files)
		}
		notes = append(notes, r.notes...)
	}
	slices.SortStableFunc(notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(files[a.File], files[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return notes
}
