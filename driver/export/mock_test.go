package export

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

func exchanged(method, target, requestType, requestBody, answer string) *capture.Entry {
	blob := func(s string) capture.Blob { return capture.Blob{Data: []byte(s), Size: int64(len(s))} }
	return &capture.Entry{
		Kind: capture.HTTP, Method: method, Scheme: "https", Host: "api.test", Port: 8443, Target: target, Status: 200, Origin: exchange.FromServer,
		RequestHeader: exchange.HeaderOf("Host", "api.test", "X-Device", "7", "Content-Type", requestType, "Content-Length", "1"),
		RequestBody:   blob(requestBody), ResponseHeader: exchange.HeaderOf("Content-Type", "text/plain"), ResponseBody: blob(answer),
	}
}

func TestMockChoices(t *testing.T) {
	t.Parallel()
	get := exchanged("GET", "/v1/users/42/cars/WVWZZZ1JZ3W386752/2024.json?a=1&b=x%20y", "", "", "yes")
	post := exchanged("POST", "/login", "application/json", `{"user": "ada", "n": 1.50}`, "in")
	form := exchanged("POST", "/form", "application/x-www-form-urlencoded", "a=1&b=&a=2", "in")
	text := exchanged("PUT", "/text", "text/plain", "two\nlines", "in")
	for _, c := range []struct {
		name      string
		e         *capture.Entry
		choices   Choices
		key, text string
	}{
		{"as it was", get, Choices{}, "GET https://api.test:8443/v1/users/42/cars/WVWZZZ1JZ3W386752/2024.json",
			"match:\n  query:\n    a: \"1\"\n    b: x y\nstatus: 200\ncontent_type: text/plain\nbody: yes\n"},
		{"looser", get, Choices{AnyHost: true, Placeholders: true, AnyQuery: true}, "GET /v1/users/{id}/cars/{id2}/{id3}.json",
			"status: 200\ncontent_type: text/plain\nbody: yes\n"},
		{"placeholders and host", get, Choices{Placeholders: true, AnyQuery: true, Headers: []string{"x-device", "X-None"}},
			"GET https://api.test:8443/v1/users/{id}/cars/{id2}/{id3}.json", "match:\n  headers:\n    x-device: \"7\"\nstatus: 200\n"},
		{"JSON body", post, Choices{AnyHost: true, Body: true}, "POST /login", "match:\n  body_includes:\n    user: ada\n    n: 1.50\nstatus: 200\n"},
		{"body not asked for", post, Choices{AnyHost: true}, "POST /login", "status: 200\n"},
		{"form", form, Choices{AnyHost: true, Body: true}, "POST /form", "match:\n  form:\n    a: [\"1\", \"2\"]\n    b: \"\"\nstatus: 200\n"},
		{"text", text, Choices{AnyHost: true, Body: true}, "PUT /text", "match:\n  body: |-\n    two\n    lines\nstatus: 200\n"},
	} {
		d, err := Mock(c.e, c.choices, t.TempDir(), false)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := strings.Replace(c.text, "body: yes", `body: "yes"`, 1)
		if d.Key != c.key || !strings.HasPrefix(d.Definition, want) || d.File != "" {
			t.Errorf("%s: got %s\n%s%q, want %s\n%s", c.name, d.Key, d.Definition, d.File, c.key, want)
		}
	}
	d, _ := Mock(post, Choices{}, "", false)
	if o := d.Offers; o.Host != "api.test" || o.Path != "" || o.Query || o.Body != "body_includes" || !slices.Equal(o.Headers, []string{"X-Device", "Content-Type"}) {
		t.Errorf("offers: %+v", o)
	}
	if d, _ = Mock(get, Choices{}, "", false); d.Offers.Path != "/v1/users/{id}/cars/{id2}/{id3}.json" || !d.Offers.Query || d.Offers.Body != "" {
		t.Errorf("offers: %+v", d.Offers)
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                        "/",
		"/api/v2/status":           "/api/v2/status",
		"/v1.2/x1/h264":            "/v1.2/x1/h264",
		"/users/7":                 "/users/{id}",
		"/a/1/b/2":                 "/a/{id}/b/{id2}",
		"/deadbeefcafe/cafe":       "/{id}/cafe",
		"/firmware-update/restart": "/firmware-update/restart",
		"/img/550e8400-e29b-41d4-a716-446655440000.png": "/img/{id}.png",
		"/t/a1b2c3d4e5": "/t/{id}",
	} {
		var p placer
		segments := strings.Split(path, "/")
		for i := range segments {
			segments[i] = p.place(segments[i])
		}
		if got := strings.Join(segments, "/"); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestMockWritesNothing checks that the file of a body has the same name before and after
// it is written, and that a draft leaves no trace.
func TestMockWritesNothing(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 100, "large": maxHeld + 10} {
		e := exchanged("GET", "/fw", "", "", "\x00\xff"+strings.Repeat("x", size))
		e.ResponseHeader = exchange.HeaderOf("Content-Type", "application/octet-stream")
		dir := filepath.Join(t.TempDir(), "files")
		for _, there := range []string{"", "other"} {
			if there != "" {
				if err := os.MkdirAll(filepath.Join(dir, "responses/GET"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "responses/GET/fw.bin"), []byte(there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := filepath.Glob(filepath.Join(dir, "responses/GET/*"))
			draft, err := Mock(e, Choices{}, dir, false)
			if err != nil {
				t.Fatal(err)
			}
			if after, _ := filepath.Glob(filepath.Join(dir, "responses/GET/*")); !slices.Equal(before, after) {
				t.Errorf("%s: a draft wrote %q", name, after)
			}
			if _, err := os.Stat(dir); there == "" && err == nil {
				t.Errorf("%s: a draft made the directory", name)
			}
			written, err := Mock(e, Choices{}, dir, true)
			if err != nil || written.File != draft.File || draft.Definition != written.Definition {
				t.Errorf("%s: got %+v, then %+v, %v", name, draft, written, err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, written.File)); err != nil || !bytes.Equal(data, []byte("\x00\xff"+strings.Repeat("x", size))) {
				t.Errorf("%s: %s: %d bytes, %v", name, written.File, len(data), err)
			}
			if again, err := Mock(e, Choices{}, dir, false); err != nil || again.File != written.File {
				t.Errorf("%s: got %v, %v, want %s again", name, again, err, written.File)
			}
			os.RemoveAll(dir)
		}
	}
}
