// Package trial has the functions that only the tests of scripts can call:
// assertions, the clock, and requests to endpoints without a socket.
//
// Package builtins makes them known to scripts and documents them.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Serve sets the endpoints that Call sends its requests to.
func Serve(c *call.Call, a call.Args) (starlark.Value, error) {
	var scenario, upstream starlark.Value
	if err := a.Unpack("scenario", &scenario, "upstream?", &upstream); err != nil {
		return nil, err
	}
	fn, ok := upstream.(starlark.Callable)
	if !ok && upstream != nil && upstream != starlark.None {
		return nil, fmt.Errorf("serve: argument \"upstream\": got %s, want function", call.Describe(upstream))
	}
	if c.Env.Test == nil {
		return nil, errors.New("serve: this is no test")
	}
	return starlark.None, c.Env.Test.Serve(scenario, fn)
}

// Call sends a request to the endpoints and returns the answer.
func Call(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var body, headers, query, messages starlark.Value
	limit := 1 << 20
	timeout := time.Minute
	if err := a.Unpack("key", &key, "body?", &body, "headers?", &headers, "query?", &query, "limit?", &limit, "timeout?", &timeout,
		"messages?", &messages); err != nil {
		return nil, err
	}
	if c.Env.Test == nil {
		return nil, errors.New("call: this is no test")
	}
	x, err := value.NewExchange(key, headers, query, nil, body)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	var talk *dialog
	if x.Request.Method == "WEBSOCKET" || x.Request.IsWebSocket() {
		x.Request.Method = http.MethodGet
		x.Request.Header.Set("Upgrade", "websocket")
		x.Request.Header.Set("Connection", "Upgrade")
		if talk, err = newDialog(c.Env, messages); err != nil {
			return nil, fmt.Errorf("call: %w", err)
		}
	} else if messages != nil && messages != starlark.None {
		return nil, fmt.Errorf("call: %s: messages are for WEBSOCKET /path", key)
	}
	ans, err := send(c, x, sending{limit, timeout, talk})
	if err != nil {
		return nil, fmt.Errorf("call: %s: %w", key, err)
	}
	return ans, c.Alive()
}

// sending says how a request is sent.
type sending struct {
	limit   int // of the body that is received, in bytes
	timeout time.Duration
	talk    *dialog // nil unless the request is for a WebSocket
}

// send sends a request to the endpoints and returns the answer.
func send(c *call.Call, x *exchange.Exchange, how sending) (*answer, error) {
	x.ID, x.Start = c.Env.NextCall(), c.Env.Clock.Now()
	// The client leaves when the timeout has passed on the test's clock.
	ctx, leave := context.WithCancel(c.Context)
	defer leave()
	if c.Env.Manual {
		defer c.Env.Clock.After(how.timeout, leave)()
	}
	began := c.Env.Clock.Now()
	made := &call.Made{Request: x.Request, Start: began}
	if x.Request.Body != nil {
		made.Body, _ = x.Request.Body.Bytes(how.limit) // the test has it in memory, so there is no error
	}
	c.Waits()
	defer c.Waited()
	res, err := c.Env.Test.Respond(ctx, x)
	if err == nil && res == nil {
		res, err = x.Forward(ctx)
	}
	if err == nil && res.Err != nil && faultOf(res.Err) == "" {
		err = res.Err // the request failed; a response hook has seen the error
	}
	if err != nil {
		if c.Context.Err() == nil && errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("no answer within %s", how.timeout)
		}
		return nil, err
	}
	if wait := res.Wait(); wait > 0 && c.Env.Manual {
		c.Env.Clock.Advance(wait)
	}
	ans := &answer{status: res.Status, header: res.Header, endpoint: x.Endpoint, took: c.Env.Clock.Now().Sub(began), ended: true}
	if exchange.Endless(res.Body) {
		x.Answered()
	}
	made.Header, made.Endpoint = res.Header, x.Endpoint
	c.Env.Remember(made)
	if err := ans.receive(ctx, c, leave, x, res, how.limit, how.talk); err != nil {
		return nil, err
	}
	made.Status, made.Fault, made.Sent, made.Took = ans.status, ans.fault, len(ans.body), c.Env.Clock.Now().Sub(began)
	x.Answered()
	if err := c.Env.Tasks.Failure(); err != nil {
		return nil, fmt.Errorf("after the answer: %w", err)
	}
	return ans, nil
}

// Answer is the answer to a request that [Send] sent.
type Answer struct {
	// Status is 0 when a fault came before it.
	Status int
	Header exchange.Header
	// Body has the bytes as sent.
	Body []byte
	// Took is how long the answer took to begin, on the clock of the environment.
	Took time.Duration
	// Fault is the kind of the fault that ended the answer; empty for none.
	Fault string
	// Complete reports whether the body came to its end.
	Complete bool
}

// Send sends a request to the endpoints of an environment, without a socket, as a test
// does. It receives at most limit bytes of the body, and leaves after timeout on the
// clock of the environment. The request must not be for a WebSocket.
func Send(c *call.Call, x *exchange.Exchange, limit int, timeout time.Duration) (*Answer, error) {
	ans, err := send(c, x, sending{limit: limit, timeout: timeout})
	if err != nil {
		return nil, err
	}
	return &Answer{ans.status, ans.header, ans.body, ans.took, ans.fault, ans.ended}, c.Alive()
}

// answer is the Starlark value that call() returns.
type answer struct {
	status   int
	header   exchange.Header
	body     []byte
	endpoint string
	took     time.Duration // until the answer began
	fault    string
	ended    bool    // the body came to its own end; the client did not leave before
	talk     *dialog // the messages of a WebSocket; nil for other answers
}

// receive reads the body as a client would.
func (r *answer) receive(ctx context.Context, c *call.Call, leave func(), x *exchange.Exchange, res *exchange.Response, limit int,
	talk *dialog) error {
	if r.fault = faultOf(res.Err); r.fault != "" {
		r.status, r.ended = 0, false
		return nil
	}
	if res.Body == nil {
		return nil
	}
	if closer, ok := res.Body.(io.Closer); ok {
		defer closer.Close()
	}
	if b, ok := res.Body.(exchange.Bytes); ok {
		if r.body = b[:min(len(b), limit)]; len(b) > limit {
			r.ended = false
		}
		return nil
	}
	if x.Request.Method == http.MethodHead {
		return nil
	}
	conn := &receiver{limit: limit, leave: leave}
	var to exchange.Conn = conn
	if talk != nil {
		talk.limit, talk.leave = limit, leave
		conn, to = &talk.receiver, visitor{&talk.receiver, talk}
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		defer func() { sent <- err }()
		defer call.Rescue("call", &err)
		err = res.Body.SendTo(ctx, to)
	}()
	err := conn.wait(sent, c.Env)
	r.fault = faultOf(err)
	if talk != nil && res.Status == http.StatusSwitchingProtocols {
		r.talk, r.ended = talk, talk.closed
		if r.fault != "" || conn.full || !talk.closed {
			return nil
		}
		return err
	}
	r.body = conn.buf.Bytes()
	switch {
	case r.fault != "", conn.full, c.Context.Err() == nil && ctx.Err() != nil:
		r.ended = false
		return nil
	}
	return err
}

// faultOf returns the kind of the deliberate fault that err reports, or "".
func faultOf(err error) string {
	if !errors.Is(err, exchange.ErrFault) {
		return ""
	}
	_, kind, _ := strings.Cut(err.Error(), exchange.ErrFault.Error()+": ")
	kind, _, _ = strings.Cut(kind, "\n")
	return kind
}

func (r *answer) String() string {
	const shown = 500
	body := excerpt.Cut(string(r.body), shown)
	if !utf8.Valid(r.body) || strings.ContainsRune(body, 0) {
		body = fmt.Sprintf("%d bytes", len(r.body))
	}
	if r.fault != "" {
		body = strings.TrimSpace(body + " fault: " + r.fault)
	}
	return strings.TrimSpace(fmt.Sprintf("<answer %d %s", r.status, body)) + ">"
}
func (r *answer) Type() string          { return "answer" }
func (r *answer) Freeze()               {}
func (r *answer) Truth() starlark.Bool  { return true }
func (r *answer) Hash() (uint32, error) { return 0, errors.New("unhashable: answer") }

// AttrNames lists the fields and methods.
func (r *answer) AttrNames() []string { return answers.AttrNames() }

// Attr returns the field or method with that name.
func (r *answer) Attr(name string) (starlark.Value, error) { return answers.Attr(r, name) }

// AnswerType documents the values that Call returns.
func AnswerType() value.Type { return answers.Type() }

var answers = value.NewTable("answer", "answer", "The value that call() returns in tests.",
	value.Field("status", "The status code; 0 when a fault came before it.", func(r *answer) (starlark.Value, error) {
		return starlark.MakeInt(r.status), nil
	}),
	value.Field("headers", "The header: headers[name] and headers.get(name) ignore case.", func(r *answer) (starlark.Value, error) {
		return value.Fixed(r.header), nil
	}),
	value.Field("body", "The body as sent, in bytes.", func(r *answer) (starlark.Value, error) {
		return starlark.Bytes(r.body), nil
	}),
	value.Field("text", "The body as text, its content encoding undone.", func(r *answer) (starlark.Value, error) {
		text, err := r.content()
		return starlark.String(text), err
	}),
	value.Method("json", `The JSON body, or the value at a path in it; default when there is no
		such value. A body that is not JSON is an error.`, (*answer).json),
	value.Field("endpoint", `The key of the endpoint that answered, "" when none did.`, func(r *answer) (starlark.Value, error) {
		return starlark.String(r.endpoint), nil
	}),
	value.Field("latency_ms", "How long the answer took to begin, by the test's clock.", func(r *answer) (starlark.Value, error) {
		return value.FromGo(r.took.Milliseconds()), nil
	}),
	value.Field("fault", "The kind of the fault that ended the answer, or None.", func(r *answer) (starlark.Value, error) {
		if r.fault == "" {
			return starlark.None, nil
		}
		return starlark.String(r.fault), nil
	}),
	value.Field("complete", `True if the body came to its end; False if the client left before
		that.`, func(r *answer) (starlark.Value, error) {
		return starlark.Bool(r.ended), nil
	}),
	value.Field("messages", `The messages that a WEBSOCKET function sent, a list of text and bytes;
		None for other answers.`, func(r *answer) (starlark.Value, error) {
		if r.talk == nil {
			return starlark.None, nil
		}
		return starlark.NewList(slices.Clone(r.talk.sent)), nil
	}),
	value.Field("code", `The code with which a WEBSOCKET function closed the socket. It is 1000
		when the function returned, and None when the client left first.`, func(r *answer) (starlark.Value, error) {
		if r.talk == nil || !r.talk.closed {
			return starlark.None, nil
		}
		return starlark.MakeInt(r.talk.code), nil
	}),
	value.Field("reason", `The reason with which a WEBSOCKET function closed the socket, or "".`, func(r *answer) (starlark.Value, error) {
		if r.talk == nil {
			return starlark.String(""), nil
		}
		return starlark.String(r.talk.reason), nil
	}),
)

// decoded returns the body with its content encoding undone.
func (r *answer) decoded() ([]byte, error) {
	return exchange.Decode(r.body, exchange.Encodings(r.header), 64<<20)
}

// content returns the body as text.
func (r *answer) content() ([]byte, error) {
	b, err := r.decoded()
	text, _ := exchange.DecodeText(b, r.header.Get("Content-Type"))
	return text, err
}

func (r *answer) json(_ *call.Call, a call.Args) (starlark.Value, error) {
	path := ""
	var def starlark.Value = starlark.None
	if err := a.Unpack("path?", &path, "default?", &def); err != nil {
		return nil, err
	}
	b, err := r.content()
	if err != nil {
		return nil, err
	}
	v, err := value.DecodeJSON(nil, b)
	if err != nil {
		return nil, fmt.Errorf("answer.json: %w", err)
	}
	if v = value.Dig(v, path); v == nil {
		return def, nil
	}
	return v, nil
}

// Interface guards.
var (
	_ starlark.HasAttrs = (*answer)(nil)
	_ exchange.Conn     = (*receiver)(nil)
	_ exchange.Breaker  = (*receiver)(nil)
)
