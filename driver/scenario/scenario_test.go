package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// testEnv has files in a fresh directory and a script host.
func testEnv(t testing.TB) Env {
	host := script.New(script.Options{})
	t.Cleanup(host.Close)
	return Env{FilesDir: t.TempDir(), Script: host}
}

// outcome is what the golden files say about a document.
func outcome(name string, data []byte, env Env) string {
	s, err := Parse(name, data, env)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, ep := range s.Endpoints {
		def, _ := jsonvalue.Append(nil, ep.Definition)
		b.WriteString(ep.Name + "  ->  " + ep.Summary + "  (" + ep.Source.String() + ")\n    " + string(def) + "\n")
	}
	return b.String()
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"good.txtar", "bad.txtar"} {
		path := filepath.Join("testdata", file)
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(a.Files); i += 2 {
			doc, want := a.Files[i], &a.Files[i+1]
			if want.Name != doc.Name+".want" {
				t.Fatalf("%s: %s is followed by %s", file, doc.Name, want.Name)
			}
			env := testEnv(t)
			env.FilesDir = "/srv/files"
			got := outcome(doc.Name, doc.Data, env)
			if *update {
				want.Data = []byte(got)
			} else if got != string(want.Data) {
				t.Errorf("%s: %s:\ngot  %s\nwant %s", file, doc.Name, got, want.Data)
			}
			if refused := strings.Contains(strings.SplitN(got, "\n", 2)[0], doc.Name+":") && !strings.Contains(got, "  ->  "); refused != (file == "bad.txtar") {
				t.Errorf("%s: %s: refused: %v", file, doc.Name, refused)
			}
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a document as a schema validator sees it.
func asJSON(t *testing.T, name string, data []byte) any {
	t.Helper()
	n, err := document.Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document.AppendJSON(nil, n)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	good, err := txtar.ParseFile(filepath.Join("testdata", "good.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range good.Files {
		if strings.HasSuffix(f.Name, ".want") {
			continue
		}
		if err := s.Validate(asJSON(t, f.Name, f.Data)); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	// What only a reader of the whole can see: syntax, keys, repetitions,
	// values of headers, who sent it, what this build can't do.
	beyond := []string{"broken.yaml", "broken.json", "twice.yaml", "twice-url.yaml", "key.yaml", "header-value.yaml",
		"headers.yaml", "template.yaml", "latency-order.yaml", "state-step.yaml", "after-template.yaml"}
	bad, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range bad.Files {
		if strings.HasSuffix(f.Name, ".want") || slices.Contains(beyond, f.Name) {
			continue
		}
		if s.Validate(asJSON(t, f.Name, f.Data)) == nil {
			t.Errorf("%s: the schema accepts what Parse refuses", f.Name)
		}
	}
}

// The schema offers exactly the keys that definitions may have.
func TestSchemaKeys(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs map[string]struct {
			Properties map[string]any
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]role{"endpoint": inEndpoint, "entry": inEntry, "rule": inRule, "step": inStep} {
		var got []string
		for _, def := range []string{"response", name} {
			for k := range doc.Defs[def].Properties {
				if k != "method" && k != "response" && k != remark {
					got = append(got, k)
				}
			}
		}
		want := r.keys()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: schema has %v, definitions have %v", name, got, want)
		}
	}
}

// The schema offers exactly the conditions and the words that match may have.
func TestSchemaMatch(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs map[string]struct {
			Properties map[string]any
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	conditions := []string{remark}
	for _, row := range matchKeys() {
		conditions = append(conditions, row.key)
	}
	for def, want := range map[string][]string{"match": conditions, "words": append(mock.Words(), remark), "part": partKeys()} {
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(doc.Defs[def].Properties)); !slices.Equal(got, want) {
			t.Errorf("%s: schema has %v, read are %v", def, got, want)
		}
	}
}

// The section about conditions in docs/scenarios.md names each of them, and each
// word of matchers.
func TestDocsMatch(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n## Conditions\n")
	section, _, _ = strings.Cut(section, "\n## ")
	names := append(mock.Words(), partKeys()...)
	for _, row := range matchKeys() {
		names = append(names, row.key)
	}
	for _, name := range names {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/scenarios.md: got no `%s` below Conditions", name)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("files/a.txt", "from file")
	yml := write("set/scenario.yml", "config: {files_dir: ../files, default_latency_ms: 1}\nendpoints:\n  GET /a: {file: a.txt, content_type: text/plain}\n")
	if err := os.Mkdir(filepath.Join(dir, "bare"), 0o755); err != nil {
		t.Fatal(err)
	}

	s, err := Load(filepath.Dir(yml), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "scenario.yml" || s.Path != yml || !slices.Equal(s.Files, []string{yml}) || len(s.Endpoints) != 1 {
		t.Errorf("got %+v", s)
	}
	ep := s.Endpoints[0]
	if want := (mock.Source{Name: yml, File: yml, Line: 3, Column: 3}); ep.Source != want {
		t.Errorf("source %+v, want %+v", ep.Source, want)
	}
	res, body := respond(t, ep, &exchange.Request{Method: "GET", Target: "/a"})
	if res.Status != 200 || body != "from file" || res.Delay != time.Millisecond || res.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %+v %q", res, body)
	}

	for _, missing := range []string{"none.yaml", "bare"} {
		if _, err := Load(filepath.Join(dir, missing), Env{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", missing, err)
		}
	}
	for text, want := range map[string]error{"[]": ErrNotObject, "": ErrNotObject, "endpoints: 5": ErrNoEndpoints} {
		if _, err := Load(write("bad.yaml", text), Env{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestCompile(t *testing.T) {
	t.Parallel()
	eps, err := Compile("GET /x", map[string]any{"status": 201.0, "body": json.RawMessage(`{"b": "<&>", "a": 1.0}`), "latency_ms": 50.0,
		"headers": map[string]any{"X-A": "1", "content-type": "application/x"}}, Env{}, mock.Source{})
	if err != nil {
		t.Fatal(err)
	}
	ep := eps[0]
	if ep.Name != "GET /x" || ep.Summary != "201 (+50ms)" || len(eps) != 1 {
		t.Errorf("got %+v", ep)
	}
	res, body := respond(t, ep, &exchange.Request{Method: "GET", Target: "/x?y"})
	if body != `{"b":"<&>","a":1.0}` || res.Status != 201 || res.Delay != 50*time.Millisecond || res.Header.Get("Content-Type") != "application/x" || res.Header.Get("X-A") != "1" {
		t.Errorf("got %+v %s", res, body)
	}

	for _, tt := range []struct {
		key  string
		def  map[string]any
		src  mock.Source
		want string
	}{
		{"GET /x", map[string]any{"status": 200.5}, mock.Source{}, `endpoint "GET /x": status: got the number 200.5, want a whole number from 200 to 599`},
		{"GET /x", map[string]any{"statuss": 1}, mock.Source{File: "a.yaml", Line: 3, Column: 2}, `a.yaml:3:2: unknown key "statuss" in endpoint "GET /x"; did you mean "status"?`},
		{"x", nil, mock.Source{}, `endpoint key "x": want "METHOD /path", "* /path", "WEBSOCKET /path" or a URL such as "https://host/path"`},
		{"GET /x", map[string]any{"body": func() {}}, mock.Source{}, `endpoint "GET /x": body: json: unsupported type: func()`},
	} {
		if _, err := Compile(tt.key, tt.def, Env{}, tt.src); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.key, err, tt.want)
		}
	}
}

// A sender gets at the driver's own files, whatever his config block says.
func TestSentDirectories(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{"secret": "secret", "files/secret": "mine", "files/sub/secret": "sub"} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := Env{FilesDir: filepath.Join(root, "files")}
	for dir, want := range map[string]string{root: "mine", "..": "mine", "sub": "sub", filepath.Join(root, "files", "sub"): "sub", "/opt/elsewhere": "mine"} {
		s, err := Parse("sent.yaml", []byte("config: {files_dir: "+dir+"}\nendpoints: {GET /x: {file: secret}}"), env)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := respond(t, s.Endpoints[0], &exchange.Request{Method: "GET", Target: "/x"}); body != want {
			t.Errorf("files_dir %s: got %q, want %q", dir, body, want)
		}
	}
}

// What frames a message is the proxy's; names that differ in case are one header.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := map[string]any{"Content-Length": "99", "Transfer-Encoding": "chunked", "X-A": []any{"1", 2, true}, "X-N": nil}
	for key, length := range map[string]string{"GET /x": "", "HEAD /x": "99"} {
		eps, err := Compile(key, map[string]any{"body": "b", "headers": h}, Env{}, mock.Source{})
		if err != nil {
			t.Fatal(err)
		}
		res, _ := respond(t, eps[0], &exchange.Request{Method: "GET", Target: "/x"})
		if got := res.Header.Get("Content-Length"); got != length {
			t.Errorf("%s: Content-Length %q, want %q", key, got, length)
		}
		if res.Header.Get("Transfer-Encoding") != "" || !slices.Equal(res.Header.Values("X-A"), []string{"1", "2", "true"}) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", key, res.Header)
		}
	}
	s, err := Parse("h.yaml", []byte("GET /x: {headers: {x-a: '{{uuid}}', X-Z: z, X-A: [c, d], content-type: t/x}}"), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := respond(t, s.Endpoints[0], &exchange.Request{Method: "GET", Target: "/x"}); !slices.Equal(res.Header, exchange.HeaderOf("X-Z", "z", "X-A", "c", "X-A", "d", "content-type", "t/x")) {
		t.Errorf("got %v", res.Header)
	}
}

// Documents made to take long are read or refused at once.
func TestHostile(t *testing.T) {
	t.Parallel()
	many := func(n int, each func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(each(i))
		}
		return b.String()
	}
	keys := func(p string) string {
		return many(30_000, func(i int) string { return fmt.Sprintf("%s%d: 1, ", p, i) })
	}
	for name, text := range map[string]string{
		"wide entry":  "http://a/x: [{" + keys("a") + "response: {" + keys("b") + "}}]",
		"wide header": "GET /x: {headers: {" + keys("a") + "}}",
		"merge chain": "x: &a0 {k: 1}\n" + many(2000, func(i int) string { return fmt.Sprintf("k%d: &a%d {<<: *a%d, q%d: 1}\n", i, i+1, i, i) }),
		"endpoints":   many(20_000, func(i int) string { return fmt.Sprintf("GET /%d: {}\n", i) }),
		"rules":       strings.Repeat("GET /x: {rules: [", 1) + strings.Repeat("{rules: [", 240) + strings.Repeat("]}", 241),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := Parse("h.yaml", []byte(text), testEnv(t))
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s (%v)", took, err)
			} else {
				t.Log(took, err)
			}
		})
	}
}

// A URL key keeps its server, and rules, sequences and patches nest.
func TestBehaviour(t *testing.T) {
	t.Parallel()
	s, err := Parse("s.yaml", []byte(`
endpoints:
  https://a.example/x:
    - {body: plain}
    - {match: {query: {q: "1"}}, body: one}
    - {match: {query: {q: "1"}}, body: two, repeat: 1}
    - {method: POST, status: 204}
  GET /rules:
    rules:
      - {match: {query: {s: ""}}, sequence: [{body: s1, repeat: 1}, {body: s2}]}
      - {match: {headers: {X: y}}, body_template: {path: "{{request_path}}"}, headers: {X-Path: "{{request_path}}", X-Two: ["a", "{{request_path}}"]}}
      - {match: {query: {p: ""}}, patch: {b: 2}}
`), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	ask := func(method, host, target string, h exchange.Header) (*exchange.Response, string) {
		t.Helper()
		req := &exchange.Request{Method: method, Scheme: "https", Host: host, Port: 443, Target: target, Header: h}
		ep := lookup(t, table, req)
		if ep == nil {
			return nil, ""
		}
		return respond(t, ep, req)
	}
	for _, tt := range []struct{ method, host, target, want string }{
		{"GET", "a.example", "/x?q=1", "one"},
		{"GET", "a.example", "/x", "plain"},
		{"GET", "a.example", "/x?q=2", "plain"},
		{"GET", "b.example", "/rules?s", "s1"},
		{"GET", "b.example", "/rules?s", "s2"},
		{"GET", "b.example", "/rules?p", `{"a":1,"b":2}`},
	} {
		if _, body := ask(tt.method, tt.host, tt.target, nil); body != tt.want {
			t.Errorf("%s %s%s: got %q, want %q", tt.method, tt.host, tt.target, body, tt.want)
		}
	}
	if res, _ := ask("GET", "b.example", "/x", nil); res != nil {
		t.Error("another server's request was answered")
	}
	if res, _ := ask("POST", "a.example", "/x", nil); res == nil || res.Status != 204 {
		t.Errorf("POST: got %+v", res)
	}
	res, body := ask("GET", "b.example", "/rules?n=1", exchange.HeaderOf("X", "y"))
	if body != `{"path":"/rules?n=1"}` || res.Header.Get("X-Path") != "/rules?n=1" || !slices.Equal(res.Header.Values("X-Two"), []string{"a", "/rules?n=1"}) {
		t.Errorf("got %s %v", body, res.Header)
	}
	if res, _ := ask("GET", "b.example", "/rules", nil); res != nil {
		t.Errorf("no rule holds: got %+v, want the real server", res)
	}
}

// The examples load, and the schema knows them.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	root := filepath.Join("..", "..", "examples")
	n := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		in := filepath.Base(filepath.Dir(p))
		if err != nil || d.IsDir() || filepath.Ext(p) != ".yaml" || filepath.Base(p) != "scenario.yaml" && in != "scenarios" {
			return err
		}
		n++
		if _, err := Load(p, testEnv(t)); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := s.Validate(asJSON(t, p, data)); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d examples, %v", n, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"good.txtar", "bad.txtar"} {
		a, err := txtar.ParseFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		for _, d := range a.Files {
			if !strings.HasSuffix(d.Name, ".want") {
				f.Add(filepath.Ext(d.Name) == ".json", d.Data)
			}
		}
	}
	env := testEnv(f)
	f.Fuzz(func(t *testing.T, isJSON bool, data []byte) {
		name := "f.yaml"
		if isJSON {
			name = "f.json"
		}
		s, err := Parse(name, data, env)
		if e := (*document.Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%v is not an Error", err)
		}
		if err == nil {
			for _, ep := range s.Endpoints {
				if _, err := json.Marshal(ep.Definition); err != nil || ep.Handler == nil || ep.Summary == "" {
					t.Fatalf("%+v: %v", ep, err)
				}
			}
		}
	})
}
