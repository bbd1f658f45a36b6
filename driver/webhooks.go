package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
)

// Sending is a rule about when webhooks are sent.
type Sending string

// The ways to send webhooks.
const (
	SendAuto   Sending = "auto"   // unless no real server may be asked
	SendAlways Sending = "always" // with unmatched: reject and in replay mode, too
	SendNever  Sending = "never"
)

// UnmarshalText accepts the three words.
func (s *Sending) UnmarshalText(text []byte) error {
	switch v := Sending(text); v {
	case SendAuto, SendAlways, SendNever:
		*s = v
		return nil
	}
	return fmt.Errorf("got %q, want auto, always or never", text)
}

// Webhooks reports whether mocks may send requests of their own.
type Webhooks struct {
	// When webhooks are sent: auto (in mock mode, unless unmatched is reject),
	// always (with reject and in replay mode, too) or never. Default auto.
	Send Sending `yaml:"send"`
	// Seconds that sending one may take. 0 and default: 10.
	Timeout float64 `yaml:"timeout"`
}

// resolve checks the values and fills in the defaults.
func (w *Webhooks) resolve() error {
	if w.Send == "" {
		w.Send = SendAuto
	}
	if err := w.Send.UnmarshalText([]byte(w.Send)); err != nil {
		return fmt.Errorf("webhooks.send: %w", err)
	}
	if !(w.Timeout >= 0 && w.Timeout <= 3600) {
		return fmt.Errorf("webhooks.timeout: got %v, want seconds from 0 to 3600 (an hour)", w.Timeout)
	}
	if w.Timeout == 0 {
		w.Timeout = defaultWebhookTimeout
	}
	return nil
}

// defaultWebhookTimeout is the time for sending one, in seconds.
const defaultWebhookTimeout = 10

// maxReports bounds the webhooks that list_webhooks lists.
const maxReports = 100

// webhookReport is a webhook that was sent, or could not be sent.
type webhookReport struct {
	Time     float64 `json:"time"` // when sending it ended, in seconds since 1970
	Method   string  `json:"method"`
	URL      string  `json:"url"`
	Endpoint string  `json:"endpoint"` // whose answer it followed; "" for a later function
	Exchange uint64  `json:"exchange"` // the number of the exchange; 0 for a later function
	Status   int     `json:"status"`   // of its answer; 0 when there is none
	Duration float64 `json:"duration_ms"`
	Error    string  `json:"error"` // why it was not sent, or not answered; "" when it was
}

// webhooks sends the requests that follow answers.
type webhooks struct {
	log     *slog.Logger
	allowed func() error // returns the reason why none may be sent now
	caller  *proxy.Caller
	timeout time.Duration

	mu           sync.Mutex
	sent, failed uint64
	recent       []webhookReport
	changed      follow.Signal
}

// deliver sends a webhook and keeps a report.
func (h *webhooks) deliver(ctx context.Context, w *call.Webhook) {
	begin := time.Now()
	r := webhookReport{Method: w.Method, URL: exchange.HideUser(w.URL), Endpoint: w.Endpoint, Exchange: w.Exchange}
	err := w.Err
	if err == nil {
		err = h.allowed()
	}
	if err == nil {
		r.Status, err = h.call(ctx, w)
	}
	if errors.Is(ctx.Err(), context.Canceled) && w.Err == nil {
		return // the proxy has stopped, or the mocks were cleared
	}
	r.Duration = float64(time.Since(begin).Microseconds()) / 1000
	r.Time = capture.Seconds(time.Now())
	attrs := []any{"method", r.Method, "url", r.URL, "endpoint", r.Endpoint, "exchange", r.Exchange}
	if err != nil {
		r.Error = err.Error()
	}
	h.note(r) // before the log has it: a reader of the log finds it in the list
	if err != nil {
		h.log.Warn("webhook failed", append(attrs, "error", err)...)
	} else {
		h.log.Info("webhook sent", append(attrs, "status", r.Status)...)
	}
}

// call sends a webhook.
func (h *webhooks) call(ctx context.Context, w *call.Webhook) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, w.Method, w.URL, bytes.NewReader(w.Body))
	if err != nil {
		return 0, err
	}
	if w.Header.Has("User-Agent") {
		req.Header["User-Agent"] = nil // none of Go's own, however that of the webhook is spelt
	}
	for _, f := range w.Header {
		if exchange.EqualName(f.Name, "Host") {
			req.Host = w.Header.Get("Host")
			continue
		}
		req.Header[f.Name] = append(req.Header[f.Name], f.Value)
	}
	status, err = h.caller.Call(req, h.timeout)
	var at *url.Error
	if errors.As(err, &at) { // the report names method and URL already
		err = at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s (webhooks.timeout)", h.timeout)
	}
	return status, err
}

func (h *webhooks) note(r webhookReport) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Error == "" {
		h.sent++
	} else {
		h.failed++
	}
	if len(h.recent) == maxReports {
		h.recent = append(h.recent[:0], h.recent[1:]...)
	}
	h.recent = append(h.recent, r)
	h.changed.Notify()
}

// next returns a channel that is closed when another webhook is noted.
func (h *webhooks) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed.Changed()
}

// webhookStatus is the part of status about webhooks.
type webhookStatus struct {
	Pending   int    `json:"pending"` // later functions, too
	Sent      uint64 `json:"sent"`
	Failed    uint64 `json:"failed"`
	LastError string `json:"last_error"` // "METHOD URL: why"
}

// status counts the webhooks that were sent or failed.
func (h *webhooks) status() webhookStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := webhookStatus{Sent: h.sent, Failed: h.failed}
	for _, r := range h.recent {
		if r.Error != "" {
			s.LastError = r.Method + " " + r.URL + ": " + r.Error
		}
	}
	return s
}

// rows are for the table of methods.
func (h *webhooks) rows() []rpc.Row {
	return []rpc.Row{rpc.New("list_webhooks", "List the latest webhooks that were sent or failed, as JSON.", h.list)}
}

func (h *webhooks) list(context.Context) ([]webhookReport, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]webhookReport{}, h.recent...), nil
}

// newWebhooks makes the service of a proxy. allowed reports why no webhook may be
// sent.
func newWebhooks(cfg *Config, caller *proxy.Caller, log *slog.Logger, allowed func() error) *webhooks {
	return &webhooks{log: log, allowed: allowed, caller: caller, timeout: inSeconds(cfg.Webhooks.Timeout)}
}
