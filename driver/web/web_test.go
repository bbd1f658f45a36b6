package web

import (
	"net/http"
	"testing"
)

// TestValues holds how results, refusals, items and bytes reach the page: as JSON
// values, with numbers from which a stream goes on, and as they are.
func TestValues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enter()
	const update = "data: {\"text\":\"a line\\nand <more>\",\"n\":1,\"update\":true}\n\n"
	const end = "event: end\ndata: {}\n\n"
	item := func(n, text string) string {
		return "id: " + n + "\ndata: {\"text\":\"" + text + "\",\"n\":" + n + ",\"update\":false}\n\n"
	}
	for name, tt := range map[string]struct {
		method, path string
		header       http.Header
		body         string
		status       int
		want         string
	}{
		"a result":                      {"POST", "/api/call/look", nil, "[]", 200, `{"result":{"page":true}}`},
		"no arguments":                  {"POST", "/api/call/look", nil, " ", 200, `{"result":{"page":true}}`},
		"a refusal":                     {"POST", "/api/call/refuse", nil, "[]", 409, `{"error":"not now","code":"FAILED_PRECONDITION"}` + "\n"},
		"arguments that are no list":    {"POST", "/api/call/look", nil, "{}", 400, `{"error":"arguments: expected a JSON array"}` + "\n"},
		"items":                         {"GET", "/api/stream/count", nil, "", 200, "retry: 1000\n\n" + item("1", "n") + item("2", "n") + item("3", "n") + update + end},
		"items after a number":          {"GET", "/api/stream/count", http.Header{"Last-Event-Id": {"2"}}, "", 200, "retry: 1000\n\n" + item("3", "n") + update + end},
		"items with arguments, resumed": {"GET", "/api/stream/count?args=[%22x%22,0]", http.Header{"Last-Event-Id": {"2"}}, "", 200, "retry: 1000\n\n" + item("3", "x") + update + end},
		"a stream of a call":            {"GET", "/api/stream/look", nil, "", 404, `{"error":"method look missing marker marker_streamingdrivercall","code":"NOT_FOUND"}` + "\n"},
		"bytes":                         {"GET", "/api/file/bytes?as=dir/a.bin", nil, "", 200, "\x00\x01\xff"},
		"bytes that fail":               {"GET", "/api/file/bytes?as=a.bin&args=[true]", nil, "", 404, `{"error":"no such file","code":"NOT_FOUND"}` + "\n"},
		"items as a file":               {"GET", "/api/file/count?as=a.bin", nil, "", 400, `{"error":"count streams no file","code":"INVALID_ARGUMENT"}` + "\n"},
	} {
		res, got := s.fetch(tt.method, tt.path, tt.header, tt.body)
		if res.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s: got %s %q, want %d %q", name, res.Status, got, tt.status, tt.want)
		}
	}
	if res, _ := s.fetch("GET", "/api/file/bytes?as=dir/a.bin", nil, ""); res.Header.Get("Content-Disposition") != "attachment; filename=a.bin" {
		t.Errorf("got the name %q, want that of the file without its directory", res.Header.Get("Content-Disposition"))
	}
}

// The files of the page are kept by browsers until another build has others; the
// page itself is asked for each time.
func TestAssets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enter()
	for path, a := range s.server.assets {
		res, body := s.fetch("GET", path, nil, "")
		if res.StatusCode != 200 || body != string(a.data) {
			t.Errorf("%s: got %s and %d bytes, want 200 and %d", path, res.Status, len(body), len(a.data))
		}
		want := "private, max-age=31536000, immutable"
		if path == "/index.html" {
			want = "no-cache"
		}
		if got := res.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control: got %q, want %q", path, got, want)
		}
		res, body = s.fetch("GET", path, http.Header{"If-None-Match": {res.Header.Get("Etag")}}, "")
		if res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s, known: got %s and %d bytes, want 304 and none", path, res.Status, len(body))
		}
	}
}
