package scenario

import (
	"slices"
	"testing"

	"starproxy/script"
)

func TestCompanions(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	t.Cleanup(host.Close)
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"endpoints":                {"s.yaml", "GET /a: {file: a}\nGET /b: {body: {file: no}}\n", []string{"a"}},
		"under mocks":              {"s.yaml", "mocks:\n  GET /a: {file: a}\n", []string{"a"}},
		"under a URL":              {"s.yaml", "http://h/a:\n- {response: {file: a}}\n- {method: POST, file: b}\n", []string{"a", "b"}},
		"rules":                    {"s.yaml", "GET /a: {rules: [{file: a}, {response: {file: b}}]}\n", []string{"a", "b"}},
		"sequences inside rules":   {"s.yaml", "GET /a:\n  rules:\n  - match: {query: {v: '1'}}\n    sequence: [{file: a, repeat: 2}, {file: b}]\n  - sequence: [{rules: [{file: c}]}]\n", []string{"a", "b", "c"}},
		"merged":                   {"s.yaml", "endpoints:\n  GET /a: &a {file: a, status: 201}\n  GET /b: {<<: *a, status: 200}\n  GET /c: {<<: [{file: c}, *a]}\n", []string{"a", "a", "c"}},
		"merged under x-common":    {"s.yaml", "GET /a: {rules: [{<<: &r {sequence: [{file: a}]}}, *r]}\n", []string{"a", "a"}},
		"alias":                    {"s.yaml", "GET /a: {file: &f a}\nGET /b: {file: *f}\n", []string{"a", "a"}},
		"JSON":                     {"s.json", `{"endpoints": {"GET /a": {"rules": [{"sequence": [{"file": "a"}]}]}}}`, []string{"a"}},
		"JSON with a pair":         {"s.yaml", `{"endpoints": {"GET /a": {"body": "\ud83d\ude00"}, "GET /b": {"file": "b"}}}`, []string{"b"}},
		"a directory of its own":   {"s.yaml", "config: {files_dir: files}\nendpoints:\n  GET /a: {file: x/a}\n", []string{"files/x/a"}},
		"a directory elsewhere":    {"s.yaml", "config: {files_dir: /srv/files}\nendpoints:\n  GET /a: {file: a}\n", []string{"a"}},
		"a template":               {"s.yaml", "GET /a/{id}: {file: 'users/{{request_path(1)}}.json'}\n", []string{"users/*.json"}},
		"no text":                  {"s.yaml", "GET /a: {file: 7}\nGET /b: {file: [x]}\nGET /c: {file: null}\nGET /d: {file: ''}\n", nil},
		"broken":                   {"s.yaml", "GET /a: [\n", nil},
		"a list":                   {"s.yaml", "- a\n", nil},
		"data of a script":         {"s.star", "endpoints = {\"GET /%d\" % i: {\"rules\": [{\"sequence\": [{\"file\": \"f%d\" % i}]}]} for i in range(2)}\n", []string{"f0", "f1"}},
		"calls in a script":        {"s.star", "def f(req):\n    if read_file(\"b\"):\n        return response(file = \"c\")\n    return response(body = read_file(path = \"d\"))\nendpoints = {\"GET /a\": response(file = \"a\"), \"GET /f\": f}\n", []string{"b", "c", "d", "a"}},
		"a directory in a script":  {"s.star", "config = {\"files_dir\": \"files\"}\nendpoints = {\"GET /a\": {\"file\": \"a\"}}\n", []string{"files/a"}},
		"a script that loads more": {"s.star", "load(\"more.star\", \"x\")\nendpoints = {\"GET /a\": response(file = \"a\")}\n", []string{"a"}},
		"a broken script":          {"s.star", "endpoints = {\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Companions(c.file, []byte(c.text), host); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
