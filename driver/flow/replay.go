package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
)

// Repeat says which answer a request gets that was recorded more than once.
type Repeat string

// The values of Repeat.
const (
	InOrder Repeat = "order" // one after the other, then the last one for ever
	First   Repeat = "first" // the first that has an answer, as mitmproxy with reuse
	Last    Repeat = "last"
)

// ReplayOptions say how a recording answers.
type ReplayOptions struct {
	Matching
	// Repeat is InOrder when empty.
	Repeat Repeat
	// Refresh moves the times in Date, Expires, Last-Modified and of cookies on
	// by as much as has passed since the recording.
	Refresh bool
	// Timing waits before an answer, and between the messages of a WebSocket, as
	// long as it took when it was recorded.
	Timing bool
	// Missed answers what was not recorded: nil rejects it with the nearest
	// recordings, see [Replay.Reject].
	Missed exchange.Handler
	// Now tells the time; nil is the system's clock.
	Now func() time.Time
}

// maxBody bounds the request bodies that are compared, in bytes.
const maxBody = 64 << 20

// Replay answers from a recording. It never asks a real server. It is for any
// number of goroutines; which answer comes next is shared by all of them.
type Replay struct {
	o    ReplayOptions
	file *File
	name string

	mu    sync.Mutex
	byKey map[key]*answers
	items []item
	notes []string
}

// answers are the recordings of one request.
type answers struct {
	items []int32
	next  int
}

// item is what is known of a recording without reading it again.
type item struct {
	off int64
	s   subject // without its functions; host, method and scheme are shared
}

// OpenReplay reads what was recorded; the bodies stay in the file. Records that
// can't be used are passed over, see [Replay.Warnings]. A recording without any
// answer is an error.
func OpenReplay(path string, o ReplayOptions) (_ *Replay, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	r := &Replay{o: o, file: file, name: filepath.Base(path), byKey: map[key]*answers{}}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	shared := map[string]string{}
	share := func(s string) string {
		if old, ok := shared[s]; ok {
			return old
		}
		s = strings.Clone(s)
		shared[s] = s
		return s
	}
	faults, silent := 0, 0
	for f, err := range file.Flows() {
		var bad *RecordError
		switch {
		case errors.As(err, &bad):
			if faults++; faults <= maxWarned {
				r.notes = append(r.notes, err.Error())
			}
			continue
		case err != nil:
			return nil, err
		case f.Response == nil:
			silent++
			continue
		}
		s := recorded(&f.Request)
		k, err := o.keyOf(&s)
		if err != nil {
			return nil, fmt.Errorf("recording %s: %w", path, err)
		}
		a := r.byKey[k]
		if a == nil {
			a = &answers{}
			r.byKey[k] = a
		}
		a.items = append(a.items, int32(len(r.items)))
		r.items = append(r.items, item{f.Offset, subject{
			scheme: share(s.scheme), method: share(s.method), host: share(s.host), port: s.port, target: share(s.target)}})
	}
	if faults > maxWarned {
		r.notes = append(r.notes, fmt.Sprintf("recording %s: %d more records can't be used", path, faults-maxWarned))
	}
	if silent > 0 {
		r.notes = append(r.notes, fmt.Sprintf("recording %s: %d flow(s) without an answer are not replayed", path, silent))
	}
	r.notes = append(r.notes, file.Warnings()...)
	if len(r.items) == 0 {
		if len(r.notes) > 0 {
			return nil, errors.New(r.notes[0])
		}
		return nil, fmt.Errorf("recording %s: it has no HTTP answers", path)
	}
	return r, nil
}

// Len is the number of answers.
func (r *Replay) Len() int { return len(r.items) }

// Warnings tell what of the recording is not replayed.
func (r *Replay) Warnings() []string { return r.notes }

// Close closes the recording.
func (r *Replay) Close() error { return r.file.Close() }

// Respond answers with what was recorded for the same request.
func (r *Replay) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	var body []byte
	if x.Request.Body != nil && !r.o.IgnoreBody {
		b, err := x.Request.Body.Bytes(maxBody)
		if err != nil {
			return nil, fmt.Errorf("replay: request body: %w", err)
		}
		body = b
	}
	s := live(x.Request, body)
	k, err := r.o.keyOf(&s)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	at := r.pick(k)
	if at < 0 {
		if r.o.Missed != nil {
			return r.o.Missed.Respond(ctx, x)
		}
		return r.Reject(x, &s)
	}
	f, err := r.file.FlowAt(r.items[at].off)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if f.Response == nil {
		return nil, fmt.Errorf("replay: recording %s has changed since it was opened", r.name)
	}
	x.Endpoint = strings.ToUpper(x.Request.Method) + " " + x.Request.Path()
	x.Source = r.name + ":" + strconv.Itoa(at+1)
	return r.answer(x, f)
}

// pick gives the number of the item that answers, -1 when there is none.
func (r *Replay) pick(k key) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.byKey[k]
	if a == nil {
		return -1
	}
	switch r.o.Repeat {
	case First:
		return int(a.items[0])
	case Last:
		return int(a.items[len(a.items)-1])
	}
	at := a.items[a.next]
	if a.next < len(a.items)-1 {
		a.next++
	}
	return int(at)
}

// answer makes the response that was recorded.
func (r *Replay) answer(x *exchange.Exchange, f *Flow) (*exchange.Response, error) {
	rec := f.Response
	written := http.Header{}
	for _, h := range rec.Header {
		written[h.Name] = append(written[h.Name], h.Value)
	}
	res := &exchange.Response{Status: rec.Status, Origin: exchange.FromReplay}
	res.Header, res.Names = exchange.Spelling(written)
	if strings.HasPrefix(rec.Proto, "HTTP/2") || strings.HasPrefix(rec.Proto, "HTTP/3") {
		res.Names = nil // lower case is how those versions speak
	}
	for _, name := range [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding"} {
		delete(res.Header, name)
	}
	if r.o.Refresh {
		refresh(res.Header, r.o.Now().Sub(rec.Start))
	}
	if r.o.Timing && !f.Request.Start.IsZero() {
		from := f.Request.End
		if from.IsZero() {
			from = f.Request.Start
		}
		res.Delay = max(rec.Start.Sub(from), 0)
	}
	if f.WebSocket != nil && rec.Status == http.StatusSwitchingProtocols {
		return r.socket(x, f, res), nil
	}
	if rec.Status < 200 || rec.Status > 599 {
		return nil, fmt.Errorf("replay: recording %s: status %d can't be sent", x.Source, rec.Status)
	}
	sized := res.Header["Content-Length"] != nil
	if x.Request.Method != http.MethodHead {
		delete(res.Header, "Content-Length")
	}
	if err := r.body(x, res, rec); err != nil {
		return nil, fmt.Errorf("replay: recording %s: %w", x.Source, err)
	}
	if len(rec.Trailer) > 0 {
		trailer := http.Header{}
		for _, t := range rec.Trailer {
			trailer.Add(t.Name, t.Value)
		}
		if res.Header["Trailer"] == nil {
			for name := range trailer {
				res.Header.Add("Trailer", name)
			}
		}
		res.Trailer = func() http.Header { return trailer }
		sized = sized && x.Request.Proto == "HTTP/2.0" // else trailers need chunks
	}
	if b, ok := res.Body.(storedBody); ok && !sized {
		res.Body = unsized{b}
	}
	return res, nil
}

// body sets the recorded body: what is in the file is sent from there.
func (r *Replay) body(x *exchange.Exchange, res *exchange.Response, rec *Response) error {
	b := rec.Body
	switch {
	case b.Missing:
		x.Notes.Add("warning", "the recording does not have this answer's body")
	case b.Path != "":
		f, err := os.Open(b.Path)
		if err != nil {
			return err
		}
		res.Body = &exchange.File{F: f, Off: b.Off, N: b.Size}
	case len(b.Data) > 0:
		res.Body = exchange.Bytes(b.Data)
	}
	return nil
}

// storedBody is what the bodies of recordings are.
type storedBody interface {
	exchange.Body
	exchange.Stored
}

// unsized is a body that does not tell its length, as it did not then.
type unsized struct{ storedBody }

// Close closes the file, if it is one.
func (u unsized) Close() error {
	if c, ok := u.storedBody.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// maxNear is how many recordings a rejection names.
const maxNear = 5

// Reject answers with 501 and the recordings that come nearest, with what
// differs in each.
func (r *Replay) Reject(x *exchange.Exchange, s *subject) (*exchange.Response, error) {
	type near struct {
		Recording string   `json:"recording"`
		Source    string   `json:"source"`
		Why       []string `json:"why"`
	}
	body := struct {
		Error   string `json:"error"`
		Request string `json:"request"`
		Nearest []near `json:"nearest"`
	}{"nothing was recorded for this request", x.Request.Method + " " + x.Request.URL(), []near{}}
	for _, at := range r.nearest(s) {
		f, err := r.file.FlowAt(r.items[at].off)
		if err != nil {
			continue
		}
		q := exchange.Request{Scheme: f.Request.Scheme, Host: f.Request.Host, Port: f.Request.Port, Target: f.Request.Path}
		body.Nearest = append(body.Nearest, near{f.Request.Method + " " + q.URL(), r.name + ":" + strconv.Itoa(at+1), r.differences(s, f)})
	}
	res := exchange.JSON(http.StatusNotImplemented, body)
	res.Origin, res.Err = exchange.FromProxy, errors.New(body.Error)
	return res, nil
}

// nearest gives the items that differ least. A different path weighs most.
func (r *Replay) nearest(s *subject) []int {
	type scored struct{ at, score int }
	want := r.o.parts(&subject{scheme: s.scheme, method: s.method, host: s.host, port: s.port, target: s.target, header: noHeader})
	var best []scored
	seen := map[string]bool{}
	for i := range r.items {
		it := r.items[i].s
		it.header = noHeader
		score := 0
		for n, p := range r.o.parts(&it) {
			if p.value == want[n].value {
				continue
			}
			switch p.name {
			case partPath:
				score += 100 - shared(p.value, want[n].value)
			case partMethod:
				score += 8
			case partHost:
				score += 4
			default:
				score++
			}
		}
		if len(best) == maxNear && score >= best[maxNear-1].score {
			continue
		}
		// A request that was repeated a thousand times is one of the nearest.
		id := it.method + " " + it.scheme + it.host + itoa(it.port) + it.target
		if seen[id] {
			continue
		}
		seen[id] = true
		n, _ := slices.BinarySearchFunc(best, score+1, func(b scored, t int) int { return cmp.Compare(b.score, t) })
		best = slices.Insert(best, n, scored{i, score})
		best = best[:min(len(best), maxNear)]
	}
	list := make([]int, len(best))
	for i, b := range best {
		list[i] = b.at
	}
	return list
}

func noHeader(string) []string { return nil }

// shared is how much two paths have in common, 0 to 90.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	m := 0
	for m < len(a)-n && m < len(b)-n && a[len(a)-1-m] == b[len(b)-1-m] {
		m++
	}
	return 90 * (n + m) / max(len(a), len(b), 1)
}

// differences tells what of a request is not as in a recording.
func (r *Replay) differences(s *subject, f *Flow) []string {
	then := recorded(&f.Request)
	was := r.o.parts(&then)
	var why []string
	for i, p := range r.o.parts(s) {
		if p.value != was[i].value {
			why = append(why, fmt.Sprintf("%s is %s, recorded was %s", p.name, shown(p.value), shown(was[i].value)))
		}
	}
	if r.o.IgnoreBody {
		return why
	}
	a, errA := r.o.bodySum(s)
	b, errB := r.o.bodySum(&then)
	if errA == nil && errB == nil && a != b {
		why = append(why, bodyDiffers(s, &then))
	}
	if len(why) == 0 {
		why = []string{"it is the same"}
	}
	return why
}

// shown is a value as people read it.
func shown(v string) string {
	if v == "\x00" {
		return "absent"
	}
	if len(v) > 200 {
		v = v[:200] + "…"
	}
	return strconv.Quote(v)
}

// bodyDiffers shows where two bodies part.
func bodyDiffers(now, then *subject) string {
	if then.missing {
		return "the body of the recording was not stored"
	}
	a, b := start(now), start(then)
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	from := max(n-20, 0)
	return fmt.Sprintf("body differs from byte %d on: %s, recorded was %s", n, shown(a[from:min(n+40, len(a))]), shown(b[from:min(n+40, len(b))]))
}

// start is the beginning of a body.
func start(s *subject) string {
	r, err := s.body()
	if err != nil {
		return ""
	}
	defer r.Close()
	buf := make([]byte, 64<<10)
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		if n += m; err != nil {
			break
		}
	}
	return string(buf[:n])
}

func itoa(n int) string { return strconv.Itoa(n) }

// Interface guard.
var _ exchange.Handler = (*Replay)(nil)
