package mask

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonLevel is an object or an array that is being read.
type jsonLevel struct {
	kind jsontext.Kind
	// all says that all values in it are secrets.
	all bool
	// name is the last name of a member, and named says that it stands for a secret.
	name  string
	named bool
	// pair says that a member such as "name", or the first item, is the name of a secret.
	// Its value is in another member, which is held when it comes first.
	pair bool
	held *span
}

// seekJSON finds all values below a name that stands for a secret, in a document or a
// sequence of documents. The name may also be the value of a member "name", "key" or "id"
// beside a member "value", and the first item of a list of pairs.
func (m *Masker) seekJSON(b []byte, found func(span)) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' && t[0] != '[' {
		return
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	levels := []jsonLevel{{}}
	for {
		_, count := dec.StackIndex(dec.StackDepth())
		v, err := dec.ReadToken()
		if err != nil {
			return
		}
		top := &levels[len(levels)-1]
		switch k := v.Kind(); {
		case k == '{' || k == '[':
			levels = append(levels, jsonLevel{kind: k, all: top.all || top.named})
		case k == '}' || k == ']':
			levels = levels[:len(levels)-1]
		case top.kind == '{' && count%2 == 0:
			top.name = v.String()
			top.named = m.secretName(top.name, false)
		case k == '"' || k == '0':
			nested := len(levels) > 1 && levels[len(levels)-2].kind == '['
			m.jsonItem(top, jsonSpan(b, v, int(dec.InputOffset())), int(count), nested, found)
		}
	}
}

// jsonItem looks at a text or a number. count is its place in an array, and nested says
// that the array is in an array.
func (m *Masker) jsonItem(top *jsonLevel, s span, count int, nested bool, found func(span)) {
	inObject := top.kind == '{'
	switch {
	case top.all, top.named:
		if spans := lineSpans(plainName(top.name), s.value); spans != nil && s.to-s.from == len(s.value) {
			report(spans, s.from, found)
			return
		}
		found(s)
	case inObject && (top.name == "name" || top.name == "key" || top.name == "id"):
		if top.pair = m.secretName(s.value, false); top.pair && top.held != nil {
			found(*top.held)
		}
	case inObject && top.name == "value" && !top.pair:
		top.held = &s
	case inObject && top.name == "value", top.kind == '[' && count == 1 && top.pair:
		found(s)
	case top.kind == '[' && count == 0 && nested:
		top.pair = m.secretName(s.value, false)
	}
}

// jsonSpan returns the text or the number that ends before b[end].
func jsonSpan(b []byte, v jsontext.Token, end int) span {
	value := v.String()
	if v.Kind() == '0' {
		return span{from: end - len(value), to: end, value: value, bare: true}
	}
	from := end - 1
	for from > 0 { // the opening quote: the last one that no backslash escapes
		from--
		if b[from] != '"' {
			continue
		}
		slashes := 0
		for from-slashes > 0 && b[from-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
	}
	return span{from: from + 1, to: end - 1, value: value}
}
