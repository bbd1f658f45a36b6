package flow

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/driver/capture"
)

// recording begins one in a directory of its own.
func recording(t *testing.T) (*Recorder, *capture.Journal, *capture.Journal, *strings.Builder) {
	t.Helper()
	exchanges, frames := capture.New(capture.Options{}), capture.New(capture.Options{})
	t.Cleanup(exchanges.Close)
	t.Cleanup(frames.Close)
	log := &strings.Builder{}
	r, err := Record(filepath.Join(t.TempDir(), "flows"), time.Now(), exchanges, frames, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r, exchanges, frames, log
}

func captured(n int) *capture.Entry {
	return &capture.Entry{Start: time.Now(), Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: fmt.Sprint("/", n), Proto: "HTTP/1.1",
		Authority: "a.test", Status: 200, ResponseBody: capture.Blob{Size: 2, Data: []byte("ok")}}
}

// A disk that is full is told of, holds nobody up, and the recording goes on
// when there is room again.
func TestRecordingOnAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	r, exchanges, _, log := recording(t)
	r.Settle(t.Context(), exchanges.Add(captured(1)))
	swap := func(f *os.File) (was *os.File) {
		r.mu.Lock()
		defer r.mu.Unlock()
		was, r.file, r.w = r.file, f, NewWriter(f)
		return was
	}
	file := swap(full)
	for n := range 3 {
		begin := time.Now()
		r.Settle(t.Context(), exchanges.Add(captured(2+n)))
		if took := time.Since(begin); took > maxPatience/2 {
			t.Errorf("request %d waited for %s", 2+n, took)
		}
	}
	r.wait(t.Context(), time.Minute, func() bool { return r.lost == 3 })
	if s := r.Stats(); s.Flows != 1 || s.Lost != 3 || !strings.Contains(s.Error, "no space left") {
		t.Errorf("%+v", s)
	}
	swap(file)
	full.Close()
	exchanges.Add(captured(5))
	r.wait(t.Context(), time.Minute, func() bool { return r.flows == 2 })
	if s := r.Stats(); s.Error != "" || s.Lost != 3 {
		t.Errorf("%+v", s)
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "3 flow(s) are missing") {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "flows are not recorded"); n != 1 || !strings.Contains(log.String(), "the recording goes on") {
		t.Errorf("the log says %s", log)
	}
	var got []string
	f, err := Open(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for fl, err := range f.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fl.Request.Path)
	}
	if strings.Join(got, " ") != "/1 /5" {
		t.Error(got)
	}
}

// What could not be written whole leaves nothing behind.
func TestRecordingCutsBack(t *testing.T) {
	t.Parallel()
	r, exchanges, _, _ := recording(t)
	r.Settle(context.Background(), exchanges.Add(captured(1)))
	short := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(short, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	e := captured(2)
	e.ResponseBody = capture.Blob{Size: 2 << 20, Path: short} // its file has been cut meanwhile
	exchanges.Add(e)
	exchanges.Add(captured(3))
	r.wait(t.Context(), time.Minute, func() bool { return r.flows == 2 })
	r.Close()
	data, err := os.ReadFile(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range NewReader(strings.NewReader(string(data)), Options{}).Flows() {
		if err != nil && err != io.EOF {
			t.Error(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d flows", n)
	}
}
