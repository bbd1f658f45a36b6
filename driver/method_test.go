package driver

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/rpc"
)

// TestSurface compares the methods with testdata/methods.txt: the stock
// driver's, and those that it does not have. It has names, and parameters with
// their defaults. UPDATE=1 writes it anew; a line of the stock driver must not
// change.
func TestSurface(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var got []string
	for _, m := range b.d.Methods() {
		var list []string
		for _, p := range m.Params {
			text := p.Name
			if p.Default != nil {
				v, err := rpc.JSON(p.Default)
				if err != nil {
					t.Fatal(err)
				}
				text += "=" + v
			} else if p.Type != "string" {
				text += " " + p.Type
			}
			list = append(list, text)
		}
		got = append(got, m.Name+"("+strings.Join(list, ", ")+")"+map[rpc.Kind]string{rpc.Stream: " stream", rpc.ByteStream: " bytes"}[m.Kind])
		if m.Doc == "" || !strings.HasSuffix(m.Doc, ".") {
			t.Errorf("%s: doc %q", m.Name, m.Doc)
		}
	}
	slices.Sort(got)
	is := strings.Join(got, "\n") + "\n"
	path := filepath.Join("testdata", "methods.txt")
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(is), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), is); diff != "" {
		t.Errorf("UPDATE=1 go test ./driver -run Surface writes testdata/methods.txt (-file +methods):\n%s", diff)
	}
}

// args is a list of arguments.
type args []any

func TestArguments(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		method string
		args   args
		want   string
	}{
		{"set_mock", args{"GET", "/a", 200.5, "{}"}, "INVALID_ARGUMENT set_mock: argument status: got 200.5, want a whole number"},
		{"set_mock", args{"GET", "/a", "200", "{}"}, `INVALID_ARGUMENT set_mock: argument status: got the text "200", want a whole number`},
		{"set_mock", args{"GET", "/a", 1e300, "{}"}, "INVALID_ARGUMENT set_mock: argument status: got 1e+300, want a whole number"},
		{"set_mock", args{"GET", "/a"}, "INVALID_ARGUMENT set_mock: argument status is missing"},
		{"set_mock", args{"GET", "/a", 200.0, "{}", "a/b", "{}", 1.0}, "INVALID_ARGUMENT set_mock: got 7, want at most 6 arguments"},
		{"set_mock", args{7.0, "/a", 200.0, "{}"}, "INVALID_ARGUMENT set_mock: argument method: got 7, want text"},
		{"set_mock", args{"GET", nil, 200.0, "{}"}, "INVALID_ARGUMENT set_mock: argument path: got null, want text"},
		{"start", args{"mock", "yes"}, `INVALID_ARGUMENT start: argument web_ui: got the text "yes", want true or false`},
		{"start", args{"mock", 1.0}, "INVALID_ARGUMENT start: argument web_ui: got 1, want true or false"},
		{"stop", args{1.0}, "INVALID_ARGUMENT stop: got 1, want at most 0 arguments"},
		{"wait_for_request", args{"GET", "/a", []any{}}, "INVALID_ARGUMENT wait_for_request: argument timeout: got a list, want a number"},
		{"nope", nil, "NOT_FOUND method nope not found on driver"},
		{"watch_captured_requests", nil, "NOT_FOUND method watch_captured_requests missing marker marker_drivercall"},
		{"connect_web", nil, "NOT_FOUND method connect_web missing marker marker_drivercall"},
	} {
		b.want(tt.want, tt.method, tt.args...)
	}
	if _, err := b.d.Stream(context.Background(), "stop", nil); err == nil || err.Error() != "method stop missing marker marker_streamingdrivercall" {
		t.Error(err)
	}
	if _, err := b.d.Connect(context.Background(), "stop"); err == nil || err.Error() != "method stop missing marker marker_streamcall" {
		t.Error(err)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		method string
		args   args
		want   string
	}{
		{"set_mock", args{"get", "/a", 200.0, "{}"}, "Mock set: GET /a → 200"},
		{"set_mock", args{"GET", "/a", 200, ""}, "Mock set: GET /a → 200"},
		{"set_mock", args{"GET", "/a", 200.0, "{", "", ""}, "Invalid body JSON: unexpected end: line 1 column 2"},
		{"set_mock", args{"GET", "/a", 200.0, "nope"}, "Invalid body JSON: invalid character 'o' in literal null (expecting 'u'): line 1 column 2"},
		{"set_mock", args{"GET", "/a", 200.0, "{} {}"}, "Invalid body JSON: more text after the value: line 1 column 3"},
		{"set_mock", args{"GET", "/a", 200.0, "{}", "a/b", "x"}, "Invalid headers JSON: invalid character 'x' looking for beginning of value: line 1 column 1"},
		{"set_mock", args{"GET", "/a", 200.0, "{}", "a/b", "[]"}, "Invalid headers JSON: got a list, want an object"},
		{"remove_mock", args{"get", "/a"}, "Removed mock: GET /a"},
		{"remove_mock", args{"GET", "/a"}, "Mock not found: GET /a"},
		{"clear_mocks", nil, "Cleared 0 mock(s)"},
		{"list_mocks", nil, "{}"},
		{"set_mock_file", args{"GET", "/fw", "fw/a.bin"}, "File mock set: GET /fw → fw/a.bin (application/octet-stream)"},
		{"set_mock_file", args{"GET", "/fw", "a.json", "", 200.0, "{}"}, "File mock set: GET /fw → a.json (application/json)"},
		{"set_mock_file", args{"GET", "/fw", "a.json", "x/y", 203.0, `{"A": "b"}`}, "File mock set: GET /fw → a.json (x/y)"},
		{"set_mock_file", args{"GET", "/fw", "a.json", "x/y", 203.0, `{`}, "INVALID_ARGUMENT set_mock_file: argument headers: unexpected end: line 1 column 2"},
		{"set_mock_patch", args{"get", "/p", `{"a": {"b": 1}}`, "{}"}, "Patch mock set: GET /p"},
		{"set_mock_patch", args{"get", "/p", `{`, "{}"}, "Invalid JSON for patches"},
		{"set_mock_patch", args{"get", "/p", `[1]`, "{}"}, "Patches must be a JSON object"},
		{"set_mock_patch", args{"get", "/p", `{}`, "]"}, "INVALID_ARGUMENT set_mock_patch: argument headers: invalid character ']' looking for beginning of value: line 1 column 1"},
		{"set_mock_with_latency", args{"GET", "/l", 200.0, "{}", 50.0}, "Mock set: GET /l → 200 (+50ms)"},
		{"set_mock_with_latency", args{"GET", "/l", 200.0, "{", 50.0}, "INVALID_ARGUMENT set_mock_with_latency: argument body: unexpected end: line 1 column 2"},
		{"set_mock_sequence", args{"GET", "/s", "x"}, "Invalid JSON: invalid character 'x' looking for beginning of value: line 1 column 1"},
		{"set_mock_sequence", args{"GET", "/s", "[]"}, "Sequence must be a non-empty JSON array"},
		{"set_mock_sequence", args{"GET", "/s", `{"a": 1}`}, "Sequence must be a non-empty JSON array"},
		{"set_mock_template", args{"GET", "/t", ""}, "Invalid JSON: empty text"},
		{"set_mock_addon", args{"GET", "/t", "hls", "x"}, "Invalid JSON: invalid character 'x' looking for beginning of value: line 1 column 1"},
		{"set_mock_addon", args{"GET", "/t", "hls"}, "Addon not found: hls"},
		{"set_mock_conditional", args{"GET", "/c", "x"}, "Invalid JSON: invalid character 'x' looking for beginning of value: line 1 column 1"},
		{"set_mock_conditional", args{"GET", "/c", "{}"}, "Rules must be a non-empty JSON array"},
		{"list_mocks", nil, `{"GET /fw":{"content_type":"x/y","file":"a.json","headers":{"A":"b"},"status":203},` +
			`"GET /p":{"patch":{"a":{"b":1}}},"GET /l":{"body":{},"content_type":"application/json","latency_ms":50,"status":200}}`},
		{"clear_mocks", nil, "Cleared 3 mock(s)"},

		{"set_state", args{"k", `{"a": [1, 2.5, null]}`}, "State set: k"},
		{"get_state", args{"k"}, `{"a":[1,2.5,null]}`},
		{"get_state", args{"none"}, "null"},
		{"set_state", args{"k", "{"}, "Invalid JSON: unexpected end: line 1 column 2"},
		{"check_state", args{"k", "{\n \"a\": x}"}, `{"column":7,"error":"invalid character 'x' looking for beginning of value","line":2,"ok":false}`},
		{"check_state", args{"k", "1 2"}, `{"column":2,"error":"more text after the value","line":1,"ok":false}`},
		{"check_state", args{"", "1"}, `{"error":"the key is missing","ok":false}`},
		{"check_state", args{"k", "[1]"}, `{"ok":true}`},
		{"set_state", args{"l", `"<&>"`}, "State set: l"},
		{"get_all_state", nil, `{"k":{"a":[1,2.5,null]},"l":"<&>"}`},
		{"clear_state", nil, "Cleared 2 state key(s)"},
		{"get_all_state", nil, `{}`},
		{"list_addons", nil, "[]"},
		{"list_flow_files", nil, "[]"},
		{"get_captured_requests", nil, "[]"},
		{"list_captured_requests", nil, "[]"},
		{"list_captured_requests", args{"~m GET & ~b x"}, "[]"},
		{"list_captured_requests", args{"~d "}, "INVALID_ARGUMENT list_captured_requests: argument filter_expr: column 4: expected a regular expression after ~d"},
		{"clear_captured_requests", nil, "Cleared 0 captured request(s)"},
		{"clean_capture_spool", nil, "No spool directory found"},
		{"upload_mock_file", args{"a/b.bin", base64.StdEncoding.EncodeToString([]byte("hello"))}, "Uploaded: a/b.bin (5 bytes)"},
		{"upload_mock_file", args{"../b.bin", ""}, "Invalid file path: ../b.bin"},
		{"upload_mock_file", args{"/etc/b.bin", ""}, "Invalid file path: /etc/b.bin"},
		{"upload_mock_file", args{"a", ""}, "Invalid file path: a"},
		{"upload_mock_file", args{"", ""}, "Invalid file path: "},
		{"upload_mock_file", args{"a", "*"}, "INVALID_ARGUMENT upload_mock_file: argument content_base64: illegal base64 data at input byte 0"},
		{"wait_for_request", args{"GET", "/x", 0.0}, `{"error":"Timed out waiting for GET /x after 0.0s"}`},
		{"wait_for_request", args{"GET", "/x", 0.05}, `{"error":"Timed out waiting for GET /x after 0.05s"}`},
	} {
		b.want(tt.want, tt.method, tt.args...)
	}
}

func TestMockRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		method string
		args   args
		want   string
	}{
		{"set_mock", args{"GET", "no-slash", 200.0, "{}"}, "INVALID_ARGUMENT set_mock: "},
		{"set_mock", args{"GET", "/a", 20.0, "{}"}, "INVALID_ARGUMENT set_mock: "},
		{"set_mock_sequence", args{"GET", "/a", `[1]`}, "INVALID_ARGUMENT set_mock_sequence: "},
		{"set_mock_conditional", args{"GET", "/a", `[{"statsu": 3}]`}, "INVALID_ARGUMENT set_mock_conditional: "},
	} {
		if got := b.call(tt.method, tt.args...); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%s%v: %s", tt.method, tt.args, got)
		}
	}
	b.want("{}", "list_mocks")
}
