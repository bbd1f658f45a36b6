package call

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// MaxWebhookBody bounds the body of a webhook, in bytes.
const MaxWebhookBody = 1 << 20

// Webhook is a request that a mock sends by itself, after its answer.
type Webhook struct {
	Method, URL string
	Header      exchange.Header
	Body        []byte
	// Endpoint and Exchange identify the answer before the webhook. They are "" and 0
	// when there is none.
	Endpoint string
	Exchange uint64
	// Err is the reason why it can't be sent, or nil.
	Err error
}

// Check returns an error if the webhook can't be sent.
func (w *Webhook) Check() error {
	if err := CheckWebhookURL(w.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if !httpguts.ValidHeaderFieldName(w.Method) || w.Method == http.MethodConnect {
		return fmt.Errorf("method: got %q, want one such as POST", w.Method)
	}
	if len(w.Body) > MaxWebhookBody {
		return fmt.Errorf("body: got %d bytes, want at most %d", len(w.Body), MaxWebhookBody)
	}
	return nil
}

// CheckWebhookURL returns an error if a webhook can't be sent to a URL.
func CheckWebhookURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("got %s, want http://host/path or https://host/path", excerpt.Quote(s))
	}
	return nil
}

// maxChain is the largest number of tasks in a chain in which each starts the next.
const maxChain = 1000

// chainKey is the key under which the context of a task has its place in a chain.
type chainKey struct{}

// IsTask reports whether ctx is that of a task.
func IsTask(ctx context.Context) bool { return ctx.Value(chainKey{}) != nil }

// Schedule calls run when delay has passed after the answer to x. If x is nil, the
// delay begins now. Turns of the clock count from now on. ctx is the context of the caller.
func (e *Env) Schedule(ctx context.Context, x *exchange.Exchange, delay time.Duration, run func(context.Context),
	refused func(error)) error {
	link, _ := ctx.Value(chainKey{}).(int)
	if link >= maxChain {
		return fmt.Errorf("more than %d follow one from the other", maxChain)
	}
	do := func(ctx context.Context) { run(context.WithValue(ctx, chainKey{}, link+1)) }
	if x == nil {
		return e.Tasks.Do(delay, do)
	}
	leaps := e.Clock.Leaps()
	return x.After(func() {
		if !e.Manual { // a test may turn the clock as soon as the device has its answer
			delay -= e.Clock.Leaps() - leaps
		}
		if err := e.Tasks.Do(delay, do); err != nil {
			refused(err)
		}
	})
}

// Send sends a webhook when delay has passed after the answer to x, see Schedule. A
// webhook that can't be sent is also passed to Deliver, with the reason in Err.
func (e *Env) Send(ctx context.Context, x *exchange.Exchange, delay time.Duration, w *Webhook) {
	if x != nil {
		w.Endpoint, w.Exchange = x.Endpoint, x.ID
	}
	refuse := func(err error) {
		refused := *w
		refused.Err = err
		e.deliver(ctx, &refused)
	}
	err := w.Err
	if err == nil {
		err = w.Check()
	}
	if err == nil {
		err = e.Schedule(ctx, x, delay, func(ctx context.Context) { e.deliver(ctx, w) }, refuse)
	}
	if err != nil {
		refuse(err)
	}
}

func (e *Env) deliver(ctx context.Context, w *Webhook) {
	switch {
	case e.Manual && w.Err != nil:
		e.Tasks.Fail(fmt.Errorf("webhook to %s: %w", excerpt.Quote(w.URL), w.Err))
	case e.Manual:
		e.mu.Lock()
		e.outbox = append(e.outbox, w)
		e.mu.Unlock()
	case e.Deliver != nil:
		e.Deliver(ctx, w)
	}
}

// Typed sets the content type, unless the header has one or there is no body. A
// body that is text is sent in the charset of the type.
func (w *Webhook) Typed(kind string, text bool) {
	if len(w.Body) == 0 {
		return
	}
	if kind != "" && !w.Header.Has("Content-Type") {
		w.Header.Add("Content-Type", kind)
	}
	if text {
		w.Body, w.Header, _ = exchange.EncodeBody(w.Header, w.Body)
	}
}
