package exchange

import (
	"net/http"
	"slices"
	"strings"
)

// Field is one line of a header: a name as it was written, and its value
// without the blanks around it.
type Field struct{ Name, Value string }

// Header is the lines of a header in the order and spelling in which they came.
// Names are compared without regard to case (RFC 9110 section 5.1). The zero
// value has no lines.
type Header []Field

// Get returns the value of the first line with that name, "" for none.
func (h Header) Get(name string) string {
	if i := h.index(name, 0); i >= 0 {
		return h[i].Value
	}
	return ""
}

// Has reports whether there is a line with that name.
func (h Header) Has(name string) bool { return h.index(name, 0) >= 0 }

// Values returns the values of all lines with that name, nil for none.
func (h Header) Values(name string) []string {
	var all []string
	for i := h.index(name, 0); i >= 0; i = h.index(name, i+1) {
		all = append(all, h[i].Value)
	}
	return all
}

// Joined returns the values of all lines with that name as one list, separated
// by ", " (RFC 9110 section 5.3); "" for none.
func (h Header) Joined(name string) string {
	i := h.index(name, 0)
	if i < 0 {
		return ""
	}
	if h.index(name, i+1) < 0 {
		return h[i].Value
	}
	return strings.Join(h.Values(name), ", ")
}

// manyLines is where finding names by a map begins to be quicker than by looking
// at all lines before.
const manyLines = 64

// Names returns the names of the lines, each once, in the order and spelling of
// its first line.
func (h Header) Names() []string {
	names := make([]string, 0, len(h))
	if len(h) > manyLines {
		seen := make(map[string]bool, len(h))
		for _, f := range h {
			if lower := strings.ToLower(f.Name); !seen[lower] {
				seen[lower] = true
				names = append(names, f.Name)
			}
		}
		return names
	}
	for i, f := range h {
		if h.index(f.Name, 0) == i {
			names = append(names, f.Name)
		}
	}
	return names
}

// Set makes values the only lines with that name, one line for each value. Lines
// that were there keep their places and their spelling. Further lines are added at
// the end; they are spelt like the first line with that name, or like name if there
// was none. Copies of the header keep what they have.
func (h *Header) Set(name string, values ...string) {
	i := h.index(name, 0)
	if i >= 0 {
		name = (*h)[i].Name
		*h = h.Clone()
	}
	for ; i >= 0 && len(values) > 0; i = h.index(name, i+1) {
		(*h)[i].Value, values = values[0], values[1:]
	}
	if i >= 0 {
		rest := slices.DeleteFunc((*h)[i:], func(f Field) bool { return EqualName(f.Name, name) })
		*h = (*h)[:i+len(rest)]
	}
	for _, v := range values {
		h.Add(name, v)
	}
}

// Respell gives all lines with that name its spelling.
func (h Header) Respell(name string) {
	for i := h.index(name, 0); i >= 0; i = h.index(name, i+1) {
		h[i].Name = name
	}
}

// Add appends a line.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Del removes all lines with that name. Copies of the header keep what they have.
func (h *Header) Del(name string) {
	if h.index(name, 0) >= 0 {
		*h = h.Clone()
		*h = slices.DeleteFunc(*h, func(f Field) bool { return EqualName(f.Name, name) })
	}
}

// Clone returns a copy that may be changed.
func (h Header) Clone() Header { return slices.Clone(h) }

// HeaderOf makes a header of names and values by turns.
func HeaderOf(namesAndValues ...string) Header {
	h := make(Header, 0, len(namesAndValues)/2)
	for i := 1; i < len(namesAndValues); i += 2 {
		h = append(h, Field{namesAndValues[i-1], namesAndValues[i]})
	}
	return h
}

// HeaderFrom makes a header of one of net/http, which has lost the order: names
// come in alphabetical order. Nil makes nil.
func HeaderFrom(m http.Header) Header {
	if m == nil {
		return nil
	}
	h := make(Header, 0, len(m))
	for name, values := range m {
		for _, v := range values {
			h = append(h, Field{name, v})
		}
	}
	slices.SortStableFunc(h, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return h
}

// Map returns the header as net/http has it: by canonical names, without order.
func (h Header) Map() http.Header {
	m := make(http.Header, len(h))
	h.AddTo(m)
	return m
}

// AddTo adds the lines to a header of net/http's.
func (h Header) AddTo(m http.Header) {
	values := make([]string, len(h)) // one array for all names
	for i, f := range h {
		name := http.CanonicalHeaderKey(f.Name)
		if before, ok := m[name]; ok {
			m[name] = append(before, f.Value)
			continue
		}
		values[i] = f.Value
		m[name] = values[i : i+1 : i+1]
	}
}

// HasToken reports whether a comma-separated list in the lines with that name
// has token, in any case.
func (h Header) HasToken(name, token string) bool {
	for i := h.index(name, 0); i >= 0; i = h.index(name, i+1) {
		for t := range strings.SplitSeq(h[i].Value, ",") {
			if EqualName(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// index returns the place of the first line with that name from a place on, -1
// for none.
func (h Header) index(name string, from int) int {
	for i := from; i < len(h); i++ {
		if EqualName(h[i].Name, name) {
			return i
		}
	}
	return -1
}

// EqualName reports whether two names of header lines are the same, whatever the
// case of their letters. Most differ in length, and most that are the same are
// spelt alike. Letters that fold into ASCII ones are longer than these, so they
// are never the same.
func EqualName(a, b string) bool {
	return len(a) == len(b) && (a == b || strings.EqualFold(a, b))
}
