package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// bodies compares the fields of bodies and of the messages of WebSockets. It reports
// whether the bodies have another form.
func (c *comparison) bodies(p pair) (formChanged bool) {
	formChanged = c.shapes(p, &p.old.body, &p.now.body, "")
	c.shapes(p, &p.old.messages, &p.now.messages, "message ")
	return formChanged
}

// shapes compares bodies, or messages, whose fields are told with a prefix.
func (c *comparison) shapes(p pair, old, now *shape, prefix string) (formChanged bool) {
	if old.forms.n == 0 || now.forms.n == 0 {
		return false
	}
	if changed(&old.forms, &now.forms) {
		f := Finding{Kind: Schema, Old: plain(&old.forms), New: plain(&now.forms)}
		f.Text = fmt.Sprintf("the form of %s is %s, was %s", cmp.Or(strings.TrimSpace(prefix), "body"), f.New, f.Old)
		c.found(f, p.name(), inBody)
		return true
	}
	for _, path := range union(old.fields, now.fields) {
		a, b := old.at(path), now.at(path)
		if missing(a, b, old, now) {
			continue
		}
		c.bodyField(p, a, b, old, now, prefix)
	}
	return false
}

// at returns a field, or one that is never there.
func (s *shape) at(path string) *observed {
	if f := s.fields[path]; f != nil {
		return f
	}
	return &observed{path: path}
}

// missing reports whether nothing can be told of a field, because the container that would
// have it is missing on one side.
func missing(a, b *observed, old, now *shape) bool {
	if a.parent == "" {
		a.parent = b.parent
	}
	if b.parent == "" {
		b.parent = a.parent
	}
	return old.parents(a) == 0 || now.parents(b) == 0
}

// bodyField compares a field that both sides could have.
func (c *comparison) bodyField(p pair, a, b *observed, old, now *shape, prefix string) {
	name := prefix + display(a.path)
	k, n, l, m := a.count-a.repeats, old.parents(a), b.count-b.repeats, now.parents(b)
	if a.isElement() {
		k, n, l, m = 1, 1, 1, 1
	}
	switch {
	case differs(k, n, l, m):
		f := Finding{Kind: Schema, Field: name, Old: types(a), New: types(b)}
		switch {
		case k == 0:
			f.Text = "is new: " + f.New
		case l == 0:
			f.Text = "is gone, was " + f.Old
		default:
			f.Old, f.New = fmt.Sprintf("in %d of %d", k, n), fmt.Sprintf("in %d of %d", l, m)
			f.Text = "is " + f.New + ", was " + f.Old
		}
		c.found(f, p.name(), inBody)
	case a.count == 0 || b.count == 0:
	case typesDiffer(a, b):
		f := Finding{Kind: Schema, Field: name, Old: types(a), New: types(b)}
		f.Text = fmt.Sprintf("is %s, was %s", f.New, f.Old)
		c.found(f, p.name(), inBody)
	default:
		c.bodyValue(p, a, b, name)
	}
}

// typesDiffer reports whether a field has other types by more than chance.
func typesDiffer(a, b *observed) bool {
	for typ := range a.types {
		if differs(a.types[typ], a.count, b.types[typ], b.count) {
			return true
		}
	}
	return false
}

// minRepeats is how often a field must be seen on each side until its values are
// compared: before that, nobody can tell a setting from a reading.
const minRepeats = 2

// bodyValue compares the texts and truth values of a field.
func (c *comparison) bodyValue(p pair, a, b *observed, name string) {
	old, now := &a.values, &b.values
	if old.n == 0 && now.n == 0 {
		return
	}
	where := inBody + " " + name
	switch {
	case c.rules.volatile(p.name(), inBody, name):
		c.moves(p.name(), where, "rule")
	case old.varies() || now.varies():
		c.moves(p.name(), where, varyingOf(old, now))
	case old.n >= minRepeats && now.n >= minRepeats && !old.numeric() && !now.numeric() && changed(old, now):
		c.found(swap(Value, name, old, now, ""), p.name(), inBody)
	default:
		if why := now.why(); why != "" {
			c.moves(p.name(), where, why)
		}
	}
}

// display returns a path for people.
func display(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// types lists the types of a field.
func types(f *observed) string {
	var names []string
	for typ, n := range f.types {
		if n > 0 {
			names = append(names, typeNames[typ])
		}
	}
	return strings.Join(names, " or ")
}

// plain lists values without quotes.
func plain(v *values) string {
	var list []string
	for _, c := range v.seen {
		list = append(list, c.value)
	}
	slices.Sort(list)
	return strings.Join(list, " or ")
}
