package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

func record(j *Journal, contentType string, length int, writes ...[]byte) Blob {
	h := exchange.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if length >= 0 {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	r := j.NewRecorder(h, "http://x.example/a")
	for _, p := range writes {
		r.Write(p)
	}
	return r.Blob()
}

func content(t *testing.T, b Blob) []byte {
	t.Helper()
	r, err := OpenBody(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pieces(data []byte, n int) [][]byte {
	var list [][]byte
	for len(data) > n {
		list, data = append(list, data[:n]), data[n:]
	}
	return append(list, data)
}

func TestRecorderKeepsSmallInMemoryAndLargeInTheSpool(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "capture-spool")
	j := New(Options{SpoolDir: dir})
	defer j.Close()
	for _, c := range []struct {
		name, ct string
		size     int
		spooled  bool
	}{
		{"empty", "text/plain", 0, false},
		{"short text", "text/plain; charset=utf-8", 10, false},
		{"text at the limit", "application/json", 256 << 10, false},
		{"text over the limit", "application/json", 256<<10 + 1, true},
		{"json suffix", "application/problem+json", 100 << 10, false},
		{"form", "application/x-www-form-urlencoded", 100 << 10, false},
		{"binary at the limit", "image/png", 64 << 10, false},
		{"binary over the limit", "image/png", 64<<10 + 1, true},
		{"unknown", "", 65 << 10, true},
		{"large", "video/mp4", 3 << 20, true},
	} {
		data := bytes.Repeat([]byte("0123456789abcde"), c.size/15+1)[:c.size]
		for _, step := range []int{7, 4096, 32 << 10, 1 << 20} {
			if c.size > 1<<20 && step < 4096 {
				continue
			}
			for _, announced := range []int{c.size, -1, 40 << 10} {
				b := record(j, c.ct, announced, pieces(data, step)...)
				if b.Size != int64(c.size) || b.Spooled != c.spooled || b.Truncated {
					t.Fatalf("%s in steps of %d: %+v", c.name, step, b)
				}
				if !bytes.Equal(content(t, b), data) {
					t.Fatalf("%s in steps of %d: other bytes came back", c.name, step)
				}
				if cap(b.Data) > len(b.Data)*3/2 {
					t.Errorf("%s in steps of %d: %d bytes held for %d", c.name, step, cap(b.Data), len(b.Data))
				}
				if b.Spooled {
					if !spoolName.MatchString(filepath.Base(b.Path)) {
						t.Errorf("spool file is called %s", b.Path)
					}
					info, err := os.Stat(b.Path)
					if err != nil || info.Mode().Perm() != 0o600 {
						t.Errorf("mode of %s: %v, %v", b.Path, info.Mode(), err)
					}
				}
			}
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("spool directory: %v, %v", info, err)
	}
	if s := j.Stats(); s.SpoolErrors != 0 || s.SpoolDropped != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSpoolFileGoesWithItsEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := New(Options{SpoolDir: dir, MaxBytes: 32 << 10})
	add := func() Blob {
		e := sample()
		e.ResponseBody = record(j, "", -1, make([]byte, 100<<10))
		j.Add(e)
		return e.ResponseBody
	}
	b := add()
	content(t, b)
	for range 500 {
		j.Add(sample())
	}
	j.spool.settle()
	if _, err := OpenBody(b); !errors.Is(err, ErrNotKept) {
		t.Errorf("the file outlived its entry: %v", err)
	}
	b = add()
	j.Clear()
	if _, err := os.Stat(b.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after clear: %v", err)
	}
	b = add()
	j.Close()
	if _, err := os.Stat(b.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after close: %v", err)
	}
	if s := j.Stats(); s.SpoolFiles != 0 || s.SpoolBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSpoolBudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := New(Options{SpoolDir: dir, MaxSpool: 300 << 10})
	defer j.Close()
	for range 5 {
		e := sample()
		e.ResponseBody = record(j, "", -1, pieces(make([]byte, 100<<10), 10<<10)...)
		j.Add(e)
	}
	var there, gone int
	for i, e := range j.Entries(nil) {
		if e.ResponseBody.Truncated {
			gone++
			if i >= 2 {
				t.Errorf("entry %d lost its body before an older one", i)
			}
			continue
		}
		there++
		content(t, e.ResponseBody)
	}
	if there != 3 || gone != 2 {
		t.Errorf("%d bodies there, %d gone", there, gone)
	}
	// One that is larger than everything keeps its beginning.
	b := record(j, "", -1, pieces(make([]byte, 1<<20), 50<<10)...)
	if b.Size != 1<<20 || !b.Truncated || len(content(t, b)) > 300<<10 {
		t.Errorf("%+v", b)
	}
	s := j.Stats()
	if s.SpoolBytes > s.MaxSpool || s.SpoolDropped != 5 || s.SpoolErrors != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSpoolThatCannotWriteDisturbsNobody(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", filepath.Join(blocked, "spool")} {
		j := New(Options{SpoolDir: dir})
		b := record(j, "text/plain", -1, pieces(bytes.Repeat([]byte("a"), 300<<10), 7000)...)
		if b.Size != 300<<10 || !b.Truncated || len(content(t, b)) != 256<<10 {
			t.Errorf("%q: %d bytes, truncated %v, %d kept", dir, b.Size, b.Truncated, len(b.Data))
		}
		if s := j.Stats(); (s.SpoolErrors > 0) != (dir != "") {
			t.Errorf("%q: %+v", dir, s)
		}
		e := sample()
		e.ResponseBody = b
		j.Add(e)
		if got := decodeEvent(t, j.Event(e)); got["response_truncated"] != true {
			t.Errorf("%q: event %v", dir, got)
		}
	}
}

func TestWriteErrorIsReported(t *testing.T) {
	t.Parallel()
	j := New(Options{SpoolDir: t.TempDir()})
	r := j.NewRecorder(nil, "http://x.example/")
	r.Write(make([]byte, 70<<10))
	r.out.Close() // as good as a full disk
	if n, err := r.Write(make([]byte, 70<<10)); n != 70<<10 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if b := r.Blob(); b.Size != 140<<10 || !b.Truncated || b.Path != "" {
		t.Errorf("%+v", b)
	}
	if s := j.Stats(); s.SpoolErrors == 0 || s.SpoolError == "" || s.SpoolBytes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := New(Options{SpoolDir: dir})
	r := j.NewRecorder(nil, "http://x.example/")
	r.Write(make([]byte, 100<<10))
	r.Discard()
	r.Write([]byte("late"))
	j.spool.settle()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files left", len(left))
	}
}

func TestCleanSpool(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	j := New(Options{SpoolDir: dir})
	if n, existed, err := j.CleanSpool(); n != 0 || existed || err != nil {
		t.Errorf("%d, %v, %v before there is a directory", n, existed, err)
	}
	e := sample()
	e.ResponseBody = record(j, "", -1, make([]byte, 100<<10))
	j.Add(e)
	busy := j.NewRecorder(nil, "http://x.example/busy")
	busy.Write(make([]byte, 100<<10))
	for _, name := range []string{"000009_0123456789ab.bin", "mine.bin", "firmware.img"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, existed, err := j.CleanSpool(); n != 2 || !existed || err != nil {
		t.Errorf("%d, %v, %v, want 2 files", n, existed, err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 3 {
		t.Errorf("left: %v", left)
	}
	if b := j.Entries(nil)[0].ResponseBody; !b.Truncated || b.Path != "" {
		t.Errorf("%+v", b)
	}
	if got := content(t, busy.Blob()); len(got) != 100<<10 {
		t.Errorf("the busy one has %d bytes", len(got))
	}
}

func TestStoredBlobRefers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "firmware.bin")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := StoredBlob(&exchange.File{F: f, Off: 2, N: 5})
	if b.Path != path || b.Spooled || string(content(t, b)) != "23456" {
		t.Errorf("%+v", b)
	}
	b = StoredBlob(exchange.Bytes("abc"))
	if b.Size != 3 || string(content(t, b)) != "abc" {
		t.Errorf("%+v", b)
	}
}

func TestIsText(t *testing.T) {
	t.Parallel()
	for ct, want := range map[string]bool{
		"application/json": true, "text/html": true, "application/xml": true, "application/javascript": true,
		"application/x-www-form-urlencoded": true, "application/vnd.api+json": true, "image/svg+xml": true,
		"": false, "image/png": false, "application/octet-stream": false, "application/x-protobuf": false,
	} {
		if IsText(ct) != want {
			t.Errorf("%q: %v", ct, !want)
		}
	}
	if ct := ContentType(exchange.HeaderOf("Content-Type", " Text/HTML ; charset=x")); ct != "text/html" {
		t.Errorf("%q", ct)
	}
}

func BenchmarkRecorder(b *testing.B) {
	j := New(Options{})
	h := exchange.HeaderOf("Content-Type", "application/json")
	data := []byte(strings.Repeat("x", 500))
	b.ReportAllocs()
	for b.Loop() {
		r := j.NewRecorder(h, "")
		r.Write(data)
		r.Blob()
	}
}
