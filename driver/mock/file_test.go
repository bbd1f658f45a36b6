package mock

import (
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/access"
)

const tenDigits = "0123456789"

// folder has "data.bin" (ten digits, of a fixed time), "empty", a directory
// "sub" with "page.html", and a secret beside the folder.
func folder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"data.bin": tenDigits, "empty": "", "sub/page.html": "<p>", "../secret": "s"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "data.bin"), when, when); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	h := NewFile((*access.Policy)(nil).Owned(dir), "data.bin", 0, exchange.HeaderOf("x-a", "1"), "", time.Second)
	for _, method := range []string{"GET", "HEAD"} {
		res := ask(t, h, request(t, method+" /"))
		if body(t, res) != tenDigits || res.Status != 200 || res.Origin != exchange.FromMock || res.Delay != time.Second {
			t.Error(method, res)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/octet-stream", "X-A": "1", "Accept-Ranges": "bytes",
			"Last-Modified": "Sun, 01 Mar 2026 12:00:00 GMT",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, expected %q", method, name, got, want)
			}
		}
		if names := res.Header.Names(); !slices.Equal(names, []string{"Content-Type", "x-a", "ETag", "Last-Modified", "Accept-Ranges"}) {
			t.Errorf("%s: names %v", method, names)
		}
		if tag := res.Header.Get("Etag"); len(tag) < 4 || tag[0] != '"' {
			t.Errorf("etag %s is not strong", tag)
		}
	}
	if res := ask(t, NewFile((*access.Policy)(nil).Owned(dir), "sub/page.html", 0, nil, "", 0), request(t, "GET /")); res.Header.Get("Content-Type") != "text/html" || body(t, res) != "<p>" {
		t.Error(res)
	}
	res := ask(t, NewFile((*access.Policy)(nil).Owned(dir), "data.bin", 201, exchange.HeaderOf("Content-Length", "3"), "a/b", 0), request(t, "POST /\nRange: bytes=0-1"))
	if res.Status != 201 || res.Header.Get("Content-Type") != "a/b" || res.Header.Has("ETag") || res.Header.Has("Content-Length") || body(t, res) != tenDigits {
		t.Error(res)
	}
}

func TestFileSeesTheChange(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	h := NewFile((*access.Policy)(nil).Owned(dir), "data.bin", 0, nil, "", 0)
	before := ask(t, h, request(t, "GET /"))
	body(t, before)
	if err := os.WriteFile(filepath.Join(dir, "data.bin"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	after := ask(t, h, request(t, "GET /\nIf-None-Match: "+before.Header.Get("Etag")))
	if body(t, after) != "new" || after.Header.Get("Etag") == before.Header.Get("Etag") {
		t.Error(after)
	}
}

func TestFileConditions(t *testing.T) {
	t.Parallel()
	h := NewFile((*access.Policy)(nil).Owned(folder(t)), "data.bin", 0, nil, "", 0)
	first := ask(t, h, request(t, "GET /"))
	body(t, first)
	tag := first.Header.Get("Etag")
	const when, before, after = "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 11:59:59 GMT", "Sun, 01 Mar 2026 12:00:01 GMT"
	for _, c := range []struct {
		header string
		status int
	}{
		{"If-None-Match: " + tag, 304},
		{"If-None-Match: W/" + tag, 304},
		{`If-None-Match: "x,y", ` + tag, 304},
		{"If-None-Match: *", 304},
		{`If-None-Match: "x"`, 200},
		{"If-Modified-Since: " + when, 304},
		{"If-Modified-Since: " + after, 304},
		{"If-Modified-Since: " + before, 200},
		{"If-Modified-Since: yesterday", 200},
		{"If-None-Match: \"x\"\nIf-Modified-Since: " + when, 200},
		{"If-Match: " + tag, 200},
		{"If-Match: W/" + tag, 412},
		{"If-Match: *", 200},
		{`If-Match: "x"`, 412},
		{"If-Unmodified-Since: " + when, 200},
		{"If-Unmodified-Since: " + before, 412},
		{"Range: bytes=2-3\nIf-Range: " + tag, 206},
		{"Range: bytes=2-3\nIf-Range: \"x\"", 200},
		{"Range: bytes=2-3\nIf-Range: W/" + tag, 200},
		{"Range: bytes=2-3\nIf-Range: " + when, 206},
		{"Range: bytes=2-3\nIf-Range: " + after, 200},
		{"Range: bytes=2-3\nIf-None-Match: " + tag, 304},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res := ask(t, h, request(t, method+" /\n"+c.header))
			if res.Status != c.status {
				t.Errorf("%s %s: %d, expected %d", method, c.header, res.Status, c.status)
			}
			if res.Header.Get("Etag") != tag {
				t.Errorf("%s: no etag", c.header)
			}
			if got := body(t, res); (got == "") != (c.status == 304 || c.status == 412) {
				t.Errorf("%s: body %q", c.header, got)
			}
		}
	}
	own := NewFile((*access.Policy)(nil).Owned(folder(t)), "data.bin", 0, exchange.HeaderOf("ETag", `"mine"`, "Last-Modified", before), "", 0)
	if res := ask(t, own, request(t, "GET /\nIf-None-Match: \"mine\"")); res.Status != 304 || res.Header.Get("Etag") != `"mine"` {
		t.Error(res)
	}
	if res := ask(t, own, request(t, "GET /\nIf-Modified-Since: "+before)); res.Status != 304 {
		t.Error(res)
	}
}

func TestFileRanges(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, c := range []struct {
		header string
		status int
		crange string
		want   string
	}{
		{"bytes=0-3", 206, "bytes 0-3/10", "0123"},
		{"bytes=4-", 206, "bytes 4-9/10", "456789"},
		{"bytes=-2", 206, "bytes 8-9/10", "89"},
		{"bytes=-99", 206, "bytes 0-9/10", tenDigits},
		{"bytes=8-99999999999999999999", 206, "bytes 8-9/10", "89"},
		{"Bytes = 1-1", 206, "bytes 1-1/10", "1"},
		{"bytes=20-30, 1-2", 206, "bytes 1-2/10", "12"},
		{"bytes=10-", 416, "bytes */10", ""},
		{"bytes=-0", 416, "bytes */10", ""},
		{"bytes=99999999999999999999-", 416, "bytes */10", ""},
		{"bytes=20-30,40-", 416, "bytes */10", ""},
		{"bytes=3-1", 200, "", tenDigits},
		{"bytes=a-b", 200, "", tenDigits},
		{"bytes=", 200, "", tenDigits},
		{"bytes=-", 200, "", tenDigits},
		{"lines=0-1", 200, "", tenDigits},
		{"bytes=0-8,1-9", 200, "", tenDigits},
		{"bytes=" + strings.Repeat("0-0,", maxRanges+1), 200, "", tenDigits},
	} {
		res := ask(t, NewFile((*access.Policy)(nil).Owned(dir), "data.bin", 0, nil, "", 0), request(t, "GET /\nRange: "+c.header))
		if got := body(t, res); res.Status != c.status || res.Header.Get("Content-Range") != c.crange || got != c.want {
			t.Errorf("%.40s: %d %q %q, expected %d %q %q", c.header, res.Status, res.Header.Get("Content-Range"), got, c.status, c.crange, c.want)
		}
	}
	res := ask(t, NewFile((*access.Policy)(nil).Owned(dir), "empty", 0, nil, "", 0), request(t, "GET /\nRange: bytes=0-"))
	if res.Status != 200 || body(t, res) != "" {
		t.Error(res)
	}
}

func TestFileMultipleRanges(t *testing.T) {
	t.Parallel()
	res := ask(t, NewFile((*access.Policy)(nil).Owned(folder(t)), "data.bin", 0, nil, "a/b", 0), request(t, "GET /\nRange: bytes=0-1, 5-5,-1"))
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || res.Status != 206 || res.Header.Has("Content-Range") {
		t.Fatal(res, err)
	}
	size := res.Body.(exchange.Sized).Size()
	got := body(t, res)
	want := "\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 0-1/10\r\n\r\n01" +
		"\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 5-5/10\r\n\r\n5" +
		"\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 9-9/10\r\n\r\n9" +
		"\r\n--B--\r\n"
	if diff := strings.ReplaceAll(got, params["boundary"], "B"); diff != want {
		t.Errorf("%q, expected %q", diff, want)
	}
	if size != int64(len(got)) {
		t.Errorf("announced as %d bytes, has %d", size, len(got))
	}
	parts := stdmultipart.NewReader(strings.NewReader(got), params["boundary"])
	for n := 0; ; n++ {
		if _, err := parts.NextPart(); err == io.EOF && n == 3 {
			break
		} else if err != nil {
			t.Fatal(n, "parts:", err)
		}
	}
}

func TestFileMissing(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Symlink("../secret", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"absent.bin", "sub", "", ".", "../secret", "sub/../../secret", "link", filepath.Join(dir, "data.bin"), "a\x00b"} {
		x := &exchange.Exchange{Request: request(t, "GET /")}
		res, err := NewFile((*access.Policy)(nil).Owned(dir), name, 200, nil, "", 0).Respond(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		got := body(t, res)
		if res.Status != 500 || !strings.HasPrefix(got, `{"error":"Mock file not found: `) || res.Err == nil || len(x.Notes.List()) != 1 || res.Origin != exchange.FromMock {
			t.Errorf("%q: %d %s %v", name, res.Status, got, res.Err)
		}
	}
	if res := ask(t, NewFile((*access.Policy)(nil).Owned(filepath.Join(dir, "nowhere")), "x", 0, nil, "", 0), request(t, "GET /")); res.Status != 500 {
		t.Error(res)
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.json": "application/json", "a/b.HTML": "text/html", "x.tar.gz": "application/octet-stream",
		"none": "application/octet-stream", ".json": "application/json", "a.png": "image/png", "seg.ts": "video/mp2t",
	} {
		if got := ContentType(name); got != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1,-5,7-", int64(10))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		ranges, err := parseRange(header, size)
		for _, r := range ranges {
			if err != nil || r.off < 0 || r.n <= 0 || r.off > size-r.n {
				t.Errorf("%q of %d bytes: %+v %v", header, size, r, err)
			}
		}
	})
}

func BenchmarkFile(b *testing.B) {
	h := NewFile((*access.Policy)(nil).Owned(folder(b)), "data.bin", 0, nil, "", 0)
	x := &exchange.Exchange{Request: request(b, "GET /")}
	b.ReportAllocs()
	for b.Loop() {
		res, err := h.Respond(b.Context(), x)
		if err != nil {
			b.Fatal(err)
		}
		res.Body.(io.Closer).Close()
	}
}
