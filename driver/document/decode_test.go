package document

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type listen struct {
	Host string
	Port int `yaml:"port"`
}

type common struct {
	Label string `yaml:"label"`
}

type sample struct {
	common  `yaml:",inline"`
	Listen  listen            `yaml:"listen"`
	Wait    time.Duration     `yaml:"wait"`
	Secure  *bool             `yaml:"ssl_insecure"`
	Mocks   map[string]any    `yaml:"mocks"`
	Names   []string          `yaml:"names"`
	Labels  map[string]string `yaml:"labels"`
	Rate    float64           `yaml:"rate"`
	Size    uint16            `yaml:"size"`
	Any     any               `yaml:"any"`
	Later   yaml.Node         `yaml:"later"`
	Ignored int               `yaml:"-"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	yes := true
	tests := map[string]struct {
		file, text string
		want       sample
	}{
		"defaults stay": {"a.yaml", "listen: {port: 9}\nnames:\n", sample{Listen: listen{"h", 9}}},
		"empty":         {"a.yaml", "# nothing\n", sample{Listen: listen{"h", 1}}},
		"empty json":    {"a.json", " \n", sample{Listen: listen{"h", 1}}},
		"all": {"a.yaml", "label: l\nwait: 1m30s\nssl_insecure: yes\nnames: [a, 'b']\nlabels: {x: y}\nrate: 2\nsize: 3.0\n",
			sample{common: common{"l"}, Listen: listen{"h", 1}, Wait: 90 * time.Second, Secure: &yes, Names: []string{"a", "b"}, Labels: map[string]string{"x": "y"}, Rate: 2, Size: 3}},
		"any": {"a.yaml", "any: [1, 1.5, yes, 'yes', ~, {404: x}, 2024-01-02, 0x10, 1.e+3, 99999999999999999999, 007, 08, 1e3, 1.5e3, 1_0, -.5, .5e-1]\n",
			sample{Listen: listen{"h", 1}, Any: []any{int64(1), json.Number("1.5"), true, "yes", nil, map[string]any{"404": "x"}, "2024-01-02", int64(16), json.Number("1.0e+3"), json.Number("99999999999999999999"), int64(7), "08", "1e3", "1.5e3", int64(10), json.Number("-0.5"), json.Number("0.5e-1")}}},
		"merge": {"a.yaml", "any:\n  base: &b {p: 1, q: 2}\n  both: {<<: *b, p: 3}\n  list: {<<: [{q: 5}, *b]}\n",
			sample{Listen: listen{"h", 1}, Any: map[string]any{
				"base": map[string]any{"p": int64(1), "q": int64(2)},
				"both": map[string]any{"p": int64(3), "q": int64(2)},
				"list": map[string]any{"p": int64(1), "q": int64(5)},
			}}},
		"json":         {"a.json", "{\n\t\"any\": \"\\ud83d\\ude00\\u0001\", \"rate\": 1e2}", sample{Listen: listen{"h", 1}, Any: "😀\x01", Rate: 100}},
		"json in yaml": {"a.yaml", "\xef\xbb\xbf\t{\n\t\"any\": \"\\ud83d\\ude00\"}", sample{Listen: listen{"h", 1}, Any: "😀"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sample{Listen: listen{"h", 1}}
			if err := Decode(tt.file, []byte(tt.text), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'j'; i++ {
		p := string(i - 1)
		bomb += string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+p+",", 8) + "*" + p + "]\n"
	}
	tests := map[string]struct{ file, text, want string }{
		"unknown":       {"a.yaml", "listen:\n  prot: 1\n", `a.yaml:2:3: unknown key "prot" in listen; did you mean "port"?`},
		"unknown top":   {"a.yaml", "mock: {}\n", `a.yaml:1:1: unknown key "mock"; did you mean "mocks"?`},
		"unknown far":   {"a.yaml", "listen: {zzzzzz: 1}\n", `a.yaml:1:10: unknown key "zzzzzz" in listen; want one of host, port`},
		"wrong type":    {"a.yaml", "listen:\n  port: abc\n", `a.yaml:2:9: listen.port: got the text "abc", want a whole number`},
		"fraction":      {"a.yaml", "listen: {port: 1.5}", `a.yaml:1:16: listen.port: got the number 1.5, want a whole number`},
		"number as key": {"a.yaml", "label: 12", `a.yaml:1:8: label: got the number 12, want text; put it in quotes`},
		"list":          {"a.yaml", "names: x", `a.yaml:1:8: names: got the text "x", want a list`},
		"element":       {"a.yaml", "names: [x, [y]]", `a.yaml:1:12: names[1]: got a list, want text`},
		"map":           {"a.yaml", "- x", `a.yaml:1:1: got a list, want a map`},
		"duration":      {"a.yaml", "wait: 5", `a.yaml:1:7: wait: got the number 5, want a duration such as 250ms or 1m30s`},
		"range":         {"a.yaml", "size: 70000", `a.yaml:1:7: size: got the number 70000, want a whole number from 0 to 65535`},
		"twice":         {"a.yaml", "label: a\nlabel: b", `a.yaml:2:1: duplicate key "label" (first at line 1)`},
		"twice json":    {"a.json", "{\"label\": \"é\", \"label\": \"b\"}", `a.json:1:16: duplicate key "label" (first at line 1)`},
		"json type":     {"a.json", "{\n\t\"listen\": {\"port\": \"x\"}\n}", `a.json:2:21: listen.port: got the text "x", want a whole number`},
		"json syntax":   {"a.json", "{\n  \"label\": x}", `a.json:2:12: not a JSON document: invalid character 'x' looking for beginning of value`},
		"json cut":      {"a.json", "{", `a.json:1:1: not a JSON document: unexpected end of JSON input`},
		"json rest":     {"a.json", "{} {}", `a.json:1:4: not a JSON document: invalid character '{' after top-level value`},
		"yaml syntax":   {"a.yaml", "a: [\nb: 1\n", `a.yaml:2:4: not a YAML document: did not find expected ',' or ']'`},
		"two documents": {"a.yaml", "label: a\n---\nlabel: b\n", `a.yaml:2:1: got a second document, want one in a file`},
		"bomb":          {"a.yaml", bomb, `aliases expand to more than 200000 values`},
		"self":          {"a.yaml", "any: &a [*a]", `a.yaml:1:10: alias *a lies inside what it refers to`},
		"deep":          {"a.yaml", "any: " + strings.Repeat("[", 600) + strings.Repeat("]", 600), `nested more than 500 levels deep`},
		"deep json":     {"a.json", strings.Repeat("[", 600) + strings.Repeat("]", 600), `nested more than 500 levels deep`},
		"tag":           {"a.yaml", "any: !!binary aGk=", `a.yaml:1:6: got the tag !!binary, want text, a number, true, false or null`},
		"nan":           {"a.yaml", "any: .nan", `a.yaml:1:6: got ".nan", want a number`},
		"complex key":   {"a.yaml", "any: {[a]: b}", `a.yaml:1:7: map key: got a list, want text`},
		"merge":         {"a.yaml", "any: {<<: 5}", `a.yaml:1:11: <<: got the number 5, want a map or a list of maps`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Decode(tt.file, []byte(tt.text), new(sample))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got  %v\nwant %s", err, tt.want)
			}
			if e := (*Error)(nil); !errors.As(err, &e) || e.File != tt.file {
				t.Errorf("%#v is not an Error in %s", err, tt.file)
			}
		})
	}
	if err := Decode("big.yaml", make([]byte, MaxBytes+1), new(sample)); err == nil {
		t.Error("a document over the bound was read")
	}
	if err := Decode("a.yaml", nil, sample{}); err == nil {
		t.Error("decoded into a value that is no pointer")
	}
}

// A part can be kept as a node and decoded once its type is known.
func TestDecodeNode(t *testing.T) {
	t.Parallel()
	var s sample
	if err := Decode("a.yaml", []byte("later:\n  host: x\n  por: 1\n"), &s); err != nil {
		t.Fatal(err)
	}
	err := DecodeNode("a.yaml", &s.Later, new(listen))
	if want := `a.yaml:3:3: unknown key "por"; did you mean "port"?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("a.yaml", "listen: &x {host: a}\nany: [*x, {<<: *x}]\n")
	f.Add("a.json", `{"listen": {"host": "\ud83d"}}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		var s sample
		var e *Error
		if err := Decode(name, []byte(text), &s); err != nil && !errors.As(err, &e) {
			t.Fatalf("%v is not an Error", err)
		}
	})
}
