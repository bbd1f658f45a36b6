package flow

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// recording begins one in a directory of its own.
func recording(t *testing.T) (*Recorder, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	r, err := Record(filepath.Join(t.TempDir(), "flows"), time.Now(), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, log
}

func captured(n int) *capture.Entry {
	return &capture.Entry{Start: time.Now(), Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: fmt.Sprint("/", n), Proto: "HTTP/1.1",
		Authority: "a.test", Status: 200, ResponseBody: capture.Blob{Size: 2, Data: []byte("ok")}}
}

// flowsOf reads a recording, which must be whole.
func flowsOf(t *testing.T, path string) (list []*Flow) {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for fl, err := range f.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fl)
	}
	return list
}

func pathsOf(list []*Flow) string {
	var paths []string
	for _, f := range list {
		paths = append(paths, f.Request.Path)
	}
	return strings.Join(paths, " ")
}

// A disk that is full is told of, and the recording goes on when there is room
// again.
func TestRecordingOnAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	r, log := recording(t)
	r.Exchange(captured(1))
	swap := func(f *os.File) (was *os.File) {
		r.mu.Lock()
		defer r.mu.Unlock()
		was, r.file, r.w = r.file, f, NewWriter(f)
		return was
	}
	file := swap(full)
	for n := range 3 {
		r.Exchange(captured(2 + n))
	}
	if s := r.Stats(); s.Flows != 1 || s.Lost != 3 || !strings.Contains(s.Error, "no space left") {
		t.Errorf("%+v", s)
	}
	swap(file)
	full.Close()
	r.Exchange(captured(5))
	if s := r.Stats(); s.Flows != 2 || s.Error != "" || s.Lost != 3 {
		t.Errorf("%+v", s)
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "3 flow(s) are missing") {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "flows are not recorded"); n != 1 || !strings.Contains(log.String(), "the recording goes on") {
		t.Errorf("the log says %s", log)
	}
	if got := pathsOf(flowsOf(t, r.Path())); got != "/1 /5" {
		t.Error(got)
	}
}

// What could not be written whole leaves nothing behind.
func TestRecordingCutsBack(t *testing.T) {
	t.Parallel()
	r, _ := recording(t)
	r.Exchange(captured(1))
	short := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(short, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	e := captured(2)
	e.ResponseBody = capture.Blob{Size: 2 << 20, Path: short} // its file has been cut meanwhile
	r.Exchange(e)
	r.Exchange(captured(3))
	if s := r.Stats(); s.Flows != 2 || s.Lost != 1 {
		t.Errorf("%+v", s)
	}
	r.Close()
	if got := pathsOf(flowsOf(t, r.Path())); got != "/1 /3" {
		t.Error(got)
	}
}

// A flow whose body is not there is written, and counts as lost as well.
func TestRecordingTellsOfLostBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]capture.Blob{
		"not kept":  {Size: 1000, Truncated: true},
		"cut":       {Size: 1000, Data: []byte("begin"), Truncated: true},
		"gone":      {Size: 1000, Path: filepath.Join(t.TempDir(), "000001_000000000000.bin"), Spooled: true},
		"no trace":  {Size: 1000},
		"an upload": {Size: 1000, Truncated: true},
	} {
		r, log := recording(t)
		e := captured(1)
		if name == "an upload" {
			e.RequestBody = body
		} else {
			e.ResponseBody = body
		}
		r.Exchange(e)
		if s := r.Stats(); s.Flows != 1 || s.Lost != 1 || !strings.Contains(s.Error, "was not kept whole") {
			t.Errorf("%s: %+v", name, s)
		}
		if err := r.Close(); err == nil || !strings.Contains(log.String(), "was not kept whole") {
			t.Errorf("%s: %v, the log says %s", name, err, log)
		}
		f := flowsOf(t, r.Path())[0]
		if missing := f.Response.Body.Missing || f.Request.Body.Missing; !missing {
			t.Errorf("%s: %+v", name, f.Response.Body)
		}
	}
}

// shaken gives the handshake of a WebSocket.
func shaken(seq uint64) *capture.Entry {
	e := captured(int(seq))
	e.Seq, e.Status, e.ResponseBody = seq, 101, capture.Blob{}
	e.ResponseHeader = exchange.HeaderOf("Upgrade", "websocket")
	return e
}

func said(seq uint64, text string, fromClient bool) *capture.Entry {
	e := &capture.Entry{Kind: capture.Message, Start: time.Now(), Socket: seq, FromClient: fromClient}
	if b := (capture.Blob{Size: int64(len(text)), Data: []byte(text)}); fromClient {
		e.RequestBody = b
	} else {
		e.ResponseBody = b
	}
	return e
}

func ended(seq uint64) *capture.Entry {
	e := *shaken(seq)
	e.Kind, e.Socket, e.CloseCode, e.CloseReason, e.FromClient = capture.SocketEnd, seq, 4001, "done", true
	return &e
}

// texts are the messages of a flow.
func texts(f *Flow) string {
	var list []string
	for _, m := range f.WebSocket.Messages {
		list = append(list, string(m.Data))
	}
	return strings.Join(list, " ")
}

// The messages of open WebSockets are in the file when Message returns, and a
// file of a process that was killed has one flow for each socket.
func TestOpenSocketsAreRecorded(t *testing.T) {
	t.Parallel()
	r, _ := recording(t)
	one, two := shaken(1), shaken(2)
	want := map[string]string{"/1": "", "/2": ""}
	say := func(hs *capture.Entry, text string) {
		r.Message(hs, said(hs.Seq, text, len(text)%2 == 0))
		want[hs.Target] = strings.TrimSpace(want[hs.Target] + " " + text)
		list := flowsOf(t, r.Path())
		if len(list) > 4 {
			t.Errorf("%d flows", len(list))
		}
		for _, f := range list {
			if f.WebSocket != nil && texts(f) != want[f.Request.Path] {
				t.Errorf("%s: got %s, want %s", f.Request.Path, texts(f), want[f.Request.Path])
			}
			if len(f.Metadata) > 0 {
				t.Error(f.Metadata)
			}
		}
	}
	say(one, "a")
	say(one, "bb")
	say(two, "x")
	r.Exchange(captured(7))
	say(one, "ccc")
	r.mu.Lock()
	r.compact() // with sockets open
	r.mu.Unlock()
	say(two, "yy")
	say(one, "dddd")
	r.SocketEnd(ended(1))
	list := flowsOf(t, r.Path())
	if got := pathsOf(list); got != "/7 /2 /1" {
		t.Error(got)
	}
	if f := list[2]; texts(f) != "a bb ccc dddd" || f.WebSocket.CloseCode != 4001 || !f.WebSocket.Messages[1].FromClient || f.WebSocket.Messages[0].FromClient {
		t.Errorf("%+v", f.WebSocket)
	}
	r.SocketEnd(ended(3)) // one that said nothing
	say(two, "zz")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Flows != 4 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	raw, err := os.ReadFile(r.Path())
	if err != nil || strings.Contains(string(raw), partKey) {
		t.Errorf("%v, parts are left in a file of %d bytes", err, len(raw))
	}
	n := 0
	for f, err := range opened(t, raw, Options{}).Flows() {
		if err != nil && err != io.EOF {
			t.Error(err)
		}
		if f.Request.Path == "/2" && texts(f) != "x yy zz" {
			t.Error(texts(f))
		}
		n++
	}
	if n != 4 {
		t.Errorf("%d flows", n)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(r.Path()), "*")); len(files) != 1 {
		t.Error(files)
	}
}

func TestExtents(t *testing.T) {
	t.Parallel()
	var x extents
	for _, s := range [][2]int64{{0, 3}, {5, 1}, {6, 300}, {1 << 40, 2}} {
		x.add(s[0], s[1])
	}
	var got, gaps []int64
	for off, n := range x.all() {
		got = append(got, off, n)
	}
	for off, n := range x.gaps(1<<40 + 10) {
		gaps = append(gaps, off, n)
	}
	if fmt.Sprint(got) != fmt.Sprint([]int64{0, 3, 5, 1, 6, 300, 1 << 40, 2}) || fmt.Sprint(gaps) != fmt.Sprint([]int64{3, 2, 306, 1<<40 - 306, 1<<40 + 2, 8}) || x.size != 306 {
		t.Error(got, gaps, x.size)
	}
}
