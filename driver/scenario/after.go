package scenario

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/script"
)

// maxWebhooks bounds the webhooks of one definition.
const maxWebhooks = 10

// webhook is a request that is sent after a response.
type webhook struct {
	host      *script.Host
	method    string
	url       string
	urlText   *script.Template // computes url; nil for a fixed url
	header    exchange.Header
	templates []headerTemplate
	body      []byte
	bodyText  *script.Template // computes body; nil for a fixed body
	text      bool             // the body is text
	typ       string           // of the body
	delay     time.Duration
}

// after reads after:, a map or a list of maps.
func (d *definition) after() ([]*webhook, error) {
	n := d.get("after")
	if n.Kind != yaml.SequenceNode {
		w, err := d.webhook(n, d.at("after"))
		return []*webhook{w}, err
	}
	if len(n.Content) == 0 || len(n.Content) > maxWebhooks {
		return nil, document.Errorf(n, "%s: got %d webhooks, want 1 to %d", d.at("after"), len(n.Content), maxWebhooks)
	}
	list := make([]*webhook, len(n.Content))
	for i, e := range n.Content {
		var err error
		if list[i], err = d.webhook(e, fmt.Sprintf("%s[%d]", d.at("after"), i)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// webhook reads one map of after:.
func (d *definition) webhook(n *yaml.Node, path string) (*webhook, error) {
	const want = "a map such as {url: http://host/path, method: POST, body: {...}, delay_ms: 500}"
	if n.Kind != yaml.MappingNode {
		return nil, document.Wrong(n, path, want)
	}
	known := []string{"url", "method", "headers", "body", "delay_ms"}
	part := &definition{c: d.c, node: n, path: path, params: d.params, values: map[string]*yaml.Node{}}
	for k, v := range document.Pairs(n) {
		if k.Value == remark {
			continue
		}
		if !slices.Contains(known, k.Value) {
			return nil, document.UnknownKey(k, path, known)
		}
		if v.Tag != "!!null" {
			part.values[k.Value] = v
		}
	}
	if part.get("url") == nil {
		return nil, document.Errorf(n, "%s: got no url, want the URL of the webhook", path)
	}
	w := &webhook{method: http.MethodPost}
	var err error
	if w.host, err = d.script("after", n); err != nil {
		return nil, err
	}
	if w.delay, err = part.delay(); err != nil {
		return nil, err
	}
	if m := part.get("method"); m != nil {
		if m.Kind != yaml.ScalarNode || !httpguts.ValidHeaderFieldName(m.Value) || strings.EqualFold(m.Value, http.MethodConnect) {
			return nil, part.wrong("method", m, "a method such as POST")
		}
		w.method = strings.ToUpper(m.Value)
	}
	if w.header, w.templates, err = part.headers(); err != nil {
		return nil, err
	}
	if err := part.webhookURL(w); err != nil {
		return nil, err
	}
	return w, part.webhookBody(w)
}

// webhookURL reads url.
func (d *definition) webhookURL(w *webhook) (err error) {
	if w.url, err = d.text("url"); err != nil {
		return err
	}
	n := d.get("url")
	if hasExpression(n) {
		w.urlText, err = d.template("url", n)
		return err
	}
	if err := call.CheckWebhookURL(w.url); err != nil {
		return d.wrong("url", n, "http://host/path or https://host/path")
	}
	return nil
}

// webhookBody reads body. Text is sent as it is, and other values as JSON.
// {{expressions}} in it are computed for each request.
func (d *definition) webhookBody(w *webhook) (err error) {
	n := d.get("body")
	if n == nil {
		return nil
	}
	w.text = n.Kind == yaml.ScalarNode && n.Tag == "!!str"
	if w.typ = "application/json"; w.text {
		w.typ = "text/plain; charset=utf-8"
	}
	if hasExpression(n) {
		w.bodyText, err = d.template("body", n)
		return err
	}
	if w.body = staticBody(n); len(w.body) > call.MaxWebhookBody {
		return document.Errorf(n, "%s: got %d bytes, want at most %d", d.at("body"), len(w.body), call.MaxWebhookBody)
	}
	return nil
}

// make returns the request for an exchange. The request has the error of a template
// that fails.
func (w *webhook) make(ctx context.Context, x *exchange.Exchange) *call.Webhook {
	out := &call.Webhook{Method: w.method, URL: w.url, Header: w.header.Clone(), Body: w.body}
	out.Err = w.render(ctx, x, out)
	out.Typed(w.typ, true)
	return out
}

func (w *webhook) render(ctx context.Context, x *exchange.Exchange, out *call.Webhook) error {
	if w.urlText != nil {
		v, err := w.urlText.Render(ctx, x)
		if err != nil {
			return fmt.Errorf("url: %w", err)
		}
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("url: got %T of %s, want text", v, w.url)
		}
		out.URL = s
	}
	for _, t := range w.templates {
		if err := t.set(ctx, x, &out.Header); err != nil {
			return err
		}
	}
	if w.bodyText == nil {
		return nil
	}
	if !w.text {
		b, err := w.bodyText.JSON(ctx, x)
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		out.Body = b
		return nil
	}
	v, err := w.bodyText.Render(ctx, x)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	s, err := valueText(v)
	if err == nil {
		out.Body = []byte(s)
	}
	return err
}

// following returns a handler that sends the webhooks of the definition after the
// answers of next.
func (d *definition) following(next exchange.Handler) (exchange.Handler, error) {
	list, err := d.after()
	if err != nil {
		return nil, err
	}
	return &afterHandler{list, next}, nil
}

// afterHandler answers with next and then sends webhooks.
type afterHandler struct {
	webhooks []*webhook
	next     exchange.Handler
}

func (h *afterHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	res, err := h.next.Respond(ctx, x)
	if res == nil || err != nil {
		return res, err
	}
	for _, w := range h.webhooks {
		w.host.Send(ctx, x, w.delay, w.make(ctx, x))
	}
	return res, nil
}

// Interface guards.
var _ exchange.Handler = (*afterHandler)(nil)
