package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

func (d *Driver) getCapturedRequests(context.Context) (string, error) {
	return string(d.journal.Events(nil, 0)), nil
}

func (d *Driver) listCapturedRequests(ctx context.Context, expr string) (string, error) {
	f, err := d.view.Filter(ctx, "list_captured_requests", expr)
	if err != nil {
		return "", err
	}
	events := d.journal.Events(f, 0)
	return string(events), ctx.Err()
}

func (d *Driver) watchCapturedRequests(ctx context.Context, expr string) (iter.Seq2[any, error], error) {
	f, err := d.view.Filter(ctx, "watch_captured_requests", expr)
	if err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		for e, err := range d.journal.Follow(ctx, f, 0) {
			var event []byte
			var missed *capture.MissedError
			switch {
			case errors.As(err, &missed): // a gap is an event too: the stream goes on
				event, err = json.Marshal(map[string]any{"kind": "missed", "missed": missed.Entries, "method": "", "path": ""})
			case err == nil:
				event = d.journal.Event(e)
			}
			if !yield(string(event), err) || err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
}

func (d *Driver) clearCapturedRequests(context.Context) (string, error) {
	d.sockets.Clear()
	d.saved.take()
	return fmt.Sprintf("Cleared %d captured request(s)", d.journal.Clear()), nil
}

func (d *Driver) exportCapturedScenario(_ context.Context, filter string, excludeMocked, timed bool) (string, error) {
	x, err := scenario.Export(d.journal.Entries(nil), scenario.ExportOptions{
		FilesDir:      d.cfg.Directories.Files,
		Filter:        filter,
		ExcludeMocked: excludeMocked,
		Timed:         timed,
	})
	if err != nil {
		return "", err
	}
	d.saved.add(x)
	return rpc.JSON(x)
}

func (d *Driver) waitForRequest(ctx context.Context, method, path string, timeout float64) (string, error) {
	limit := time.Duration(math.MaxInt64)
	if ns := timeout * 1e9; ns < math.MaxInt64 {
		limit = max(time.Duration(ns), 0)
	}
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e, err := d.journal.Wait(wait, capture.Request(method, path))
	switch {
	case err == nil:
		return string(d.journal.Event(e)), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case wait.Err() != nil:
		return rpc.JSON(map[string]string{"error": fmt.Sprintf("Timed out waiting for %s %s after %ss", method, path, seconds(timeout))})
	case errors.Is(err, capture.ErrClosed):
		return "", rpc.Refuse(rpc.Unavailable, "wait_for_request: the driver was closed")
	}
	return "", err
}

// seconds writes a number of seconds as the stock driver does: always with a point.
func seconds(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
