package capture

import (
	"bytes"
	"path/filepath"
	"testing"
)

// A held body is kept whatever the budget, by as many recordings as there are;
// then the spool goes back to its budget.
func TestHold(t *testing.T) {
	t.Parallel()
	j := New(Options{SpoolDir: filepath.Join(t.TempDir(), "spool"), MaxSpool: 1 << 20})
	defer j.Close()
	data := bytes.Repeat([]byte("0123456789abcdef"), 128<<10) // twice the budget
	body := func() *Entry {
		r := j.NewRecorder(nil, "http://a.test/")
		r.Write(data)
		return &Entry{Kind: HTTP, ResponseBody: r.Blob()}
	}
	if e := body(); !e.ResponseBody.Truncated {
		t.Error("it fits without a hold")
	}
	first, second := j.Hold(), j.Hold()
	first()
	first()
	var held []*Entry
	for range 3 {
		held = append(held, body())
	}
	j.Clear()
	j.CleanSpool()
	for i, e := range held {
		if e.ResponseBody.Truncated || !bytes.Equal(content(t, e.ResponseBody), data) {
			t.Errorf("body %d was not kept: %+v", i, e.ResponseBody)
		}
	}
	if s := j.Stats(); s.SpoolBytes < 3*int64(len(data)) {
		t.Errorf("%d bytes in the spool", s.SpoolBytes)
	}
	for _, e := range held {
		j.Add(e)
		j.Unhold(e)
	}
	if s := j.Stats(); s.SpoolBytes > 1<<20 {
		t.Errorf("%d bytes in the spool after the hold", s.SpoolBytes)
	}
	second()
	if e := body(); !e.ResponseBody.Truncated {
		t.Error("it fits after the hold")
	}
}
