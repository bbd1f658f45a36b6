package capture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"starproxy/builtins/exchange"
)

// Bodies in files that are used again are whole, never longer than they were,
// and a reader of a dropped body keeps what it began to read.
func TestRecycledFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := New(Options{SpoolDir: dir, MaxSpool: 32 << 20})
	defer j.Close()
	h := exchange.HeaderOf("Content-Type", "application/octet-stream")
	var reading io.ReadCloser
	for i := range 60 {
		body := bytes.Repeat([]byte{byte(i + 1)}, 4<<20-i*1000)
		r := j.NewRecorder(h, fmt.Sprint(i))
		for p := body; len(p) > 0; p = p[min(len(p), 100_000):] {
			r.Write(p[:min(len(p), 100_000)])
		}
		b := r.Blob()
		if fi, err := os.Stat(b.Path); err != nil || fi.Size() != int64(len(body)) || b.Truncated {
			t.Fatalf("%d: %+v %v %v", i, b, fi, err)
		}
		f, err := OpenBody(b)
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			reading = f
			io.ReadFull(f, make([]byte, 10))
		} else {
			got, _ := io.ReadAll(f)
			f.Close()
			if !bytes.Equal(got, body) {
				t.Fatal(i, "another body than was written")
			}
		}
		j.Add(&Entry{Status: 200, ResponseBody: b})
	}
	rest, err := io.ReadAll(reading)
	reading.Close()
	if err != nil || len(bytes.Trim(rest, "\x04")) > 0 || len(rest) != 4<<20-3000-10 {
		t.Error("a body changed while it was read", len(rest), err)
	}
	if s := j.Stats(); s.SpoolDropped == 0 || s.SpoolBytes > 32<<20 {
		t.Errorf("%+v", s)
	}
	j.Clear()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error(len(left), "files left after Clear")
	}
}
