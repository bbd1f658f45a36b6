package mask

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"

	"starproxy/builtins/jsonvalue"
)

// head is how many bytes at the beginning of a form the index knows it by.
const head = 4

// forms are the texts as which secrets are looked for.
type forms struct {
	byHead map[[head]byte]*bucket
	// pairs has a bit for each pair of bytes with which a form begins: most places of a
	// text are passed over by it alone.
	pairs [1 << 16 / 64]uint64
}

// bucket has the forms with the same first bytes. Many tokens begin alike, so they are
// searched in halves.
type bucket struct {
	list   []form
	sorted bool
}

// form is one way to write a secret.
type form struct {
	text string
	id   int
	// inside says that the form is part of a longer word in base64, which is replaced as a
	// whole: its neighbours hold bits of the secret.
	inside bool
}

// add adds all ways to write a secret.
func (f *forms) add(value string, id int) {
	seen := map[string]bool{}
	put := func(text string, inside bool) {
		if len(text) >= minSecret && !seen[text] {
			seen[text] = true
			f.put(form{text, id, inside})
		}
	}
	put(value, false)
	query := url.QueryEscape(value)
	for _, escaped := range []string{query, url.PathEscape(value), strings.ReplaceAll(query, "+", "%20")} {
		put(escaped, false)
		put(lowerEscapes(escaped), false)
	}
	inJSON := string(jsonvalue.AppendEscaped(nil, value))
	put(inJSON, false)
	put(strings.ReplaceAll(inJSON, "/", `\/`), false)
	put(string(jsonvalue.AppendEscaped(nil, inJSON)), false)
	if strings.ContainsAny(value, `&<>"'+`) {
		for _, r := range escapes() {
			put(r.Replace(value), false)
			put(r.Replace(inJSON), false)
		}
	}
	put(escapedRunes(inJSON), false)
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte("\x00\x00"[:shift] + value))
		whole := (shift + len(value)) * 8 / 6 // characters that depend on nothing behind the value
		skip := []int{0, 2, 3}[shift]         // and those that depend on something before it
		if whole <= skip {
			continue
		}
		text = text[skip:whole]
		put(text, true)
		put(strings.NewReplacer("+", "-", "/", "_").Replace(text), true)
		put(strings.ReplaceAll(text, "/", `\/`), true)
		put(url.QueryEscape(text), true)
	}
}

// escapes are further ways in which writers of XML, HTML and JSON escape characters.
func escapes() []*strings.Replacer {
	return []*strings.Replacer{
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"),
		strings.NewReplacer("&", `\u0026`, "<", `\u003c`, ">", `\u003e`),
		strings.NewReplacer("&", `\u0026`, "<", `\u003C`, ">", `\u003E`, "'", `\u0027`, "+", `\u002B`),
	}
}

// escapedRunes writes all but ASCII as JSON escapes.
func escapedRunes(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		if unit < 0x80 {
			b = append(b, byte(unit))
		} else {
			b = fmt.Appendf(b, `\u%04x`, unit)
		}
	}
	return string(b)
}

// lowerEscapes writes the digits of percent escapes as small letters.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+3 <= len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

func (f *forms) put(one form) {
	if f.byHead == nil {
		f.byHead = map[[head]byte]*bucket{}
	}
	h := [head]byte([]byte(one.text[:head]))
	if f.byHead[h] == nil {
		f.byHead[h] = &bucket{}
	}
	b := f.byHead[h]
	b.list, b.sorted = append(b.list, one), false
	pair := uint(h[0])<<8 | uint(h[1])
	f.pairs[pair/64] |= 1 << (pair % 64)
}

// find calls found for each form in b. Of the forms that begin at the same place it is
// the longest one.
func (f *forms) find(b []byte, found func(from, to, id int)) {
	if len(f.byHead) == 0 {
		return
	}
	for i := 0; i+head <= len(b); i++ {
		pair := uint(b[i])<<8 | uint(b[i+1])
		if f.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		bucket := f.byHead[[head]byte(b[i:i+head])]
		if bucket == nil {
			continue
		}
		one, ok := bucket.longest(b[i:])
		if !ok {
			continue
		}
		from, to := i, i+len(one.text)
		if one.inside {
			from, to = widened(b, from, to)
			i = to - 1 // the whole word is replaced
		}
		found(from, to, one.id)
	}
}

// longest returns the longest form that b begins with.
func (k *bucket) longest(b []byte) (form, bool) {
	k.sort()
	list, key := k.list, b
	for {
		// A form that b begins with is not behind b in this order.
		n, _ := slices.BinarySearchFunc(list, key, func(one form, key []byte) int {
			if one.text <= string(key) {
				return -1
			}
			return 1
		})
		if n == 0 {
			return form{}, false
		}
		one := list[n-1]
		same := 0
		for same < len(one.text) && same < len(b) && one.text[same] == b[same] {
			same++
		}
		if same == len(one.text) {
			return one, true
		}
		list, key = list[:n-1], b[:same]
	}
}

// cut returns where a form begins that b[from:to] has the first bytes of, up to its end.
func (f *forms) cut(b []byte, from, to int) (begin, id int, ok bool) {
	for i := from; i+minSecret <= to; i++ {
		pair := uint(b[i])<<8 | uint(b[i+1])
		if f.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		bucket := f.byHead[[head]byte(b[i:i+head])]
		if bucket == nil {
			continue
		}
		bucket.sort()
		text := string(b[i:to])
		n, _ := slices.BinarySearchFunc(bucket.list, text, func(one form, key string) int { return strings.Compare(one.text, key) })
		if n < len(bucket.list) && strings.HasPrefix(bucket.list[n].text, text) {
			return i, bucket.list[n].id, true
		}
	}
	return 0, 0, false
}

// sort sorts the forms.
func (k *bucket) sort() {
	if !k.sorted {
		slices.SortFunc(k.list, func(x, y form) int { return strings.Compare(x.text, y.text) })
		k.sorted = true
	}
}

// widened returns the bounds of the word in base64 that b[from:to] is part of. Escaped
// slashes and percent escapes of JSON and of URLs belong to it.
func widened(b []byte, from, to int) (int, int) {
	for from > 0 && inBase64(b[from-1]) {
		from--
	}
	for to < len(b) && inBase64(b[to]) {
		to++
	}
	return from, to
}

func inBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' || c == '_' || c == '-'
}
