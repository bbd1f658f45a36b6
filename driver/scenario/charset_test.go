package scenario

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// TestCharsets sends texts in the charset of their content type, and reads those
// of requests so.
func TestCharsets(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	env := Env{FilesDir: t.TempDir(), Script: script.New(script.Options{Merge: mock.Merge}), Log: slog.New(slog.NewTextHandler(&log, nil))}
	yaml, err := Parse("a.yaml", []byte(`
GET /static: {content_type: text/plain; charset=iso-8859-1, body: café}
GET /header: {headers: {content-type: text/plain; charset=shift_jis}, body: あ}
GET /utf-16: {content_type: text/plain; charset=utf-16, body: hé}
GET /json: {content_type: application/json; charset=windows-1251, body: {a: да}}
GET /escaped: {content_type: application/json; charset=iso-8859-1, body: {a: да}}
GET /fallback: {content_type: text/plain; charset=iso-8859-1, body: да}
GET /plain: {content_type: text/plain, body: café}
POST /template: {content_type: application/json; charset=iso-8859-1, body_template: {q: "{{request_body_json(a)}}", t: "{{request_body}}"}}
POST /match: {content_type: text/plain, match: {body_json: {a: é}}, body: found}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	star, err := Parse("a.star", []byte(`
def stream(out):
    out.write("h")
    out.write("é")

def edited(req):
    req.headers["Content-Type"] = "text/plain; charset=iso-8859-1"
    req.body = "café"
    return response(body = req.body, content_type = "application/octet-stream")

endpoints = {
    "GET /response": lambda req: response(body = "café", content_type = "text/plain; charset=iso-8859-1"),
    "GET /list": lambda req: response(body = ["é"], headers = {"Content-Type": "application/json; charset=utf-16be"}),
    "GET /bytes": lambda req: response(body = b"caf\xe9", content_type = "text/plain; charset=utf-16"),
    "GET /dict": lambda req: {"body": "café", "content_type": "text/plain; charset=iso-8859-1"},
    "GET /stream": lambda req: response(stream = stream, content_type = "text/plain; charset=utf-16"),
    "GET /no": lambda req: response(body = "да", content_type = "text/plain; charset=iso-8859-1"),
    "POST /edited": edited,
    "POST /read": lambda req: response(body = [req.text, req.json("a")]),
    "POST /form": lambda req: response(body = [req.form()]),
}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	table.ReplaceAll(append(yaml.Endpoints, star.Endpoints...))
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ key, typ, sent, want, wantType string }{
		{"GET /static", "", "", "caf\xe9", "text/plain; charset=iso-8859-1"},
		{"GET /header", "", "", "\x82\xa0", "text/plain; charset=shift_jis"},
		{"GET /utf-16", "", "", "\xff\xfeh\x00\xe9\x00", "text/plain; charset=utf-16"},
		{"GET /json", "", "", "{\"a\":\"\xe4\xe0\"}", "application/json; charset=windows-1251"},
		{"GET /escaped", "", "", `{"a":"\u0434\u0430"}`, "application/json; charset=iso-8859-1"},
		{"GET /fallback", "", "", "да", "text/plain; charset=utf-8"},
		{"GET /plain", "", "", "café", "text/plain"},
		{"POST /template", "application/json; charset=utf-16", "\xfe\xff\x00{\x00\"\x00a\x00\"\x00:\x00\"\x00\xe9\x00\"\x00}", "{\"q\":\"\xe9\",\"t\":\"{\\\"a\\\":\\\"\xe9\\\"}\"}", "application/json; charset=iso-8859-1"},
		{"POST /match", "application/json; charset=latin1", "{\"a\":\"\xe9\"}", "found", "text/plain"},
		{"POST /match", "application/json", "\xef\xbb\xbf{\"a\":\"é\"}", "found", "text/plain"},
		{"POST /match", "application/json", "{\"a\":\"\xe9\"}", "found", "text/plain"},
		{"POST /match", "application/json; charset=shift_jis", "{\"a\":\"\x81\x4c\"}", "", ""},
		{"GET /response", "", "", "caf\xe9", "text/plain; charset=iso-8859-1"},
		{"GET /list", "", "", "\x00[\x00\"\x00\xe9\x00\"\x00]", "application/json; charset=utf-16be"},
		{"GET /bytes", "", "", "caf\xe9", "text/plain; charset=utf-16"},
		{"GET /dict", "", "", "caf\xe9", "text/plain; charset=iso-8859-1"},
		{"GET /stream", "", "", "\xff\xfeh\x00\xe9\x00", "text/plain; charset=utf-16"},
		{"GET /no", "", "", "да", "text/plain; charset=utf-8"},
		{"POST /edited", "text/plain", "x", "caf\xe9", "application/octet-stream"},
		{"POST /read", "application/json; charset=windows-1251", "{\"a\":\"\xe4\xe0\"}", `["{\"a\":\"да\"}","да"]`, "application/json"},
		{"POST /read", "application/json", "\xff\xfe{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", `["{\"a\":1}",1]`, "application/json"},
		{"POST /read", "text/plain", "\xef\xbb\xbf{\"a\":2}", `["{\"a\":2}",2]`, "application/json"},
		{"POST /read", "text/plain", "\xe9", `["é",null]`, "application/json"},
		{"POST /form", form + "; charset=windows-1251", "a=\xe4\xe0&b=100%", `[{"a":"да","b":"100%"}]`, "application/json"},
	} {
		verb, target, _ := strings.Cut(c.key, " ")
		q := &exchange.Request{Method: verb, Scheme: "http", Host: "a.test", Port: 80, Target: target, Proto: "HTTP/1.1"}
		if c.typ != "" {
			q.Header.Set("Content-Type", c.typ)
			q.Body = exchange.NewIncoming(strings.NewReader(c.sent), nil)
		}
		res, err := table.Handler(mock.Reject(table)).Respond(t.Context(), &exchange.Exchange{Request: q})
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		if c.wantType == "" {
			if res.Status != http.StatusNotImplemented {
				t.Errorf("%s, %s: got %d, want no answer", c.key, c.typ, res.Status)
			}
			continue
		}
		got, _, err := exchange.ReadBody(t.Context(), res.Body, 1<<20)
		if err != nil || string(got) != c.want || res.Header.Get("Content-Type") != c.wantType {
			t.Errorf("%s, %s: got %q, %q, %v; want %q, %q", c.key, c.typ, got, res.Header.Get("Content-Type"), err, c.want, c.wantType)
		}
	}
	if text := log.String(); strings.Count(text, "sent in UTF-8") != 1 || !strings.Contains(text, "/fallback") {
		t.Errorf("got the log %q, want one warning of /fallback", text)
	}
}
