package web

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// document is a HAR document with one exchange.
const document = `{"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [{"startedDateTime": "2026-01-02T03:04:05Z", "time": 5,
	"request": {"method": "GET", "url": "http://car.test/status", "httpVersion": "HTTP/1.1", "headers": [], "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0},
	"response": {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [], "content": {"size": 2, "mimeType": "text/plain", "text": "ok"}, "redirectURL": "", "headersSize": -1, "bodySize": 2},
	"cache": {}, "timings": {"send": 0, "wait": 5, "receive": 0}}]}}`

var asFile = http.Header{"Content-Type": {"application/octet-stream"}}

// upload opens a file and returns its address.
func (s *site) upload(name, content string) string {
	s.Helper()
	res, text := s.fetch("POST", "/api/open?as="+name, asFile, content)
	var reply struct{ Result openedReply }
	if err := json.Unmarshal([]byte(text), &reply); err != nil || res.StatusCode != http.StatusOK || reply.Result.Exchanges != 1 {
		s.Fatalf("opening %s: %s %s", name, res.Status, text)
	}
	return "/" + reply.Result.Address
}

// await waits until an opened file has, or has no longer, the status that it should have.
func (s *site) await(address string, status int) {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		res, _ := s.fetch("POST", address+"api/leave", nil, "")
		if res.StatusCode == status {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("%s: got %s, want %d", address, res.Status, status)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// A file is shown by the page at an address of its own, by methods that change nothing.
func TestOpenedFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := newSite(t)
	if res, _ := s.fetch("POST", "/api/open?as=a.har", asFile, document); res.StatusCode != http.StatusForbidden {
		t.Errorf("without a session: got %s, want 403", res.Status)
	}
	s.enter()
	at := s.upload("..%2f..%2fmy%20session.har", document)
	if _, text := s.fetch("GET", at, nil, ""); !strings.Contains(text, "<title>starproxy</title>") {
		t.Errorf("got no page: %.100s", text)
	}
	if _, text := s.call(at, "status", "[]"); !strings.Contains(text, `"file":"my session.har"`) || !strings.Contains(text, `"read_only":true`) {
		t.Errorf("status: got %s", text)
	}
	if _, text := s.call(at, "list_captures", "[]"); !strings.Contains(text, `"path":"/status"`) {
		t.Errorf("list_captures: got %s", text)
	}
	for _, method := range []string{"look", "start", "delete_captures", "name_device"} {
		if res, _ := s.call(at, method, "[]"); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404: a file has no such method", method, res.Status)
		}
	}
	if _, text := s.call("/", "look", "[]"); !strings.Contains(text, "page") {
		t.Errorf("the methods of the proxy: got %s", text)
	}
}

// call calls a method below an address.
func (s *site) call(at, method, args string) (*http.Response, string) {
	s.Helper()
	return s.fetch("POST", at+"api/call/"+method, http.Header{"Content-Type": {"application/json"}}, args)
}

// Files that can't be opened are refused, and leave nothing behind.
func TestOpenedFileRefused(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := newSite(t)
	s.enter()
	for name, tt := range map[string]struct {
		header  http.Header
		content string
		status  int
		want    string
	}{
		"of a form":  {http.Header{"Content-Type": {"text/plain"}}, document, 415, "octet-stream"},
		"no session": {asFile, "what is this?", 400, "no.har"},
		"a bad ZIP":  {asFile, "PK\x03\x04 and no more", 400, "no.har"},
	} {
		res, text := s.fetch("POST", "/api/open?as=no.har", tt.header, tt.content)
		if res.StatusCode != tt.status || !strings.Contains(text, tt.want) || strings.Contains(text, tmp) {
			t.Errorf("%s: got %s %s, want %d with %q, and no path of this machine", name, res.Status, text, tt.status, tt.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "starproxy-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if res, _ := s.fetch("GET", "/opened/nothing/", nil, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not open: got %s, want 404", res.Status)
	}
}

// A file is closed when its page is left, when others need its place, and with the server.
func TestOpenedFileCloses(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := newSite(t)
	s.enter()
	s.server.opened.left = 10 * time.Millisecond
	dirs := func() int {
		all, _ := filepath.Glob(filepath.Join(tmp, "starproxy-opened-*"))
		return len(all)
	}
	s.await(s.upload("a.har", document), http.StatusNotFound)
	if n := dirs(); n != 0 {
		t.Errorf("%d directories are left of a file that was left", n)
	}
	s.server.opened.left = time.Hour
	first := s.upload("1.har", document)
	for n := 1; n < maxOpened; n++ {
		s.upload("more.har", document)
	}
	if res, _ := s.call(first, "status", "[]"); res.StatusCode != http.StatusOK {
		t.Errorf("the first of %d: got %s, want 200", maxOpened, res.Status)
	}
	second := s.upload("one-more.har", document)
	if res, _ := s.call(first, "status", "[]"); res.StatusCode != http.StatusOK {
		t.Errorf("the file that was used last: got %s, want 200", res.Status)
	}
	if n := dirs(); n != maxOpened {
		t.Errorf("%d directories, want %d", n, maxOpened)
	}
	// A page that follows something keeps its file open.
	res, err := s.client.Get(s.base + second + "api/stream/watch_status")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for range maxOpened {
		s.upload("others.har", document)
	}
	if res, _ := s.call(second, "status", "[]"); res.StatusCode != http.StatusOK {
		t.Errorf("a file that somebody looks at: got %s, want 200", res.Status)
	}
	s.server.Close()
	for end := time.Now().Add(20 * time.Second); dirs() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d directories are left of a server that is closed", dirs())
		}
	}
	if _, err := os.Stat(tmp); err != nil {
		t.Error(err)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.har": "a.har", "": "session", "..": "session", "/": "session", "../../etc/passwd": "passwd", `C:\x\y.bin`: "y.bin",
		"a\x00b\n.zip": "ab.zip", "\xff.har": ".har", strings.Repeat("ä", 100) + ".har": strings.Repeat("ä", 56) + ".har",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
