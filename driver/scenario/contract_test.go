package scenario

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/contract"
	"starproxy/script"
)

const dogs = `openapi: 3.0.3
info: {title: Dogs, version: '1'}
servers: [{url: 'https://dogs.test/v1'}]
paths:
  /dogs/{id}:
    get:
      responses:
        '200':
          description: One.
          content: {application/json: {schema: {$ref: 'dog.yaml'}}}
`

// lay writes files into a new directory.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each answer that is known at load is checked, wherever it is, and the warning has the
// places of the mock and of the contract.
func TestAnswersAreCheckedAtLoad(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	files := map[string]string{
		"dogs.yaml": dogs,
		"dog.yaml":  "type: object\nrequired: [id]\nproperties:\n  id: {type: integer}\n",
		"dog.json":  `{"id": "x"}`,
		"a.yaml": `endpoints:
  GET /v1/dogs/1: {body: {id: 1}}
  GET /v1/dogs/{n}:
    body:
      id: one
  GET /v1/dogs/3: {status: 404, body: {}}
  GET /v1/dogs/4:
    rules:
      - match: {query: {x: "1"}}
        body: []
      - body: {id: 4}
  GET /v1/dogs/5: {file: dog.json}
  GET /v1/cats: {body: {}}
  DELETE /v1/dogs/6: {status: 204}
  GET /v1/dogs/7: {body_template: {id: "{{state.get('x')}}"}}
  GET /other: {body: {}}
  GET /v1/dogs/8: {body: {}, fault: {kind: reset, after: 1}}
contract: dogs.yaml
config: {files_dir: .}
`,
		"a.star": `contract = {"file": "dogs.yaml", "mode": "reject", "base": "/v2", "hosts": ["*.test"]}
endpoints = {"GET /v2/dogs/1": {"body": {"id": "one"}}}
`,
	}
	dir := lay(t, files)
	var warnings Warnings
	s, err := Load(filepath.Join(dir, "a.yaml"), Env{Owned: true, Script: host, Log: slog.New(&warnings)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`a.yaml:5:11: endpoint "GET /v1/dogs/{n}": contract: answer body /id: got string, want integer (dog.yaml:4:14 #/properties/id/type)`,
		`a.yaml:6:28: endpoint "GET /v1/dogs/3": contract: answer status 404: is not in the contract, which has 200 (dogs.yaml:7:7 #/paths/~1dogs~1{id}/get)`,
		`a.yaml:10:15: endpoint "GET /v1/dogs/4": rules[0]: contract: answer body: got array, want object (dog.yaml:1:7 #/type)`,
		`a.yaml:12:19: endpoint "GET /v1/dogs/5": contract: answer body /id: got string, want integer (dog.yaml:4:14 #/properties/id/type)`,
		`a.yaml:13:17: endpoint "GET /v1/cats": contract: request: the contract has no such path (dogs.yaml:1:1 #)`,
		`a.yaml:14:22: endpoint "DELETE /v1/dogs/6": contract: request: the contract has the path, but not with DELETE (dogs.yaml:1:1 #)`,
	}
	for i := range warnings {
		warnings[i] = strings.TrimPrefix(warnings[i], dir+string(filepath.Separator))
	}
	if diff := cmp.Diff(want, []string(warnings)); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
	if c := s.Adversity.Contract; c == nil || c.Mode != contract.Warn || len(s.Files) != 3 {
		t.Errorf("got %+v with files %v, want a contract in warn mode, and three files", c, s.Files)
	}
	warnings = nil
	s, err = Load(filepath.Join(dir, "a.star"), Env{Owned: true, Script: host, Log: slog.New(&warnings)})
	if err != nil || s.Adversity.Contract.Mode != contract.Reject || len(warnings) != 1 || len(s.Files) != 3 {
		t.Errorf("got %+v, %v and %q, want a contract that rejects, and one warning", s, err, warnings)
	}
}

// The files of a contract go along with a scenario that is sent.
func TestContractIsCompanion(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	dir := lay(t, map[string]string{"dogs.yaml": dogs, "dog.yaml": "type: object\n"})
	for name, text := range map[string]string{
		"a.yaml": "contract: {file: dogs.yaml}\nendpoints: {GET /a: {file: x.bin}}\nconfig: {files_dir: data}\n",
		"a.star": "contract = \"dogs.yaml\"\nconfig = {\"files_dir\": \"data\"}\nendpoints = {\"GET /a\": {\"file\": \"x.bin\"}}\n",
	} {
		got := Companions(filepath.Join(dir, name), []byte(text), host)
		if diff := cmp.Diff([]string{"dog.yaml", "dogs.yaml", "data/x.bin"}, got); diff != "" {
			t.Errorf("%s: want, got:\n%s", name, diff)
		}
		if s, err := Parse(name, []byte(text), Env{FilesDir: dir, Script: host}); err != nil || s.Adversity.Contract == nil {
			t.Errorf("%s: got %+v and %v, want a contract", name, s, err)
		}
	}
	got := Companions(filepath.Join(dir, "a.yaml"), []byte("contract: no.yaml\nendpoints: {}\n"), host)
	if diff := cmp.Diff([]string{"no.yaml"}, got); diff != "" {
		t.Errorf("a missing contract: want, got:\n%s", diff)
	}
}

// A scenario that is made of a contract loads, and no answer breaks the contract.
func TestSamplesLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"petstore.yaml", "vehicle31.yaml", "polymorph.yaml", "split/openapi.yaml"} {
		for _, base := range []string{"", "/v9"} {
			path, err := filepath.Abs(filepath.Join("..", "contract", "testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			c, err := contract.Load(contract.Options{File: path, Base: base, Read: os.ReadFile})
			if err != nil {
				t.Fatal(err)
			}
			sample, err := c.Sample(path, 7)
			if err != nil {
				t.Fatal(err)
			}
			var warnings Warnings
			s, err := Load(filepath.Join(lay(t, map[string]string{"s.yaml": sample.Text}), "s.yaml"), Env{Owned: true, Log: slog.New(&warnings)})
			if err != nil || len(warnings) > 0 || len(s.Endpoints) != len(c.Operations) {
				t.Errorf("%s: got %+v, %v and %q, want %d endpoints without a warning; the text:\n%s", name, s, err, warnings, len(c.Operations), sample.Text)
			}
		}
	}
}

func TestContractMistakes(t *testing.T) {
	t.Parallel()
	dir := lay(t, map[string]string{"bad.yaml": "openapi: 3.0.0\npaths:\n  /a: {get: {responses: {'200': {$ref: '../x.yaml'}}}}\n"})
	for text, want := range map[string]string{
		"contract: 7":       "contract: got the number 7, want the path of an OpenAPI document",
		"contract: no.yaml": "a.yaml:1:11: contract: ",
		"contract: {file: no.yaml, mode: strict}": `contract.mode: got the text "strict", want warn or reject`,
		"contract: {file: no.yaml, hosts: a/b}":   "contract.hosts:",
		"contract: {mode: warn}":                  "contract: got no file",
		"contract: {file: no.yaml, bas: /v1}":     "unknown key",
		"contract: bad.yaml":                      "bad.yaml:3:33: $ref: ",
		"contract: ../other.yaml":                 "contract: ",
	} {
		_, err := Parse("a.yaml", []byte(text+"\nendpoints: {}\n"), Env{FilesDir: dir})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
