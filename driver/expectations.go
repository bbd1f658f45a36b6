package driver

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/driver/capture"
	"starproxy/driver/expect"
	"starproxy/driver/rpc"
)

// expectations checks the captured exchanges against what a client expects.
type expectations struct {
	captures *captures
	// failed is the first expectation that did not hold in this session, nil for none.
	failed atomic.Pointer[string]
}

// rows are for the table of methods.
func (e *expectations) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("expect", "Check the captured exchanges, or those after since, which is the number of an exchange or an event that was "+
			"marked, against expectations, a list in JSON or YAML. The answer is JSON: whether all hold, and of each what differs. With a "+
			"timeout in seconds it waits as long for all to hold, and ends when one can't hold any more. filename is for the places "+
			"of expectations.", e.check,
			rpc.Need("expectations_json"), rpc.With("since", ""), rpc.With("timeout", 0.0), rpc.With("filename", "expectations")),
	}
}

// maxWait bounds how long expect waits.
const maxWait = 24 * time.Hour

func (e *expectations) check(ctx context.Context, text, since string, timeout float64, filename string) (*expect.Report, error) {
	list, err := expect.Read(filename, []byte(text))
	if err != nil {
		return nil, &rpc.Refusal{Code: rpc.InvalidArgument, About: "expectations_json", Text: err.Error()}
	}
	after, err := e.captures.timeline.since("expect", since)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, inSeconds(max(0, min(timeout, maxWait.Seconds()))))
	defer cancel()
	journal := e.captures.journal
	var entries []*capture.Entry
	for {
		last := journal.Last()
		for entry := range journal.All(func(one *capture.Entry) bool { return one.Seq > after && one.Seq <= last }) {
			entries = append(entries, entry)
		}
		after = max(after, last)
		report, err := list.Check(entries, func(expr string) (capture.Filter, error) { return e.captures.view.Filter(ctx, "expect", expr) })
		if err != nil || report.OK || ctx.Err() != nil {
			return report, cmp.Or(err, ctx.Err())
		}
		if !report.Open() { // nothing that comes can meet it
			e.fail(report)
			return report, nil
		}
		if _, err := journal.Wait(wait, func(one *capture.Entry) bool { return one.Seq > last }); err != nil {
			e.fail(report) // the time is over, or the driver was closed
			return report, ctx.Err()
		}
	}
}

// fail remembers the first expectation that does not hold.
func (e *expectations) fail(r *expect.Report) {
	for _, v := range r.Verdicts {
		if !v.OK {
			text := fmt.Sprintf("the expectation %s is not met", excerpt.Quote(v.Name))
			e.failed.CompareAndSwap(nil, &text)
			return
		}
	}
}
