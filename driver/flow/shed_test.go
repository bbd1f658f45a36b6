package flow

import (
	"testing"
	"time"

	"starproxy/driver/capture"
)

// A part that is taken off is written as one that was not stored; the flow that it was
// copied from keeps it.
func TestShed(t *testing.T) {
	t.Parallel()
	body := func(text string) Body { return Body{Blob: capture.Blob{Data: []byte(text), Size: int64(len(text))}} }
	whole := &Flow{
		Created: time.Unix(1700000000, 0), Metadata: map[string]any{"a": "b"},
		Request:   Request{Method: "POST", Scheme: "http", Host: "a.test", Port: 80, Path: "/", Proto: "HTTP/1.1", Body: body("sent")},
		Response:  &Response{Status: 200, Proto: "HTTP/1.1", Body: body("answered")},
		WebSocket: &WebSocket{Messages: []Message{{Data: []byte("hi")}, {Data: []byte("you")}}},
	}
	for part, size := range []int64{4, 8, 5} {
		if got := whole.PartSize(Part(part)); got != size {
			t.Errorf("part %d: got size %d, want %d", part, got, size)
		}
		lean := *whole
		lean.Shed(Part(part))
		read := all(t, opened(t, encoded(t, &lean), Options{}).Flows())[0]
		for other, size := range []int64{4, 8, 5} {
			want := size
			if other == part {
				want = 0
			}
			if got := read.PartSize(Part(other)); got != want {
				t.Errorf("without part %d: part %d has %d bytes, want %d", part, other, got, want)
			}
		}
		if unstored := read.Metadata[bodyKey] == bodyUnstored; unstored != (Part(part) == ResponseBody) {
			t.Errorf("without part %d: got metadata %v", part, read.Metadata)
		}
		if whole.PartSize(Part(part)) != size || whole.Metadata[bodyKey] != nil {
			t.Errorf("without part %d: the flow that it was copied from has changed", part)
		}
	}
}
