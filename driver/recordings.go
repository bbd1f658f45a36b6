package driver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/driver/access"
	"starproxy/driver/capture"
	"starproxy/driver/filter"
	"starproxy/driver/flow"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// Replay says how recordings answer in replay mode.
type Replay struct {
	// Which answer a request gets that was recorded more than once: order (one
	// after the other, then the last one again), first or last. Default order.
	Repeat flow.Repeat `yaml:"repeat"`
	// What of a request does not count when its recording is looked for.
	Ignore ReplayIgnore `yaml:"ignore"`
	// Headers that count, too. Default none.
	MatchHeaders []string `yaml:"match_headers"`
	// Move the times in Date, Expires, Last-Modified and of cookies on by as
	// much as has passed since the recording. Default true.
	Refresh bool `yaml:"refresh"`
	// What answers a request that was not recorded: reject (501 with the nearest
	// recordings, without any connection), passthrough (the real server), or a
	// status from 200 to 599. Default reject.
	Misses Misses `yaml:"misses"`
	// How long answers take: none (no time) or recorded. Default none.
	Timing Timing `yaml:"timing"`
}

// ReplayIgnore is what of a request does not count.
type ReplayIgnore struct {
	// The host that was asked. Default false.
	Host bool `yaml:"host"`
	// Its port. Default false.
	Port bool `yaml:"port"`
	// The body. Default false.
	Body bool `yaml:"body"`
	// Parameters of the query. Default none.
	Query []string `yaml:"query"`
	// Fields of form bodies. Default none.
	Form []string `yaml:"form"`
}

// Misses is what answers a request that was not recorded: one of the words of
// Unmatched, or a status.
type Misses string

// UnmarshalText accepts the two words and numbers from 200 to 599.
func (m *Misses) UnmarshalText(text []byte) error {
	*m = Misses(text)
	if *m == Misses(Reject) || *m == Misses(Passthrough) || m.status() != 0 {
		return nil
	}
	return fmt.Errorf("expected reject, passthrough or a status from 200 to 599, found %q", text)
}

// status is the number, 0 when it is none.
func (m Misses) status() int {
	n := 0
	if len(m) != 3 || strings.Trim(string(m), "0123456789") != "" {
		return 0
	}
	fmt.Sscan(string(m), &n)
	if n < 200 || n > 599 {
		return 0
	}
	return n
}

// Timing is how long replayed answers take.
type Timing string

// The values of Timing.
const (
	NoTime   Timing = "none"
	Recorded Timing = "recorded"
)

// resolve checks the values and fills in those that are empty.
func (r *Replay) resolve() error {
	if r.Repeat == "" {
		r.Repeat = flow.InOrder
	}
	if r.Misses == "" {
		r.Misses = Misses(Reject)
	}
	if r.Timing == "" {
		r.Timing = NoTime
	}
	if all := []flow.Repeat{flow.InOrder, flow.First, flow.Last}; !slices.Contains(all, r.Repeat) {
		return fmt.Errorf("replay.repeat: expected order, first or last, found %q", r.Repeat)
	}
	if err := r.Misses.UnmarshalText([]byte(r.Misses)); err != nil {
		return fmt.Errorf("replay.misses: %w", err)
	}
	if r.Timing != NoTime && r.Timing != Recorded {
		return fmt.Errorf("replay.timing: expected none or recorded, found %q", r.Timing)
	}
	return nil
}

// open makes what answers from a recording.
func (r *Replay) open(path string) (*flow.Replay, error) {
	o := flow.ReplayOptions{
		Matching: flow.Matching{
			IgnoreHost: r.Ignore.Host, IgnorePort: r.Ignore.Port, IgnoreBody: r.Ignore.Body,
			IgnoreQuery: r.Ignore.Query, IgnoreForm: r.Ignore.Form, Headers: r.MatchHeaders,
		},
		Repeat: r.Repeat, Refresh: r.Refresh, Timing: r.Timing == Recorded,
	}
	switch status := r.Misses.status(); {
	case status != 0:
		answer := &exchange.Response{Status: status, Origin: exchange.FromReplay}
		o.Missed = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return answer, nil })
	case r.Misses == Misses(Passthrough):
		o.Missed = mock.Forward
	}
	return flow.OpenReplay(path, o)
}

// isolated tells that nothing in replay mode may reach a real server.
func (r *Replay) isolated() bool { return r.Misses != Misses(Passthrough) }

// replayFile is the recording that a caller means, and whether there is one
// that he may have.
func (d *Driver) replayFile(name string) (path string, ok bool) {
	path = name
	if !filepath.IsAbs(name) {
		path = filepath.Join(d.cfg.Directories.Flows, name)
	}
	if slices.Contains(d.cfg.Named, filepath.Clean(path)) {
		_, err := os.Stat(path)
		return path, err == nil
	}
	_, err := d.access.Resolve(path)
	if errors.Is(err, access.ErrOutside) {
		d.log.Warn("recording not replayed: its path lies outside of the directories of the configuration", "path", path)
	}
	return path, err == nil || errors.As(err, new(disk.KindError)) // what it is then, opening it says
}

// isRecording tells by its name whether a file is one that can be replayed.
func isRecording(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".bin", ".flow", ".flows", ".mitm", ".har":
		return true
	}
	return false
}

func (d *Driver) uploadFlowFilePart(_ context.Context, name, id string, offset int, content string, last bool) (string, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") || !isRecording(name) {
		return "", rpc.Refuse(rpc.InvalidArgument, "Invalid flow file name: '%s' (expected a file name that ends in .bin, .flow, .flows, .mitm or .har)", name)
	}
	return d.flowUploads.part("upload_flow_file_part", name, id, offset, content, last)
}

// captured gives the captured exchanges as flows, with the messages of
// WebSockets, oldest first.
func (d *Driver) captured(f capture.Filter) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		messages := map[uint64][]flow.Message{}
		ends := map[uint64]*capture.Entry{}
		for e := range d.sockets.All(nil) {
			if e.Kind == capture.SocketEnd {
				ends[e.Socket] = e
			} else {
				messages[e.Socket] = append(messages[e.Socket], flow.FromMessage(e))
			}
		}
		space := uuid.New()
		for e := range d.journal.All(f) {
			if e.Kind != capture.HTTP && e.Kind != capture.TCP {
				continue
			}
			fl := flow.FromEntry(e, messages[e.Seq], ends[e.Seq], space)
			fl.Marked, fl.Comment = d.view.Mark(e.Seq)
			if !yield(fl, nil) {
				return
			}
		}
	}
}

// writeCaptures writes captured exchanges as a HAR document or a flow file.
func (d *Driver) writeCaptures(w io.Writer, format string, f capture.Filter) error {
	if format == "har" {
		return flow.WriteHAR(w, d.captured(f), "")
	}
	out := flow.NewWriter(w)
	for fl, err := range d.captured(f) {
		if err == nil {
			err = out.Write(fl)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exportArgs say what of the captures is exported, and as what.
type exportArgs struct {
	format, filter string
	excludeMocked  bool
	expr, seqs     string
}

// exported makes the filter that a caller of method gave as arguments.
func (d *Driver) exported(ctx context.Context, method string, args exportArgs) (capture.Filter, error) {
	if args.format != "har" && args.format != "flow" {
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument format: expected har or flow, found %q", method, args.format)
	}
	picks := filter.Glob(args.filter)
	shows, err := d.view.Filter(ctx, method, args.expr)
	if err != nil {
		return nil, err
	}
	var chosen []uint64
	if args.seqs != "" {
		if err := json.Unmarshal([]byte(args.seqs), &chosen); err != nil {
			return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument seqs: expected a JSON array of numbers, found %q", method, args.seqs)
		}
	}
	return func(e *capture.Entry) bool {
		return picks(e.Path()) && !(args.excludeMocked && e.Origin.Mocked()) &&
			(len(chosen) == 0 || slices.Contains(chosen, e.Seq)) && (shows == nil || shows(e))
	}, nil
}

func (d *Driver) exportCaptures(ctx context.Context, format, filter string, excludeMocked bool, expr, seqs string) (iter.Seq2[any, error], error) {
	picks, err := d.exported(ctx, "export_captures", exportArgs{format, filter, excludeMocked, expr, seqs})
	if err != nil {
		return nil, err
	}
	return d.encoded(func(w io.Writer) error { return d.writeCaptures(w, format, picks) }), nil
}

// encoded streams what write writes in base64.
func (d *Driver) encoded(write func(io.Writer) error) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		r, w := io.Pipe()
		defer r.Close()
		go func() { w.CloseWithError(write(w)) }()
		buf := make([]byte, chunkSize)
		for {
			n, err := io.ReadFull(r, buf)
			if n > 0 && !yield(base64.StdEncoding.EncodeToString(buf[:n]), nil) {
				return
			}
			switch {
			case err == nil:
			case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}
