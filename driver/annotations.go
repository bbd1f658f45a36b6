package driver

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
)

// annotations are the marks and comments that people gave captured exchanges.
type annotations struct {
	mu    sync.Mutex
	marks map[uint64]annotation
	order []uint64 // of changes, the latest last
	base  int      // how many changes were forgotten
	wake  chan struct{}
}

type annotation struct{ mark, comment string }

// maxAnnotations bounds how many there are; the oldest go.
const maxAnnotations = 10_000

func newAnnotations() *annotations {
	return &annotations{marks: map[uint64]annotation{}, wake: make(chan struct{})}
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
	if mark == "" && comment == "" {
		delete(a.marks, seq)
	} else {
		a.marks[seq] = annotation{mark, comment}
	}
	a.order = append(a.order, seq)
	if len(a.order) > maxAnnotations {
		delete(a.marks, a.order[0])
		a.order = a.order[1:]
		a.base++
	}
	close(a.wake)
	a.wake = make(chan struct{})
}

// made is how many changes there were.
func (a *annotations) made() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.base + len(a.order)
}

// changes gives the exchanges whose annotation changed after that many changes,
// as far as they are remembered, and those whose changes from now on.
func (a *annotations) changes(ctx context.Context, next int) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for {
			a.mu.Lock()
			var news []uint64
			if at := next - a.base; at < len(a.order) {
				news = append(news, a.order[max(at, 0):]...)
			}
			next = a.base + len(a.order)
			wake := a.wake
			a.mu.Unlock()
			for _, seq := range news {
				if !yield(seq) {
					return
				}
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
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
		return "", errorf(InvalidArgument, "annotate_capture: argument mark: expected one of %s, found %q", strings.Join(markColours[1:], ", "), mark)
	}
	if len(comment) > 10_000 {
		return "", errorf(InvalidArgument, "annotate_capture: argument comment: expected at most 10000 bytes, found %d", len(comment))
	}
	d.notes.set(uint64(seq), mark, comment)
	return "Annotated", nil
}
