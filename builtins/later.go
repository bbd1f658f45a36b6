package builtins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

func laterModule() Module {
	return Module{
		Doc: "Work after an answer. Waiting functions and webhooks are dropped when the proxy stops, and by " +
			"reset_mocks, clear_mocks and the load of a scenario. At most 1000 may wait at once, 100 of " +
			"them from one request.",
		Funcs: []Func{
			{
				"later", "fn, delay=None",
				`Calls fn() once the answer has been sent and delay ("250ms", "1.5s", or a number of ` +
					"seconds) has passed. In a stream, a WebSocket or another later function, the delay begins " +
					"at once. Functions of one request are called one at a time. fn cannot call forward, and it " +
					"can read a request body of more than 1 MiB only if the handler read it before. fn has the " +
					"same limits as a handler. An error in fn is logged, and fails a test.",
				"def ship(req):\n" +
					"    later(lambda: state.set(\"order\", \"shipped\"), \"5s\")\n" +
					"    return response(status = 202)\n" +
					"serve({\"POST /order\": ship})\n" +
					"call(\"POST /order\").status  # => 202\n" +
					"state(\"order\")  # => None\n" +
					"clock.advance(\"5s\")\n" +
					`state("order")  # => "shipped"`,
				callLater,
			},
			{
				"webhook", `url, method="POST", headers={}, body=None, delay=None`,
				"Sends a request to url, as after: does in YAML, once the answer has been sent and delay " +
					"has passed. In a later function, the delay begins at once. A dict or list as body is sent " +
					"as JSON. The script does not wait for the reply; list_webhooks, the status and the log show " +
					"it. Nothing is sent where the proxy may not ask real servers (unmatched: reject, replay " +
					"mode), unless webhooks.send is always. In tests nothing is sent, and webhooks() lists the " +
					"requests.",
				"def order(req):\n" +
					"    webhook(\"http://shop.example/events\", body = {\"state\": \"paid\"}, delay = \"2s\")\n" +
					"    return response(status = 202)\n" +
					"serve({\"POST /order\": order})\n" +
					"call(\"POST /order\").status  # => 202\n" +
					"clock.advance(\"2s\")\n" +
					`webhooks()[0]["json"]  # => {"state": "paid"}`,
				callWebhook,
			},
		},
	}
}

func callLater(c *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	var delay time.Duration
	if err := a.Unpack("fn", &fn, "delay?", &delay); err != nil {
		return nil, err
	}
	if err := checkDelay(c, delay); err != nil {
		return nil, fmt.Errorf("later: %w", err)
	}
	if err := value.Freeze(fn); err != nil {
		return nil, fmt.Errorf("later: %w", err)
	}
	env, defaults, x := c.Env, c.Settings(), c.Exchange
	run := func(ctx context.Context) { env.Background(ctx, fn, defaults) }
	if x != nil {
		keepBody(c)
	}
	if x != nil && !env.Manual { // in a test, a function may have to run while another one sleeps
		run = func(ctx context.Context) {
			x.Aside(func() { env.Background(ctx, fn, defaults) })
		}
	}
	refused := func(err error) { env.Log.Error("later: not called", "function", fn.Name(), "error", err) }
	if err := env.Schedule(c.Context, c.Exchange, delay, run, refused); err != nil {
		return nil, fmt.Errorf("later: %w", err)
	}
	return starlark.None, nil
}

// maxKept is the longest request body that is read for a later function, in bytes.
const maxKept = 1 << 20

// keepBody reads the body of the request, unless it is longer than maxKept. A later
// function can then use it although the device has left.
func keepBody(c *call.Call) {
	if n := c.Exchange.Request.ContentLength; n > 0 && n <= maxKept {
		value.RequestOf(c).Body() // an error is returned again when the script reads the body
	}
}

// errNoTasks is the error of later and webhook outside a request: no answer comes
// after which they could act.
var errNoTasks = errors.New("a handler calls it, not a file that is loaded")

// checkDelay returns an error if the delay is out of range, or if c has neither a
// request nor a task.
func checkDelay(c *call.Call, delay time.Duration) error {
	switch {
	case delay < 0 || delay > call.MaxLatency:
		return fmt.Errorf("delay: got %s, want 0 s to 24 h", delay)
	case c.Exchange == nil && !call.IsTask(c.Context):
		return errNoTasks
	}
	return nil
}

func callWebhook(c *call.Call, a call.Args) (starlark.Value, error) {
	w := &call.Webhook{Method: http.MethodPost}
	var body starlark.Value = starlark.None
	var headers starlark.Value = new(starlark.Dict)
	var delay time.Duration
	if err := a.Unpack("url", &w.URL, "method?", &w.Method, "headers?", &headers, "body?", &body, "delay?", &delay); err != nil {
		return nil, err
	}
	header, err := value.HeaderFrom(headers)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	data, kind, err := value.BodyBytes(c, body)
	if err != nil {
		return nil, fmt.Errorf("webhook: body: %w", err)
	}
	w.Method, w.Header, w.Body = strings.ToUpper(w.Method), header, data
	_, raw := body.(starlark.Bytes)
	w.Typed(kind, !raw)
	if err := w.Check(); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if err := checkDelay(c, delay); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	c.Env.Send(c.Context, c.Exchange, delay, w)
	return starlark.None, nil
}

// callWebhooks lists the webhooks that a test would have sent.
func callWebhooks(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	sent := c.Env.Outbox()
	list := make([]starlark.Value, len(sent))
	for i, w := range sent {
		d := starlark.NewDict(6)
		headers := starlark.NewDict(len(w.Header))
		for _, name := range w.Header.Names() {
			headers.SetKey(starlark.String(name), starlark.String(w.Header.Joined(name)))
		}
		var json starlark.Value = starlark.None
		if v, err := value.DecodeJSON(nil, w.Body); err == nil {
			json = v
		}
		for key, v := range map[string]starlark.Value{
			"method": starlark.String(w.Method), "url": starlark.String(w.URL), "headers": headers,
			"text": starlark.String(w.Body), "json": json, "endpoint": starlark.String(w.Endpoint),
		} {
			d.SetKey(starlark.String(key), v)
		}
		list[i] = d
	}
	return starlark.NewList(list), nil
}
