package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"path/filepath"
	"time"

	"starproxy/driver/access"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/endpoints"
	"starproxy/driver/export"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
)

// captures serves captured exchanges as clients of the stock driver know them: as
// events, exports and files.
type captures struct {
	journal *capture.Journal
	sockets *capture.Sockets
	view    *view.Service // compiles filters and knows the marks
	access  *access.Policy
	files   string // directory for exported bodies
	spool   string // directory of captured bodies
	saved   savedBodies
	// fingerprints are noted in exported flows.
	fingerprints *fingerprints
	endpoints    *endpoints.Service
	// timeline knows when events were marked.
	timeline *timeline
}

func (c *captures) rows() []rpc.Row {
	chosen := []rpc.Param{rpc.Need("format"), rpc.With("filter_pattern", ""), rpc.With("exclude_mocked", false),
		rpc.With("filter_expr", ""), rpc.With("seqs", "")}
	return []rpc.Row{
		rpc.New("capture_as_mock", "Make the key and the definition of an endpoint from a captured exchange, as JSON, and tell "+
			"what it would take the place of. Nothing is written. The choices are a JSON object: any_host, placeholders, any_query, "+
			"body (true or false), headers (a list).", c.asMock,
			rpc.With("seq", 0), rpc.With("choices_json", "{}")),
		rpc.New("write_captured_body", "Write the file that the definition of capture_as_mock names, if there is one.", c.writeBody,
			rpc.Need("seq")),
		rpc.New("get_captured_requests", "Give all captured requests as a JSON array.", c.all),
		rpc.New("list_captured_requests", "Give the captured requests that a filter expression picks as a JSON array.", c.list,
			rpc.With("filter_expr", "")),
		rpc.New("watch_captured_requests", "Stream captured requests, or those that a filter expression picks: those kept, then "+
			"new ones as they happen.", c.watch,
			rpc.With("filter_expr", "")),
		rpc.New("clear_captured_requests", "Forget all captured requests.", c.clear),
		rpc.New("wait_for_request", "Wait for a captured request, at most timeout seconds; a path may end in *.", c.wait,
			rpc.Need("method"), rpc.Need("path"), rpc.With("timeout", 10.0)),
		rpc.New("export_captured_scenario", "Make a scenario of the captured traffic; the filter is a glob on the path.", c.exportScenario,
			rpc.With("filter_pattern", ""), rpc.With("exclude_mocked", false), rpc.With("timed", false)),
		rpc.New("export_captures", "Stream the captured traffic in base64, as "+
			eachFormat(func(f exportFormat) string { return f.title + " (" + f.name + ")" })+"; the filter is a glob on the path.",
			c.export, chosen...),
		rpc.New("missing_from_export", "Tell what export_captures of the same arguments leaves out, and why, as a JSON array of "+
			"lines.", c.missing, chosen...),
		rpc.New("clean_capture_spool", "Delete the captured bodies kept on disk that were exported as a scenario since the last "+
			"call; all of them when nothing was.", c.clean),
		rpc.New("get_captured_file", "Stream an exported or captured file in base64.", c.file, rpc.Need("relative_path")),
	}
}

func (c *captures) all(context.Context) (json.RawMessage, error) {
	return c.journal.Events(nil, 0), nil
}

func (c *captures) list(ctx context.Context, expr string) (json.RawMessage, error) {
	f, err := c.view.Filter(ctx, "list_captured_requests", expr)
	if err != nil {
		return nil, err
	}
	return c.journal.Events(f, 0), ctx.Err()
}

func (c *captures) watch(ctx context.Context, expr string) (iter.Seq2[any, error], error) {
	f, err := c.view.Filter(ctx, "watch_captured_requests", expr)
	if err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		for e, err := range c.journal.Follow(ctx, f, 0) {
			var item any
			var missed *capture.MissedError
			switch {
			case errors.As(err, &missed): // a gap is an event too: the stream goes on
				item, err = map[string]any{"kind": "missed", "missed": missed.Entries, "method": "", "path": ""}, nil
			case err == nil:
				item = json.RawMessage(c.journal.Event(e))
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
}

// capturedMock is an endpoint made from a captured exchange.
type capturedMock struct {
	*export.Draft
	Relations []endpoints.Relation `json:"relations"`
}

func (c *captures) asMock(_ context.Context, seq int, choices string) (*capturedMock, error) {
	var chosen export.Choices
	if err := document.Decode("choices_json", []byte(choices), &chosen); err != nil {
		return nil, rpc.Refuse(rpc.InvalidArgument, "capture_as_mock: %v", err)
	}
	e, err := c.view.Entry("capture_as_mock", seq)
	if err != nil {
		return nil, err
	}
	d, err := export.Mock(e, chosen, c.files, false)
	if err != nil {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "capture_as_mock: %v", err)
	}
	relations, err := c.endpoints.Relations(d.Key, d.Definition, "")
	if err != nil {
		return nil, rpc.Refuse(rpc.Internal, "capture_as_mock: %v", err)
	}
	return &capturedMock{d, relations}, nil
}

// writeBody answers with the name of the file, which is empty when there is none.
func (c *captures) writeBody(_ context.Context, seq int) (string, error) {
	e, err := c.view.Entry("write_captured_body", seq)
	if err != nil {
		return "", err
	}
	d, err := export.Mock(e, export.Choices{}, c.files, true)
	if err != nil {
		return "", rpc.Refuse(rpc.FailedPrecondition, "write_captured_body: %v", err)
	}
	return d.File, nil
}

func (c *captures) clear(context.Context) (string, error) {
	c.sockets.Clear()
	c.saved.take()
	return fmt.Sprintf(sayCapturesCleared, c.journal.Clear()), nil
}

func (c *captures) wait(ctx context.Context, method, path string, timeout float64) (any, error) {
	limit := time.Duration(math.MaxInt64)
	if ns := timeout * 1e9; ns < math.MaxInt64 {
		limit = max(time.Duration(ns), 0)
	}
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e, err := c.journal.Wait(wait, capture.Request(method, path))
	switch {
	case err == nil:
		return json.RawMessage(c.journal.Event(e)), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case wait.Err() != nil:
		return map[string]string{"error": fmt.Sprintf(sayTimedOut, method, path, seconds(timeout))}, nil
	case errors.Is(err, capture.ErrClosed):
		return nil, rpc.Refuse(rpc.Unavailable, "wait_for_request: the driver was closed")
	}
	return nil, err
}

// file streams an exported file by its path in the files directory,
// or a captured body by the path that its event gives.
func (c *captures) file(_ context.Context, path string) (iter.Seq2[any, error], error) {
	return chunks(func() (io.ReadCloser, error) {
		if body, err := c.journal.OpenPath(path); !errors.Is(err, fs.ErrNotExist) {
			return body, err
		}
		dir, name := c.files, path
		if filepath.IsAbs(path) {
			for _, own := range []string{c.spool, c.files} {
				if rel, err := filepath.Rel(own, path); err == nil && filepath.IsLocal(rel) {
					dir, name = own, rel
					break
				}
			}
		}
		f, err := openIn(c.access, dir, name, badFilePath(path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, noCapturedFile(path)
		}
		return f, err
	}), nil
}
