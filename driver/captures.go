package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/scenario"
)

func (d *Driver) getCapturedRequests(context.Context) (string, error) {
	return string(d.journal.Events(nil, 0)), nil
}

func (d *Driver) watchCapturedRequests(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for e, err := range d.journal.Follow(ctx, nil, 0) {
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
	return toJSON(x)
}

func (d *Driver) cleanCaptureSpool(context.Context) (string, error) {
	n, existed, err := d.journal.CleanSpool()
	if err != nil {
		return "", err
	}
	if !existed {
		return "No spool directory found", nil
	}
	return fmt.Sprintf("Removed %d spool file(s)", n), nil
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
		return toJSON(map[string]string{"error": fmt.Sprintf("Timed out waiting for %s %s after %ss", method, path, seconds(timeout))})
	case errors.Is(err, capture.ErrClosed):
		return "", errorf(Unavailable, "wait_for_request: the driver was closed")
	}
	return "", err
}
