package cli

import (
	"context"
	"fmt"
	"time"
)

type mockWebhooksCmd struct{ output }

// Help explains a line.
func (mockWebhooksCmd) Help() string {
	return `The latest requests that mocks sent after their answers, by "after:" in a scenario or webhook() in a script: when, where, and the status of the answer or why there is none.

    12:00:01 POST http://shop.example/events  204  (POST /order)
    12:00:07 POST http://shop.example/events  failed: connection refused  (POST /order)`
}

// Run lists them, the oldest first.
func (c *mockWebhooksCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var list []struct {
		Time     float64 `json:"time"`
		Method   string  `json:"method"`
		URL      string  `json:"url"`
		Endpoint string  `json:"endpoint"`
		Status   int     `json:"status"`
		Error    string  `json:"error"`
	}
	printed, err := c.list(ctx, sys, p, &list, "list_webhooks")
	if printed || err != nil {
		return err
	}
	if len(list) == 0 {
		sys.out("No webhooks were sent.")
	}
	for _, w := range list {
		how := fmt.Sprint(w.Status)
		if w.Error != "" {
			how = "failed: " + w.Error
		}
		from := "later()"
		if w.Endpoint != "" {
			from = w.Endpoint
		}
		line := fmt.Sprintf("  %s %s %s  %s  (%s)", clockTime(w.Time, time.Local), w.Method, w.URL, how, from)
		sys.out("%s", printable(line))
	}
	return nil
}
