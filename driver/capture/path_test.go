package capture

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// Looking at events creates no file and changes nothing of the journal.
func TestEventsWriteNothing(t *testing.T) {
	t.Parallel()
	spool := filepath.Join(t.TempDir(), "spool")
	j := New(Options{SpoolDir: spool})
	NewSockets(j, Options{SpoolDir: spool})
	large := strings.Repeat("large ", 100_000)
	for name, e := range map[string]*Entry{
		"binary":    {ResponseHeader: exchange.HeaderOf("Content-Type", "image/png"), ResponseBody: blob("\x89PNG\xff"), RequestBody: blob("\x00\xff")},
		"encoded":   {ResponseHeader: exchange.HeaderOf("Content-Type", "text/plain", "Content-Encoding", "gzip"), ResponseBody: blob(string(compress(t, "gzip", []byte(large))))},
		"long text": {ResponseHeader: exchange.HeaderOf("Content-Type", "text/plain"), ResponseBody: blob(large)},
	} {
		e.Status = 200
		j.Add(e)
		before := j.Stats()
		j.Event(e)
		j.Events(nil, 100<<10)
		if after := j.Stats(); after != before {
			t.Errorf("%s: the journal has changed from %+v to %+v", name, before, after)
		}
	}
	if _, err := os.Stat(spool); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the spool directory: %v, want none", err)
	}
}

func TestOpenPath(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	j := New(Options{SpoolDir: spool})
	sockets := NewSockets(j, Options{SpoolDir: spool})
	gz := compress(t, "gzip", []byte("response"))
	encoded := &Entry{
		RequestHeader: exchange.HeaderOf("Content-Encoding", "odd"), RequestBody: blob("request"), Status: 200,
		ResponseHeader: exchange.HeaderOf("Content-Encoding", "gzip"), ResponseBody: blob(string(gz)),
	}
	cut := &Entry{Status: 200, ResponseHeader: encoded.ResponseHeader, ResponseBody: blob(string(gz[:len(gz)-1]))}
	lost := &Entry{Status: 200, ResponseBody: Blob{Size: 5, Truncated: true}}
	stream := &Entry{Kind: TCP, Proto: ProtoTCP}
	for _, e := range []*Entry{encoded, cut, lost, stream} {
		j.Add(e)
	}
	for _, s := range []string{"one ", "two"} {
		sockets.Add(&Entry{Kind: Message, Proto: ProtoTCP, Socket: stream.Seq, FromClient: true, RequestBody: blob(s)})
	}
	for _, tt := range []struct {
		name          string
		e             *Entry
		resp, decoded bool
		want          string
		err           error
	}{
		{"request as it came", encoded, false, false, "request", nil},
		{"response as it came", encoded, true, false, string(gz), nil},
		{"response decoded", encoded, true, true, "response", nil},
		{"response that is cut", cut, true, true, "response", nil},
		{"response that was not kept", lost, true, false, "", fs.ErrNotExist},
		{"stream", stream, false, false, "one two", nil},
	} {
		path, ok := j.bodyPath(tt.e, tt.resp, tt.decoded)
		if got, err := readPath(j, path); !ok || string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	path, _ := j.bodyPath(encoded, true, false)
	other := New(Options{SpoolDir: spool})
	other.Add(encoded)
	if _, err := readPath(other, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in another journal: %v, want %v", err, fs.ErrNotExist)
	}
	for _, path := range []string{"", filepath.Base(path), filepath.Join(spool, "sub", filepath.Base(path)), strings.Replace(path, "000001", "000009", 1)} {
		if _, err := readPath(j, path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v, want %v", path, err, fs.ErrNotExist)
		}
	}
}

// Without a spool directory there is no path.
func TestNoBodyPath(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	e := &Entry{Status: 200, ResponseHeader: exchange.HeaderOf("Content-Type", "image/png"), ResponseBody: blob("\xff")}
	j.Add(e)
	if got := j.Event(e); !bytes.Contains(got, []byte(`"response_body_file":null`)) {
		t.Errorf("got %s, want no file", got)
	}
}
