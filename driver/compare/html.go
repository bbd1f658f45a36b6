package compare

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
)

//go:embed report.html
var page string

// Group has the findings of one kind.
type Group struct {
	Kind     Kind
	Doc      string
	Findings []Finding
}

// Groups returns the findings by kind, in the order of [Kinds].
func (r *Report) Groups() []Group {
	var groups []Group
	for _, k := range Kinds() {
		of := r.Chosen([]Kind{k.Kind})
		if len(of) > 0 {
			groups = append(groups, Group{k.Kind, k.Doc, of})
		}
	}
	return groups
}

// Places returns where a finding was seen, its hosts or endpoints. More than max of them
// are cut off, and more is how many; 0 means no limit.
func (f *Finding) Places(max int) (places []string, more int) {
	places = slices.Concat(f.Hosts, f.Endpoints)
	if max > 0 && len(places) > max {
		return places[:max], len(places) - max
	}
	return places, 0
}

// WriteHTML writes the report as one page that needs no other file. The findings of the
// kinds in failing are marked.
func (r *Report) WriteHTML(w io.Writer, failing []Kind) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"fails":  func(k Kind) bool { return slices.Contains(failing, k) },
		"places": func(f Finding) []string { list, _ := f.Places(0); return list },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}
