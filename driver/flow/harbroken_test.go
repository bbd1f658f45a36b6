package flow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An answer whose body can't be read is left out of a replay: an empty one in its
// place would pass for what the server said.
func TestUnreadableAnswersAreNotReplayed(t *testing.T) {
	t.Parallel()
	entry := func(path, content string) string {
		return `{"startedDateTime": "2026-11-23T06:44:02Z", "time": 1, "request": {"method": "GET", "url": "http://a.test` + path +
			`", "httpVersion": "HTTP/1.1", "headers": []}, "response": {"status": 200, "httpVersion": "HTTP/1.1", "headers": [], "content": ` + content + `}}`
	}
	path := filepath.Join(t.TempDir(), "a.har")
	har := `{"log": {"version": "1.2", "entries": [` + entry("/good", `{"text": "b2s=", "encoding": "base64"}`) + "," +
		entry("/bad", `{"text": "b2s=!", "encoding": "base64"}`) + "," + entry("/odd", `{"text": "ok", "encoding": "base85"}`) + `]}}`
	if err := os.WriteFile(path, []byte(har), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReplay(path, ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	notes := strings.Join(r.Warnings(), "\n")
	if r.Len() != 1 || !strings.Contains(notes, "2 answer(s) whose body was not stored are not replayed") || !strings.Contains(notes, "not base64") {
		t.Errorf("got %d answers and the notes %q", r.Len(), notes)
	}
}
