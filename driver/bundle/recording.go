package bundle

import (
	"bufio"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"starproxy/driver/flow"
)

// maxRaw is the largest recording in a bundle before it is compressed, in bytes. Programs
// that open it have to unpack it.
const maxRaw = 512 << 20

// quota is the part of the size that the recording may take: a quarter. The HAR document,
// the packets and the page have the same exchanges.
const quota = 4

// Record writes flows to a recording on the disk, from which the files of the bundle are
// made, and fills in the times and the number of exchanges of the manifest. When the flows
// are too large for the bundle, the largest bodies and messages are left out, and then the
// oldest exchanges; the manifest names them. The recording can be read until Close. The
// caller closes it before.
func (b *Writer) Record(flows iter.Seq2[*flow.Flow, error]) (*flow.File, error) {
	room := b.max / quota
	var cut cut
	path := filepath.Join(b.own.Path, "recording")
	for {
		next := path + ".next" // flows may come from the file at path
		now, err := record(next, flows, cut)
		if err == nil {
			err = os.Rename(next, path)
		}
		if err != nil {
			return nil, fmt.Errorf("bundle: %w", err)
		}
		file, err := b.reopen(path)
		if err != nil {
			return nil, err
		}
		if now.packed <= room && now.raw <= maxRaw || len(now.exchanges) == 0 {
			b.manifest.Exchanges, b.manifest.First, b.manifest.Last = len(now.exchanges), now.first, now.last
			return file, nil
		}
		// The next recording is made from this one.
		cut = now.shrink(min(maxRaw, int64(float64(now.raw)*min(0.9, 0.9*float64(room)/float64(now.packed)))))
		for _, text := range cut.told {
			b.LeaveOut(text, "the exchanges do not fit into the size of the bundle")
		}
		flows = closing(file)
	}
}

// Rewrite makes a recording of what change returns for each flow of another one, which it
// closes and removes. The caller closes the new one.
func (b *Writer) Rewrite(file *flow.File, change func(*flow.Flow) (*flow.Flow, error)) (*flow.File, error) {
	path := filepath.Join(b.own.Path, "rewritten")
	old := filepath.Join(b.own.Path, "recording")
	changed := func(yield func(*flow.Flow, error) bool) {
		for f, err := range file.Flows() {
			if err == nil {
				f, err = change(f)
			}
			if !yield(f, err) {
				return
			}
		}
	}
	_, err := record(path, changed, cut{})
	if err = errors.Join(err, file.Close(), os.Remove(old)); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := os.Rename(path, old); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return b.reopen(old)
}

// reopen opens a recording that the writer has made.
func (b *Writer) reopen(path string) (*flow.File, error) {
	file, err := flow.OpenWith(path, flow.Options{Streams: true, Name: Flows})
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return file, nil
}

// closing yields the flows of a file, and then closes the file.
func closing(file *flow.File) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		defer file.Close()
		file.Flows()(yield)
	}
}

// extent is the size of an exchange in a recording.
type extent struct {
	title string
	bare  int64 // without its parts, in bytes
	parts [flow.Messages + 1]int64
}

// extents are the sizes of a recording.
type extents struct {
	exchanges   []extent
	raw, packed int64 // bytes before and after they are compressed
	first, last *time.Time
}

// cut says which parts of a recording are left out, by the numbers of exchanges.
type cut struct {
	first int // the exchanges before are left out
	parts map[int][flow.Messages + 1]bool
	told  []string
}

// record writes flows to the file at path, without those of cut.
func record(path string, flows iter.Seq2[*flow.Flow, error], c cut) (_ *extents, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffer := bufio.NewWriterSize(out, 64<<10)
	disk, packed := &counter{w: buffer}, &counter{w: io.Discard}
	press, err := flate.NewWriter(packed, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	w, all, n := flow.NewWriter(io.MultiWriter(disk, press)), &extents{}, 0
	for f, err := range flows {
		if err != nil {
			return nil, err
		}
		n++
		if n <= c.first {
			continue
		}
		lean := *f
		for part, gone := range c.parts[n-1] {
			if gone {
				lean.Shed(flow.Part(part))
			}
		}
		before := disk.n
		if err := w.Write(&lean); err != nil {
			return nil, err
		}
		all.add(&lean, disk.n-before)
	}
	if err := errors.Join(buffer.Flush(), press.Close()); err != nil {
		return nil, err
	}
	all.raw, all.packed = disk.n, packed.n
	return all, nil
}

// add notes an exchange, whose record has size bytes.
func (x *extents) add(f *flow.Flow, size int64) {
	e := extent{title: title(f), bare: size}
	for p := range e.parts {
		e.parts[p] = f.PartSize(flow.Part(p))
		e.bare -= e.parts[p]
	}
	x.exchanges = append(x.exchanges, e)
	at := cmp.Or(f.Request.Start, f.Created).UTC()
	if x.first == nil || at.Before(*x.first) {
		x.first = &at
	}
	if x.last == nil || at.After(*x.last) {
		x.last = &at
	}
}

// title names an exchange.
func title(f *flow.Flow) string {
	r := &f.Request
	if f.Stream {
		return "TCP " + f.Server.Address
	}
	return fmt.Sprintf("%s %s://%s%s", r.Method, r.Scheme, r.Host, r.Path)
}

// minPart is the smallest part that is left out before exchanges are, in bytes.
const minPart = 1 << 10

// shrink returns the cut after which about target bytes are left.
func (x *extents) shrink(target int64) cut {
	type portion struct {
		exchange, part int
		size           int64
	}
	var large []portion
	for i := range x.exchanges {
		for p, size := range x.exchanges[i].parts {
			if size >= minPart {
				large = append(large, portion{i, p, size})
			}
		}
	}
	slices.SortStableFunc(large, func(a, b portion) int { return cmp.Compare(b.size, a.size) })
	c, left := cut{parts: map[int][flow.Messages + 1]bool{}}, x.raw
	for _, p := range large {
		if left <= target {
			break
		}
		gone := c.parts[p.exchange]
		gone[p.part] = true
		c.parts[p.exchange] = gone
		left -= p.size
		x.exchanges[p.exchange].parts[p.part] = 0
		names := [...]string{"the body of the request", "the body of the response", "the messages"}
		c.told = append(c.told, fmt.Sprintf("%s, %d bytes of %s", names[p.part], p.size, x.exchanges[p.exchange].title))
	}
	for i := range x.exchanges {
		if left <= target {
			break
		}
		e := &x.exchanges[i]
		left -= e.bare
		for _, size := range e.parts {
			left -= size
		}
		c.first = i + 1
		c.told = append(c.told, e.title)
	}
	return c
}
