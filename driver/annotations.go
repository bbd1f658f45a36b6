package driver

import (
	"context"
	"slices"
	"strings"
	"sync"

	"starproxy/builtins/follow"
	"starproxy/driver/rpc"
)

// annotations are the marks and comments that people gave captured exchanges.
type annotations struct {
	mu      sync.Mutex
	marks   map[uint64]annotation
	changes *follow.Log[uint64] // numbers of the exchanges whose annotation changed
}

type annotation struct {
	mark, comment string
	change        uint64 // number of the change that made it
}

// maxAnnotations bounds how many there are; the oldest go.
const maxAnnotations = 10_000

func newAnnotations() *annotations {
	return &annotations{marks: map[uint64]annotation{}, changes: follow.NewLog[uint64](maxAnnotations)}
}

// Mark gives what stands at an exchange.
func (a *annotations) Mark(seq uint64) (mark, comment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.marks[seq]
	return n.mark, n.comment
}

func (a *annotations) set(seq uint64, mark, comment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change, oldest, full := a.changes.Add(seq)
	if full && a.marks[oldest].change == change-maxAnnotations {
		delete(a.marks, oldest)
	}
	if mark == "" && comment == "" {
		delete(a.marks, seq)
	} else {
		a.marks[seq] = annotation{mark, comment, change}
	}
}

// markColours are the colours that the web UI knows.
var markColours = []string{"", "red", "orange", "yellow", "green", "blue", "purple", "grey"}

// markEmoji are mitmproxy's names for them, which flow files have.
var markEmoji = map[string]string{
	"red": ":red_circle:", "orange": ":orange_circle:", "yellow": ":yellow_circle:", "green": ":green_circle:",
	"blue": ":large_blue_circle:", "purple": ":purple_circle:", "grey": ":white_circle:",
}

func (d *Driver) annotateCapture(_ context.Context, seq int, mark, comment string) (string, error) {
	if _, err := d.entry("annotate_capture", seq); err != nil {
		return "", err
	}
	if !slices.Contains(markColours, mark) {
		return "", rpc.Refuse(rpc.InvalidArgument, "annotate_capture: argument mark: expected one of %s, found %q", strings.Join(markColours[1:], ", "), mark)
	}
	if len(comment) > 10_000 {
		return "", rpc.Refuse(rpc.InvalidArgument, "annotate_capture: argument comment: expected at most 10000 bytes, found %d", len(comment))
	}
	d.notes.set(uint64(seq), mark, comment)
	return "Annotated", nil
}
