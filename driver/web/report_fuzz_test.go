package web

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/driver/flow"
	"starproxy/driver/view"
)

// FuzzReport makes reports of recordings by strangers. Whatever they have, the document
// has the scripts that it must have, and no other.
func FuzzReport(f *testing.F) {
	var seed bytes.Buffer
	w := flow.NewWriter(&seed)
	for _, r := range recorded() {
		if err := w.Write(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(seed.Bytes())
	f.Add([]byte(`{"log":{"entries":[{"startedDateTime":"2026-01-31T12:00:00Z","request":{"method":"GET","url":"https://a.test/</script>","headers":[{"name":"x","value":"<!--"}]},"response":{"status":200,"content":{"text":"<script>"}},"_webSocketMessages":[{"type":"send","time":1,"opcode":2,"data":"AA=="}]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.bin")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := flow.OpenWith(path, flow.Options{Streams: true})
		if err != nil {
			return
		}
		defer file.Close()
		s, err := view.NewSession(file.Flows(), view.Known{Name: "x.bin"})
		if err != nil {
			return
		}
		defer s.Close()
		var out bytes.Buffer
		if err := WriteReport(t.Context(), &out, s, view.Budget{}); err != nil {
			t.Fatal(err)
		}
		scripts := 2 // the index and the page's own
		if s.Journal.Stats().Entries > 0 {
			scripts++
		}
		if text := out.String(); strings.Count(text, "<script") != scripts || strings.Count(text, "</script>") != scripts {
			t.Errorf("got %d scripts, want %d", strings.Count(text, "<script"), scripts)
		}
	})
}
