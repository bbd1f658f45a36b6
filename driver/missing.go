package driver

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"starproxy/driver/capture"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// savedBodies are the captured bodies that clients have in scenarios by now, so
// that they need not stay on disk.
type savedBodies struct {
	mu   sync.Mutex
	seqs map[uint64]bool // nil when nothing was exported since the last take
}

// add notes what an export has.
func (s *savedBodies) add(x *scenario.Exported) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seqs == nil {
		s.seqs = map[uint64]bool{}
	}
	for _, seq := range x.Saved {
		s.seqs[seq] = true
	}
}

// take returns what was added since the last take. It reports whether there
// was an export, which may have had nothing.
func (s *savedBodies) take() (seqs map[uint64]bool, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seqs, s.seqs = s.seqs, nil
	return seqs, seqs != nil
}

// cleanCaptureSpool removes the bodies that were exported since the last call.
// After no export it is a wish of its own, and removes all.
func (d *Driver) cleanCaptureSpool(context.Context) (string, error) {
	if seqs, ok := d.saved.take(); ok {
		removed := d.journal.CleanResponses(maps.Keys(seqs))
		if !exists(d.cfg.Directories.spool()) {
			return "No spool directory found", nil
		}
		return fmt.Sprintf("Removed %d spool file(s)", removed), nil
	}
	n, existed, err := d.journal.CleanSpool()
	if err != nil {
		return "", err
	}
	if !existed {
		return "No spool directory found", nil
	}
	return fmt.Sprintf("Removed %d spool file(s)", n), nil
}

// maxMissing bounds how many things that an export lacks are told.
const maxMissing = 50

// missingFromExport tells what export_captures of the same arguments leaves out,
// and why, a line for each.
func (d *Driver) missingFromExport(ctx context.Context, format, filter string, excludeMocked bool, expr, seqs string) (string, error) {
	picks, err := d.exported(ctx, "missing_from_export", exportArgs{format, filter, excludeMocked, expr, seqs})
	if err != nil {
		return "", err
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
	for m := range d.sockets.All(nil) {
		if m.Kind == capture.Message && (m.RequestBody.Truncated || m.ResponseBody.Truncated) {
			lost[m.Socket]++
		}
	}
	for e := range d.journal.All(picks) {
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
		return "", err
	}
	return rpc.JSON(lines)
}
