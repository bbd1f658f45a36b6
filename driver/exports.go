package driver

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"starproxy/driver/capture"
	"starproxy/driver/filter"
	"starproxy/driver/flow"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
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
			fl.SetFingerprint(c.fingerprints.of(e))
			c.view.Describe(fl, e)
			if !yield(fl, nil) {
				return
			}
		}
	}
}

// exportFormat is a form in which captured exchanges are exported. To add one,
// add a row to exportFormats.
type exportFormat struct {
	name  string
	title string // for the description of export_captures
	write func(io.Writer, iter.Seq2[*flow.Flow, error]) error
	// noStreams tells why TCP streams are left out; empty when they are not.
	noStreams string
}

func exportFormats() []exportFormat {
	return []exportFormat{
		{"har", "a HAR document", writeHAR, "a HAR document has no place for TCP streams, a flow file has"},
		{"flow", "a flow file", flow.WriteFlows, ""},
		{"pcapng", "a packet capture", flow.WritePCAPNG, ""},
	}
}

// eachFormat returns what text makes of each format, with "or" between them.
func eachFormat(text func(exportFormat) string) string {
	var list []string
	for _, f := range exportFormats() {
		list = append(list, text(f))
	}
	return strings.Join(list, " or ")
}

func writeHAR(w io.Writer, flows iter.Seq2[*flow.Flow, error]) error {
	return flow.WriteHAR(w, flows, "")
}

// exportArgs are the arguments of an export: its format and what it contains.
type exportArgs struct {
	format, filter string
	excludeMocked  bool
	expr, seqs     string
}

// exported returns the format and the filter for the arguments of method.
func (c *captures) exported(ctx context.Context, method string, args exportArgs) (form exportFormat, picks capture.Filter, err error) {
	rows := exportFormats()
	at := slices.IndexFunc(rows, func(f exportFormat) bool { return f.name == args.format })
	if at < 0 {
		names := eachFormat(func(f exportFormat) string { return f.name })
		return form, nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument format: got %q, want %s", method, args.format, names)
	}
	picks, err = c.picked(ctx, method, args)
	return rows[at], picks, err
}

// picked returns the filter for the arguments of method.
func (c *captures) picked(ctx context.Context, method string, args exportArgs) (capture.Filter, error) {
	picks := filter.Glob(args.filter)
	shows, err := c.view.Filter(ctx, method, args.expr)
	if err != nil {
		return nil, err
	}
	chosen, err := view.ParseNumbers(args.seqs)
	if err != nil {
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument seqs: %v", method, err)
	}
	return func(e *capture.Entry) bool {
		return picks(e.Path()) && !(args.excludeMocked && e.Origin.Mocked()) &&
			(len(chosen) == 0 || chosen.Has(e.Seq)) && (shows == nil || shows(e))
	}, nil
}

func (c *captures) export(ctx context.Context, format, filter string, excludeMocked bool, expr, seqs string) (iter.Seq2[any, error],
	error) {
	form, picks, err := c.exported(ctx, "export_captures", exportArgs{format, filter, excludeMocked, expr, seqs})
	if err != nil {
		return nil, err
	}
	return chunks(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() {
			err := form.write(w, c.flows(picks))
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
	form, picks, err := c.exported(ctx, "missing_from_export", exportArgs{format, filter, excludeMocked, expr, seqs})
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
		if form.noStreams != "" && e.Kind == capture.TCP {
			tell(e, form.noStreams)
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
