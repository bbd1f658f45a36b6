package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/google/uuid"

	"starproxy/driver/capture"
	"starproxy/driver/filter"
	"starproxy/driver/flow"
	"starproxy/driver/rpc"
)

// flows yields the captured exchanges as flows, with the messages of
// WebSockets, oldest first.
func (c *captures) flows(f capture.Filter) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		messages := map[uint64][]flow.Message{}
		ends := map[uint64]*capture.Entry{}
		for e := range c.sockets.All(nil) {
			if e.Kind == capture.SocketEnd {
				ends[e.Socket] = e
			} else {
				messages[e.Socket] = append(messages[e.Socket], flow.FromMessage(e))
			}
		}
		space := uuid.New()
		for e := range c.journal.All(f) {
			if e.Kind != capture.HTTP && e.Kind != capture.TCP {
				continue
			}
			fl := flow.FromEntry(e, messages[e.Seq], ends[e.Seq], space)
			fl.Marked, fl.Comment = c.view.Mark(e.Seq)
			if !yield(fl, nil) {
				return
			}
		}
	}
}

// write writes captured exchanges as a HAR document or a flow file.
func (c *captures) write(w io.Writer, format string, f capture.Filter) error {
	if format == "har" {
		return flow.WriteHAR(w, c.flows(f), "")
	}
	out := flow.NewWriter(w)
	for fl, err := range c.flows(f) {
		if err == nil {
			err = out.Write(fl)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exportArgs are the arguments of an export: its format and what it contains.
type exportArgs struct {
	format, filter string
	excludeMocked  bool
	expr, seqs     string
}

// exported returns the filter for the arguments of method.
func (c *captures) exported(ctx context.Context, method string, args exportArgs) (capture.Filter, error) {
	if args.format != "har" && args.format != "flow" {
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument format: got %q, want har or flow", method, args.format)
	}
	picks := filter.Glob(args.filter)
	shows, err := c.view.Filter(ctx, method, args.expr)
	if err != nil {
		return nil, err
	}
	var chosen []uint64
	if args.seqs != "" {
		if err := json.Unmarshal([]byte(args.seqs), &chosen); err != nil {
			return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument seqs: got %q, want a JSON array of numbers", method, args.seqs)
		}
	}
	return func(e *capture.Entry) bool {
		return picks(e.Path()) && !(args.excludeMocked && e.Origin.Mocked()) &&
			(len(chosen) == 0 || slices.Contains(chosen, e.Seq)) && (shows == nil || shows(e))
	}, nil
}

func (c *captures) export(ctx context.Context, format, filter string, excludeMocked bool, expr, seqs string) (iter.Seq2[any, error], error) {
	picks, err := c.exported(ctx, "export_captures", exportArgs{format, filter, excludeMocked, expr, seqs})
	if err != nil {
		return nil, err
	}
	return chunks(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() {
			err := c.write(w, format, picks)
			if err != nil {
				err = fmt.Errorf("export_captures: %w", err)
			}
			w.CloseWithError(err)
		}()
		return r, nil
	}), nil
}

// maxMissing bounds the lines of missing_from_export.
const maxMissing = 50

// missing returns a line for each thing that export_captures with the same arguments
// leaves out, with the reason.
func (c *captures) missing(ctx context.Context, format, filter string, excludeMocked bool, expr, seqs string) ([]string, error) {
	picks, err := c.exported(ctx, "missing_from_export", exportArgs{format, filter, excludeMocked, expr, seqs})
	if err != nil {
		return nil, err
	}
	lines, more := []string{}, 0
	tell := func(e *capture.Entry, what string) {
		if len(lines) == maxMissing {
			more++
			return
		}
		lines = append(lines, fmt.Sprintf("%.200q: %s", e.Method+" "+e.URL(), what))
	}
	lost := map[uint64]int{} // messages by their socket
	for m := range c.sockets.All(nil) {
		if m.Kind == capture.Message && (m.RequestBody.Truncated || m.ResponseBody.Truncated) {
			lost[m.Socket]++
		}
	}
	for e := range c.journal.All(picks) {
		if format == "har" && e.Kind == capture.TCP {
			tell(e, "a HAR document has no place for TCP streams, a flow file has")
			continue
		}
		if n := lost[e.Seq]; n > 0 {
			tell(e, fmt.Sprintf("%d message(s) were larger than what is kept of one, or than what was left for them", n))
		}
		if e.Kind != capture.HTTP {
			continue
		}
		for _, side := range []struct {
			name string
			body capture.Blob
		}{{"request", e.RequestBody}, {"response", e.ResponseBody}} {
			if why := side.body.Missing(); why != "" {
				tell(e, fmt.Sprintf("the body of the %s, %d bytes: %s", side.name, side.body.Size, why))
			}
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return lines, nil
}
