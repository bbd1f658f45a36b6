package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
	"starproxy/script"
)

// files writes files into a fresh directory, by their names.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ask sends a request to the endpoints of a scenario.
func ask(t *testing.T, s *Scenario, request string) (*exchange.Response, string) {
	t.Helper()
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	res, err := table.Handler(mock.Forward).Respond(t.Context(), forwardNothing(&exchange.Exchange{Request: incoming(t, request+" HTTP/1.1")}))
	if err != nil {
		return exchange.Failure(err), err.Error()
	}
	var b sink
	if res.Body != nil {
		if err := res.Body.SendTo(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if c, ok := res.Body.(interface{ Close() error }); ok {
			c.Close()
		}
	}
	return res, b.String()
}

// What is rendered or binary answers alike in all kinds of documents and in all
// places of an answer.
func TestRenderedAnswers(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{
		"fw/1.bin": "one", "fw/a b.bin": "blank", "secret/x.bin": "x", "page.html": "<p>{{request_query(q)}}</p>\n{{fmt('%03d', request_param(id))}}\n",
		"pages/7.csv": "id,n\n7,{{counter('csv')}}\n", "plain.txt": "no expression\n", "latin.txt": "\xe9{{request_param(id)}}", "fw/sub/deep.bin": "deep",
	})
	outside := filepath.Join(filepath.Dir(dir), "outside.bin")
	if err := os.WriteFile(outside, []byte("outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "fw", "link.bin")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer, request string // GET /x/{id}
		status          int
		contentType     string
		body            string
	}{
		{`"body_text_template": "id={{request_param('id')}};\n"`, "/x/7", 200, "text/plain; charset=utf-8", "id=7;\n"},
		{`"body_text_template": " {{1+1}}\n", "content_type": "text/csv", "status": 201`, "/x/7", 201, "text/csv", " 2\n"},
		{`"body_text_template": "{{fmt('%05d', request_param('id'))}} {{fmt('%.2f', 2)}}"`, "/x/42", 200, "text/plain; charset=utf-8", "00042 2.00"},
		{`"body_text_template": "plain", "headers": {"Content-Type": "a/b"}`, "/x/7", 200, "a/b", "plain"},
		{`"body_text_template": "é{{1}}", "content_type": "text/plain; charset=iso-8859-1"`, "/x/7", 200, "text/plain; charset=iso-8859-1", "\xe91"},
		{`"body_text_template": "да{{1}}", "content_type": "text/plain; charset=iso-8859-1"`, "/x/7", 200, "text/plain; charset=utf-8", "да1"},
		{`"file_template": "latin.txt"`, "/x/7", 200, "text/plain", "é7"},
		{`"file_template": "latin.txt", "content_type": "text/plain; charset=latin1"`, "/x/7", 200, "text/plain; charset=latin1", "\xe97"},
		{`"body_base64": "AAH+"`, "/x/7", 200, "application/octet-stream", "\x00\x01\xfe"},
		{`"body_base64": "", "status": 404`, "/x/7", 404, "application/octet-stream", ""},

		{`"file": "fw/{{request_param('id')}}.bin"`, "/x/1", 200, "application/octet-stream", "one"},
		{`"file": "fw/{{request_param('id')}}.bin"`, "/x/a%20b", 200, "application/octet-stream", "blank"},
		{`"file": "fw/{{request_param('id')}}.bin", "content_type": "a/b"`, "/x/1", 200, "a/b", "one"},
		{`"file": "fw/{{request_query('n')}}"`, "/x/1?n=sub/deep.bin", 200, "application/octet-stream", "deep"},
		{`"file": "fw/{{request_query('n')}}"`, "/x/1?n=../page.html", 200, "text/html", "<p>{{request_query(q)}}</p>\n{{fmt('%03d', request_param(id))}}\n"},
		{`"file": "fw/{{request_param('id')}}.bin"`, "/x/2", 404, "application/json", `{"error":"Mock file not found: fw/2.bin"}`},
		{`"file": "fw/{{request_param('id')}}"`, "/x/..%2f..%2foutside.bin", 404, "application/json", `{"error":"Mock file not found: fw/../../outside.bin"}`},
		{`"file": "{{request_param('id')}}"`, "/x/%2fetc%2fpasswd", 404, "application/json", `{"error":"Mock file not found: /etc/passwd"}`},
		{`"file": "{{request_param('id')}}"`, "/x/fw", 404, "application/json", `{"error":"Mock file not found: fw"}`},
		{`"file": "fw/{{request_param('id')}}.bin"`, "/x/link", 404, "application/json", `{"error":"Mock file not found: fw/link.bin"}`},
		{`"file": "{{request_query('none')}}"`, "/x/1", 404, "application/json", `{"error":"Mock file not found: "}`},
		{`"file": "fw/{{request_param('id')}}"`, "/x/a%00b", 404, "application/json", `{"error":"Mock file not found: fw/a\u0000b"}`},
		{`"file": "absent.bin"`, "/x/1", 500, "application/json", `{"error":"Mock file not found: absent.bin"}`},

		{`"file_template": "page.html"`, "/x/7?q=ada", 200, "text/html", "<p>ada</p>\n007\n"},
		{`"file_template": "pages/{{request_param('id')}}.csv"`, "/x/7", 200, "text/csv", "id,n\n7,1\n"},
		{`"file_template": "pages/{{request_param('id')}}.csv"`, "/x/8", 404, "application/json", `{"error":"Mock file not found: pages/8.csv"}`},
		{`"file_template": "{{request_param('id')}}"`, "/x/..%2foutside.bin", 404, "application/json", `{"error":"Mock file not found: ../outside.bin"}`},
		{`"file_template": "plain.txt", "content_type": "a/b"`, "/x/7", 200, "a/b", "no expression\n"},
		{`"file_template": "absent.txt"`, "/x/7", 500, "application/json", `{"error":"Mock file not found: absent.txt"}`},
	} {
		for name, document := range map[string]string{
			"endpoint.yaml": `{"GET /x/{id}": {` + c.answer + `}}`,
			"endpoint.json": `{"endpoints": {"GET /x/{id}": {` + c.answer + `}}}`,
			"rule.yaml":     `{"GET /x/{id}": {"rules": [{"match": {"query": {"none": {"absent": true}}}, ` + c.answer + `}]}}`,
			"step.json":     `{"GET /x/{id}": {"sequence": [{"repeat": 1, ` + c.answer + `}, {"status": 599}]}}`,
			"url.yaml":      `{"http://h.test/x/{id}": [{"response": {` + c.answer + `}}]}`,
			"data.star":     `endpoints = {"GET /x/{id}": {` + c.answer + `}}`,
			"function.star": "def answer(req):\n    return {" + c.answer + "}\nendpoints = {\"GET /x/{id}\": answer}",
		} {
			host := script.New(script.Options{})
			s, err := Parse(name, []byte(document), Env{FilesDir: dir, Script: host})
			if err != nil {
				t.Errorf("%s: %s: %v", name, c.answer, err)
				continue
			}
			res, body := ask(t, s, "GET "+c.request)
			if got := res.Header.Get("Content-Type"); res.Status != c.status || got != c.contentType || body != c.body {
				t.Errorf("%s: %s: %s: %d %s %q, expected %d %s %q", name, c.answer, c.request, res.Status, got, body, c.status, c.contentType, c.body)
			}
			host.Close()
		}
	}
}

// Bytes are a body in YAML, also by an anchor, and in the data of a script.
func TestBinaryBodies(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	for name, document := range map[string]string{
		"b.yaml": "GET /a:\n  body: &icon !!binary |\n    iVBO\n    Rw==\n  content_type: image/png\nGET /b: {body: *icon, content_type: image/png}\n",
		"c.yaml": "GET /a: {sequence: [{body: !!binary iVBORw==, content_type: image/png}]}\nGET /b:\n  rules: [{content_type: image/png, body: !!binary \"iVBO Rw==\"}]\n",
		"d.star": `endpoints = {"GET /a": {"body": b"\x89PNG", "content_type": "image/png"}, "GET /b": {"headers": {"X-A": "{{1}}"}, "content_type": "image/png", "body": b"\x89PNG"}}`,
		"e.star": `endpoints = {"GET /a": lambda req: {"body": b"\x89PNG", "content_type": "image/png", "headers": {"X-A": "{{1}}"}}, "GET /b": {"body": bytes([0x89]) + b"PNG", "content_type": "image/png"}}`,
	} {
		s, err := Parse(name, []byte(document), Env{Script: host})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, path := range []string{"/a", "/b"} {
			if res, body := ask(t, s, "GET "+path); body != "\x89PNG" || res.Header.Get("Content-Type") != "image/png" {
				t.Errorf("%s: %s: %q, %v", name, path, body, res.Header)
			}
		}
		for _, ep := range s.Endpoints { // what list_mocks tells can be set again
			if isScripted(ep) {
				continue
			}
			again, err := Compile(ep.Name, jsonvalue.Plain(ep.Definition).(map[string]any), Env{Script: host}, mock.Source{})
			if err != nil {
				t.Errorf("%s: %s: %v", name, ep.Name, err)
				continue
			}
			if _, body := ask(t, &Scenario{Endpoints: again}, ep.Name); body != "\x89PNG" {
				t.Errorf("%s: %s: %q when it is set again", name, ep.Name, body)
			}
		}
	}
	s, err := Parse("t.yaml", []byte("config: {default_content_type: text/x}\nGET /a: {body: !!binary aGk=}\nGET /b: {body_text_template: \"{{1}}\"}\n"), Env{Script: host})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a", "/b"} {
		if res, _ := ask(t, s, "GET "+path); res.Header.Get("Content-Type") != "text/x" {
			t.Errorf("%s: %v, expected the type of the configuration", path, res.Header)
		}
	}
}

// A template that is a file is what the file is when the request comes.
func TestFileTemplateFollowsItsFile(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"a.txt": "one {{1}}"})
	host := script.New(script.Options{})
	defer host.Close()
	s, err := Parse("s.yaml", []byte(`GET /a: {file_template: a.txt}`), Env{FilesDir: dir, Script: host})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.txt")
	for i, c := range []struct{ content, want string }{
		{"one {{1}}", "one 1"}, {"two {{2}}", "two 2"}, {"{{oops", path + ":1:1: expression without an end"}, {"\ufefffour", "four"},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(int64(i+1), 0)); err != nil {
			t.Fatal(err)
		}
		if _, body := ask(t, s, "GET /a"); !strings.HasPrefix(body, c.want) {
			t.Errorf("%s: %q, expected %q", c.content, body, c.want)
		}
	}
}

// Mistakes in what is rendered or binary are told with their place.
func TestWrongRenderedAnswers(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"bad.html": "<p>\n  {{nothing(1)}}\n"})
	host := script.New(script.Options{})
	defer host.Close()
	for document, want := range map[string]string{
		"GET /x:\n  body_text_template: |\n    a\n    b {{oops\n":          `s.yaml:4: endpoint "GET /x": body_text_template: expression without an end`,
		"GET /x:\n  body_text_template: \"a\\nb {{nothing(1)}}\"":          `s.yaml:2:23: endpoint "GET /x": body_text_template: {{nothing(1)}}: undefined function nothing`,
		"GET /x:\n  body_text_template: \"a\\n\\n{{oops\"":                 `s.yaml:2:23: endpoint "GET /x": body_text_template: expression without an end`,
		"GET /x:\n  body_text_template: >\n    a\n    b {{oops\n":          `s.yaml:2:23: endpoint "GET /x": body_text_template: expression without an end`,
		"{\"GET /x\":\n {\"body_text_template\": \"a\\n{{nothing(1)}}\"}}": `s.yaml:2:25: endpoint "GET /x": body_text_template: {{nothing(1)}}: undefined function nothing`,
		"GET /x:\n  body_text_template: \"a {{nothing(1)}}\"":              `s.yaml:2:28: endpoint "GET /x": body_text_template: {{nothing(1)}}: undefined function nothing`,
		"GET /x:\n  body_text_template: {a: 1}":                            `body_text_template: got a map, want text`,
		"GET /x:\n  file: \"a/{{nothing(1)}}\"":                            `s.yaml:2:14: endpoint "GET /x": file: {{nothing(1)}}: undefined function nothing`,
		"GET /x:\n  file_template: bad.html":                               filepath.Join(dir, "bad.html") + `:2:5: {{nothing(1)}}: undefined function nothing`,
		"GET /x:\n  file_template: 7":                                      `file_template: got the number 7, want text`,
		"GET /x:\n  body: !!binary \"?\"":                                  `s.yaml:2:9: tag !!binary: want text in base64`,
		"GET /x:\n  body: {a: !!binary aGk=}":                              `s.yaml:2:13: got the tag !!binary, want text`,
		"GET /x:\n  body_template: !!binary aGk=":                          `s.yaml:2:18: got the tag !!binary, want text`,
		"GET /x:\n  headers: {X-A: !!binary aGk=}":                         `bytes can only be the body of a mock`,
		"GET /x:\n  match: {body_json: {a: !!binary aGk=}}":                `bytes can only be the body of a mock`,
		"GET /x:\n  body_base64: \"a\"":                                    `s.yaml:2:16: endpoint "GET /x": body_base64: want text in base64`,
		"GET /x:\n  body_base64: [1]":                                      `body_base64: got a list, want text in base64`,
		"config: {files_dir: !!binary aGk=}\nGET /x: {}":                   `bytes can only be the body of a mock`,
		"GET /x:\n  body_text_templates: x":                                `did you mean "body_text_template"?`,
	} {
		_, err := Parse("s.yaml", []byte(document), Env{FilesDir: dir, Script: host})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", document, err, want)
		}
	}
}
