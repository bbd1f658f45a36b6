package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
)

// Repeat says which response a request gets when it was recorded more than once.
type Repeat string

// The values of Repeat.
const (
	InOrder Repeat = "order" // one after the other, then always the last one
	First   Repeat = "first" // the first one with a response, as mitmproxy does with reuse
	Last    Repeat = "last"
)

// ReplayOptions say how a recording answers.
type ReplayOptions struct {
	Matching
	// Repeat is InOrder when empty.
	Repeat Repeat
	// Refresh adds the time since the recording to Date, Expires, Last-Modified and the
	// expiry of cookies.
	Refresh bool
	// Timing waits before a response, and between the messages of a WebSocket, as long as
	// it took in the recording.
	Timing bool
	// Missed answers requests that were not recorded. With nil they are rejected, see
	// [Replay.Reject].
	Missed exchange.Handler
	// Now returns the time. Nil means the clock of the system.
	Now func() time.Time
}

// maxBody is the largest request body that is compared, in bytes.
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
	forms bool // some recordings have only the fields of a form
	notes []string
}

// answers are the recordings of one request.
type answers struct {
	items []int32
	next  int
}

// item has the parts of a recording that are in memory.
type item struct {
	off int64
	s   subject // without its functions; host, method and scheme are shared
}

// OpenReplay indexes the recording at path; the bodies stay in the file.
// [Replay.Warnings] names the records that cannot be used. A recording without
// any answer is an error.
func OpenReplay(path string, o ReplayOptions) (*Replay, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	r := &Replay{o: o, file: file, name: filepath.Base(path), byKey: map[key]*answers{}}
	if err := r.index(path); err != nil {
		file.Close()
		return nil, err
	}
	return r, nil
}

// index reads the records of the file once. path is the file's name in messages.
func (r *Replay) index(path string) error {
	texts := sharedTexts{}
	faults, silent, unstored := 0, 0, 0
	for f, err := range r.file.Flows() {
		var bad *RecordError
		switch {
		case errors.As(err, &bad):
			if faults++; faults <= maxWarned {
				r.notes = append(r.notes, err.Error())
			}
		case err != nil:
			return err
		case f.Response == nil:
			silent++
		case f.Metadata[bodyKey] == bodyUnstored:
			unstored++
		default:
			if err := r.add(f, texts); err != nil {
				return fmt.Errorf("recording %s: %w", path, err)
			}
		}
	}
	note := func(n int, text string) {
		if n > 0 {
			r.notes = append(r.notes, fmt.Sprintf("recording %s: %d %s", path, n, text))
		}
	}
	note(faults-maxWarned, "more records can't be used")
	note(silent, "flow(s) without an answer are not replayed")
	note(unstored, "answer(s) whose body was not stored are not replayed")
	r.notes = append(r.notes, r.file.Warnings()...)
	switch {
	case len(r.items) > 0:
		return nil
	case len(r.notes) > 0:
		return errors.New(r.notes[0])
	default:
		return fmt.Errorf("recording %s: it has no HTTP answers", path)
	}
}

// add puts the flow f under its key.
func (r *Replay) add(f *Flow, texts sharedTexts) error {
	s := subjectOf(f)
	r.forms = r.forms || s.fields
	k, err := r.o.keyOf(&s)
	if err != nil {
		return err
	}
	a := r.byKey[k]
	if a == nil {
		a = &answers{}
		r.byKey[k] = a
	}
	a.items = append(a.items, int32(len(r.items)))
	r.items = append(r.items, item{f.Offset, subject{
		scheme: texts.share(s.scheme), method: texts.share(s.method), host: texts.share(s.host), port: s.port,
		target: texts.share(s.target), span: texts.share(s.span)}})
	return nil
}

// sharedTexts holds one copy of each text.
type sharedTexts map[string]string

// share returns the copy of s that all share. It does not hold on to the memory
// that s is a part of.
func (t sharedTexts) share(s string) string {
	if old, ok := t[s]; ok {
		return old
	}
	s = strings.Clone(s)
	t[s] = s
	return s
}

// Len returns the number of answers.
func (r *Replay) Len() int { return len(r.items) }

// Warnings names the parts of the recording that are not replayed.
func (r *Replay) Warnings() []string { return r.notes }

// Close closes the recording.
func (r *Replay) Close() error { return r.file.Close() }

// Respond answers x as the recording answered the same request.
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
	at, err := r.find(&s)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if at < 0 {
		x.Unmatched = true
		if r.o.Missed != nil {
			return r.passed(ctx, x, &s)
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

// find returns the number of the item that answers, -1 when there is none. A range
// that was not recorded may be answered with the whole, as a server may do.
func (r *Replay) find(s *subject) (int, error) {
	at, err := r.findExactly(s)
	if at >= 0 || err != nil || !r.forms {
		return at, err
	}
	form := *s
	form.fields = true
	return r.findExactly(&form)
}

func (r *Replay) findExactly(s *subject) (int, error) {
	k, err := r.o.keyOf(s)
	if err != nil {
		return -1, err
	}
	at := r.pick(k)
	if at >= 0 || s.span == "" {
		return at, nil
	}
	whole := *s
	whole.span = ""
	if k, err = r.o.keyOf(&whole); err != nil {
		return -1, err
	}
	return r.pick(k), nil
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
	res := &exchange.Response{Status: rec.Status, Header: rec.Header.Clone(), Origin: exchange.FromReplay}
	res.Header.DropHops()
	if at, known := answered(rec, res.Header); r.o.Refresh && known {
		refresh(res.Header, r.o.Now().Sub(at))
	}
	if r.o.Timing && !f.Request.Start.IsZero() {
		from := f.Request.End
		if from.IsZero() {
			from = f.Request.Start
		}
		res.Delay = clamp(rec.Start.Sub(from))
	}
	if f.WebSocket != nil && rec.Status == http.StatusSwitchingProtocols {
		return r.socket(x, f, res), nil
	}
	if rec.Status < 200 || rec.Status > 599 {
		return nil, fmt.Errorf("replay: recording %s: status %d can't be sent", x.Source, rec.Status)
	}
	if broke, n := brokeOff(x.Request.Method, f); broke {
		return r.breakOff(x, res, f, n)
	}
	sized := res.Header.Has("Content-Length")
	if err := r.body(x, res, rec); err != nil {
		return nil, fmt.Errorf("replay: recording %s: %w", x.Source, err)
	}
	if len(rec.Trailer) > 0 {
		if !res.Header.Has("Trailer") {
			for _, name := range rec.Trailer.Names() {
				res.Header.Add("Trailer", name)
			}
		}
		res.Trailer = func() exchange.Header { return rec.Trailer }
		sized = sized && x.Request.Proto == "HTTP/2.0" // else trailers need chunks
	}
	switch {
	case x.Request.Method == http.MethodHead:
	case sized && !exchange.Bodiless(x.Request.Method, rec.Status):
		res.Header.Set("Content-Length", strconv.FormatInt(rec.Body.Size, 10))
	default:
		res.Header.Del("Content-Length")
	}
	if b, ok := res.Body.(storedBody); ok && !sized {
		res.Body = unsized{b}
	}
	return res, nil
}

// breakOff completes res to an answer that ends where the recorded one broke
// off, of the n bytes that were announced.
func (r *Replay) breakOff(x *exchange.Exchange, res *exchange.Response, f *Flow, n int64) (*exchange.Response, error) {
	res.Header.Del("Content-Length")
	if err := r.body(x, res, f.Response); err != nil {
		return nil, fmt.Errorf("replay: recording %s: %w", x.Source, err)
	}
	res.Body = &exchange.Broken{Body: res.Body, N: n}
	return res, nil
}

// body sets the recorded body. A body in the file is sent from there.
func (r *Replay) body(x *exchange.Exchange, res *exchange.Response, rec *Response) error {
	b := rec.Body
	switch {
	case b.Missing:
		x.Notes.Add("warning", "the recording does not have this answer's body")
	case b.Path != "":
		f, _, err := disk.Open(b.Path)
		if err != nil {
			return err
		}
		res.Body = &exchange.File{F: f, Off: b.Off, N: b.Size}
	case len(b.Data) > 0:
		res.Body = exchange.Bytes(b.Data)
	}
	return nil
}

// storedBody is a body of a recording.
type storedBody interface {
	exchange.Body
	exchange.Stored
}

// unsized is a body without a length, because the recorded one had none.
type unsized struct{ storedBody }

// Close closes the file, if it is one.
func (u unsized) Close() error {
	if c, ok := u.storedBody.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// Interface guard.
var _ exchange.Handler = (*Replay)(nil)
