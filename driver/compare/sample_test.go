package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fieldsOf returns the fields of a body as lines: path, how many of how many containers
// have it, types, values.
func fieldsOf(body, contentType string) (form string, lines []string) {
	s := bodySample([]byte(body), contentType)
	var all shape
	all.merge(&s)
	for _, path := range slices.Sorted(maps.Keys(all.fields)) {
		f := all.fields[path]
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %d/%d %s %s", display(path), f.count-f.repeats, all.parents(f), types(f), &f.values)))
	}
	return s.form, lines
}

func TestSample(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body, contentType, form string
		want                          []string
	}{
		{"JSON", `{"a": {"b": 1, "c": null}, "ok": true, "id": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}`, "application/json", formJSON, []string{
			"body 1/1 object", "a 1/1 object", "a.b 1/1 number", "a.c 1/1 null", `id 1/1 string "{uuid}"`, `ok 1/1 bool "true"`}},
		{"lists", `[{"a": 1}, {"a": "x"}, {"b": [[1], []]}]`, "", formJSON, []string{
			"body 1/1 array", "[] 3/3 object", `[].a 2/3 number or string "x"`, "[].b 1/3 array", "[].b[] 2/2 array", "[].b[][] 1/1 number"}},
		{"a table by ids", `{"101": {"x": 1}, "102": {"x": 2}, "name": "n"}`, "text/plain", formJSON, []string{
			"body 1/1 object", `name 1/1 string "n"`, "{number} 1/1 object", "{number}.x 2/2 number"}},
		{"secrets", `{"password": 17, "api_key": "k", "token_type": "t"}`, "application/json", formJSON, []string{
			"body 1/1 object", `api_key 1/1 string "{secret}"`, `password 1/1 string "{secret}"`, `token_type 1/1 string "t"`}},
		{"form", "a=1&b=x+y&a=2", "application/x-www-form-urlencoded", formForm, []string{
			"body 1/1 object", `a 2/1 string "1", "2"`, `b 1/1 string "x y"`}},
		{"parts", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=f; filename=x.bin\r\n\r\n" +
			"\x00\r\n--b--\r\n", "multipart/form-data; boundary=b", formParts, []string{"body 1/1 object", `a 1/1 string "1"`, "f 1/1 file"}},
		{"XML", `<?xml version="1.0" encoding="ISO-8859-1"?><s:E xmlns:s="u"><i n="1">x</i><i n="2"/><o><p/></o></s:E>`, "text/xml", formXML, []string{
			"body 1/1 object", "E 1/1 object", `E.@s 1/1 string "u"`, `E.i 1/1 string "", "x"`, `E.i.@n 2/2 string "1", "2"`, "E.o 1/1 object", `E.o.p 1/1 string ""`}},
		{"broken JSON", `{"a": `, "application/json", formText, nil},
		{"broken XML", `<a><b></a>`, "application/xml", formText, nil},
		{"text", "hello", "", formText, nil},
		{"bytes", "\x00\xff\x01", "application/octet-stream", formBinary, nil},
		{"nothing", " ", "application/json", formNone, nil},
	} {
		form, got := fieldsOf(test.body, test.contentType)
		if diff := cmp.Diff(test.want, got); form != test.form || diff != "" {
			t.Errorf("%s: got the form %s, want %s (-want +got):\n%s", test.name, form, test.form, diff)
		}
	}
}

// FuzzSample reads bodies of any kind within the bounds, and finds no difference between
// a body and itself.
func FuzzSample(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": null}], "101": {}}`), "application/json")
	f.Add([]byte("a=1&b=%zz"), "application/x-www-form-urlencoded")
	f.Add([]byte("<a b='c'>x<d/></a>"), "text/xml")
	f.Add([]byte("--b\r\n\r\nx\r\n--b--"), "multipart/mixed; boundary=b")
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		s := bodySample(data, contentType)
		if len(s.fields) > maxFields {
			t.Errorf("got %d fields, want at most %d", len(s.fields), maxFields)
		}
		var a, b shape
		a.merge(&s)
		b.merge(&s)
		c := &comparison{rules: &Rules{}, volatile: map[part][]string{}}
		p := &profile{name: "POST a/b"}
		c.shapes(pair{p, p}, &a, &b, "")
		if len(c.findings) > 0 {
			t.Errorf("got %+v, want nothing", c.findings)
		}
	})
}
