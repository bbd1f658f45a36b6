package script

import (
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/value"
)

// Hint is what an editor tells at a place of a text.
type Hint struct {
	// From is the column at which an item is inserted in place of what is written before
	// the place, from 1.
	From int `json:"from"`
	// Items are what may be written there.
	Items []HintItem `json:"items"`
	// Doc explains the word at the place; empty when nothing is known of it.
	Doc string `json:"doc"`
}

// HintItem is a word that may be written.
type HintItem struct {
	Label string `json:"label"`
	// Insert is the text to insert.
	Insert string `json:"insert"`
	// Detail is the form of the value, or the parameters of a function.
	Detail string `json:"detail"`
	Doc    string `json:"doc"`
}

// scriptName matches the names of a script, with those before dots.
var scriptName = regexp.MustCompile(`[A-Za-z_][\w.]*$|\.\w*$`)

// HintAt returns what may be written at a line and column, both from 1, of a script.
// Columns count characters.
func HintAt(text string, line, column int) Hint {
	none := Hint{From: max(column, 1), Items: []HintItem{}}
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return none
	}
	runes := []rune(lines[line-1])
	at := min(max(column-1, 0), len(runes))
	before := string(runes[:at])
	if strings.HasPrefix(strings.TrimSpace(before), "#") {
		return none
	}
	end := at
	for end < len(runes) && isNameRune(runes[end]) {
		end++
	}
	word := scriptName.FindString(before)
	owner, prefix := "", word
	if i := strings.LastIndexByte(word, '.'); i >= 0 {
		owner, prefix = word[:i], word[i+1:]
	}
	known := scriptWords(owner, strings.Contains(word, "."))
	h := Hint{From: at - len([]rune(prefix)) + 1, Items: []HintItem{}}
	whole := prefix + string(runes[at:end])
	for _, k := range known {
		if k.Label == whole {
			h.Doc = strings.TrimSpace(k.Label + k.Detail + "\n" + k.Doc)
		}
		if strings.HasPrefix(k.Label, prefix) {
			h.Items = append(h.Items, k)
		}
	}
	return h
}

func isNameRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// words are those that may be written, in the making.
type wordList []HintItem

func (l *wordList) add(label, detail, doc string) {
	*l = append(*l, HintItem{Label: label, Insert: label, Detail: detail, Doc: doc})
}

// members adds the functions and constants of a module.
func (l *wordList) members(m builtins.Module) {
	for _, f := range m.Funcs {
		l.add(f.Name, "("+f.Params+")", f.Doc)
	}
	for _, c := range m.Consts {
		l.add(c.Name, "", c.Doc)
	}
}

// attributes adds the fields and methods of values.
func (l *wordList) attributes(types []value.Type) {
	for _, t := range types {
		for _, a := range t.Attrs {
			detail := " of " + t.Name
			if a.Method {
				detail = "(" + a.Params + ")" + detail
			}
			l.add(a.Name, detail, a.Doc)
		}
	}
}

// scriptWords returns the words after an owner and a dot: the members of a module or the
// attributes of a value; for any other owner those of all values. Without a dot it returns
// the names of scripts.
func scriptWords(owner string, dotted bool) (list wordList) {
	types := builtins.Types()
	for _, m := range builtins.Modules() {
		switch {
		case m.Scope == builtins.Templates:
		case m.Name == "" && !dotted, dotted && owner != "" && m.Name == owner:
			list.members(m)
		case !dotted:
			list.add(m.Name, "", m.Doc)
		}
	}
	if !dotted {
		for _, name := range starlark.Universe.Keys() {
			list.add(name, "", "")
		}
	} else if i := slices.IndexFunc(types, func(t value.Type) bool { return t.Name == owner }); i >= 0 {
		list.attributes(types[i : i+1])
	} else if len(list) == 0 {
		list.attributes(types)
	}
	slices.SortStableFunc(list, func(a, b HintItem) int { return strings.Compare(a.Label, b.Label) })
	return slices.CompactFunc(list, func(a, b HintItem) bool { return a.Label == b.Label })
}
