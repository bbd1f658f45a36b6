package capture

import (
	"os"
	"path/filepath"
	"testing"
)

// The body of a request comes from where it is kept, up to the limit, and only when it is
// read.
func TestRequest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte("<firmware>"), 0o600); err != nil {
		t.Fatal(err)
	}
	inFile := Entry{Method: "POST", RequestBody: Blob{Path: path, Off: 1, Size: 8}}
	for _, c := range []struct {
		name  string
		e     Entry
		limit int64
		want  string
	}{
		{"in memory", Entry{RequestBody: Blob{Data: []byte("hello"), Size: 5}}, 100, "hello"},
		{"in a file", inFile, 100, "firmware"},
		{"beyond the limit", inFile, 4, "firm"},
		{"not kept", Entry{RequestBody: Blob{Size: 5, Truncated: true}}, 100, ""},
	} {
		body, err := c.e.Request(c.limit).Body.Bytes(1000)
		if string(body) != c.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", c.name, body, err, c.want)
		}
	}
	if body := (&Entry{}).Request(100).Body; body != nil {
		t.Error("got a body for a request without one")
	}
	r := inFile.Request(100)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if body, err := r.Body.Bytes(1000); len(body) != 0 || err != nil {
		t.Errorf("a removed file: got %q, %v, want none, for it was opened too early", body, err)
	}
}
