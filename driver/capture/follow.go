package capture

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// ErrClosed says that the journal was closed during a wait.
var ErrClosed = errors.New("the journal of captures is closed")

// MissedError says how many entries left the journal before a reader reached them. The
// reader goes on with the next entries.
type MissedError struct{ Entries uint64 }

func (e *MissedError) Error() string {
	return fmt.Sprintf("missed %d captured request(s): they left the journal before they were read", e.Entries)
}

// Filter reports whether an entry is wanted. A nil Filter matches all entries. It must not
// keep or change the entry.
type Filter func(*Entry) bool

func (f Filter) pass(e *Entry) bool { return f == nil || f(e) }

// Request returns a filter of HTTP exchanges by method and path with query, both as they
// were sent. A path that ends in "*" matches all paths that begin with the text before it.
func Request(method, path string) Filter {
	prefix, wild := strings.CutSuffix(path, "*")
	return func(e *Entry) bool {
		if e.Kind != HTTP || e.Method != method {
			return false
		}
		if wild {
			return strings.HasPrefix(e.Target, prefix)
		}
		return e.Target == path
	}
}

// The largest batch that is copied under one lock, in entries and bytes.
const (
	batchEntries = 128
	batchBytes   = 128 << 10
)

// batch is a copy of some consecutive packed entries.
type batch struct {
	first uint64
	buf   []byte
	ends  []int
	kept  []kept
}

// read copies entries with numbers of at least from into b. When there are none, it
// returns a channel that the next Add closes. missed counts the entries from that
// number on that were dropped.
func (j *Journal) read(from uint64, b *batch) (missed uint64, wake <-chan struct{}, closed bool) {
	b.buf, b.ends = b.buf[:0], b.ends[:0]
	clear(b.kept)
	b.kept = b.kept[:0]
	j.mu.Lock()
	defer j.mu.Unlock()
	// Entries that were cleared do not count as missed.
	from = max(from, j.cleared+1)
	if oldest := j.oldest(); from < oldest {
		missed, from = oldest-from, oldest
	}
	b.first = from
	for seq := from; seq <= j.last && len(b.ends) < batchEntries && len(b.buf) < batchBytes; seq++ {
		s, i, _ := j.find(seq)
		if j.isHidden(seq) {
			b.ends = append(b.ends, len(b.buf))
			continue
		}
		b.buf = append(b.buf, s.packed(i)...)
		b.ends = append(b.ends, len(b.buf))
		if k := s.find(i); k != nil {
			k := *k
			k.index = uint32(len(b.ends) - 1)
			b.kept = append(b.kept, k)
		}
	}
	if len(b.ends) == 0 {
		return missed, j.changed.Changed(), j.closed
	}
	return missed, nil, false
}

// entries yields the unpacked entries of a batch, oldest first.
func (b *batch) entries(yield func(*Entry) bool) bool {
	start, k := 0, 0
	for i, end := range b.ends {
		if end == start { // deleted
			continue
		}
		var holds kept
		if k < len(b.kept) && b.kept[k].index == uint32(i) {
			holds = b.kept[k]
			k++
		}
		e, err := unpack(b.buf[start:end])
		if err == nil {
			e.Seq = b.first + uint64(i)
			holds.req.restore(&e.RequestBody)
			holds.resp.restore(&e.ResponseBody)
			if !yield(e) {
				return false
			}
		}
		start = end
	}
	return true
}

// restore completes an unpacked Blob with the data or file that the slab has for it.
func (h held) restore(b *Blob) {
	switch {
	case h.data != nil:
		b.Data = h.data
	case b.Spooled:
		if h.file == nil || h.file.gone.Load() {
			b.Path, b.Spooled, b.Truncated = "", false, true
			if h.file != nil {
				b.Lost = h.file.why
			}
		}
	case b.Path == "" && b.Data == nil && b.Size > 0:
		b.Truncated = true
	}
}

// Follow yields the entries that f matches: first those that the journal still has with
// a number above after, then new ones as they come. It ends when ctx ends or the journal
// is closed.
//
// With after 0, or a number that this journal has not reached, it starts with the
// oldest entry. A reader that is too slow gets a *MissedError in place of the entries
// that are gone, and then the next ones. Each reader gets copies of its own.
func (j *Journal) Follow(ctx context.Context, f Filter, after uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		j.mu.Lock()
		if after == 0 || after > j.last {
			after = j.oldest() - 1
		}
		j.mu.Unlock()
		var b batch
		for next := after + 1; ; {
			missed, wake, closed := j.read(next, &b)
			if missed > 0 && !yield(nil, &MissedError{missed}) {
				return
			}
			next = b.first + uint64(len(b.ends))
			whole := b.entries(func(e *Entry) bool {
				return ctx.Err() == nil && (!f.pass(e) || yield(e, nil))
			})
			if !whole || closed || ctx.Err() != nil {
				return
			}
			if wake == nil {
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

// All yields the entries that f matches and that the journal has now, oldest first. It
// reads a few at a time, so that it never takes the memory of all of them.
func (j *Journal) All(f Filter) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		last := j.Last()
		var b batch
		for next := uint64(1); next <= last; next = b.first + uint64(len(b.ends)) {
			j.read(next, &b)
			if len(b.ends) == 0 {
				return
			}
			whole := b.entries(func(e *Entry) bool {
				return e.Seq <= last && (!f.pass(e) || yield(e))
			})
			if !whole {
				return
			}
		}
	}
}

// Get returns the entry of a number. ok is false when the journal no longer has it.
func (j *Journal) Get(seq uint64) (*Entry, bool) {
	var b batch
	j.mu.Lock()
	s, i, ok := j.find(seq)
	if ok && !j.isHidden(seq) {
		b.first = seq
		b.buf = append(b.buf, s.packed(i)...)
		b.ends = append(b.ends, len(b.buf))
		if k := s.find(i); k != nil {
			k := *k
			k.index = 0
			b.kept = append(b.kept, k)
		}
	}
	j.mu.Unlock()
	var found *Entry
	b.entries(func(e *Entry) bool {
		found = e
		return false
	})
	return found, found != nil
}

// Entries returns the entries of [Journal.All] as a slice.
func (j *Journal) Entries(f Filter) []*Entry {
	var list []*Entry
	for e := range j.All(f) {
		list = append(list, e)
	}
	return list
}

// Wait returns the first entry that f matches. When there is none yet, it waits for one
// to come. The error is that of ctx, or ErrClosed.
func (j *Journal) Wait(ctx context.Context, f Filter) (*Entry, error) {
	for e := range j.Follow(ctx, f, 0) {
		if e != nil {
			return e, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, ErrClosed
}
