package endpoints

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// maxTried is how many bytes of an answer a trial keeps.
const maxTried = 1 << 20

// tried is what came of a request that was tried.
type tried struct {
	// Status is 0 when there is no answer.
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
	// Body is the text of the body with its content encoding undone; BodyBase64 has the
	// bytes in place of it when it is no text.
	Body       string `json:"body"`
	BodyBase64 string `json:"body_base64,omitempty"`
	Size       int    `json:"size"` // of the body as sent
	Complete   bool   `json:"complete"`
	Fault      string `json:"fault"` // the kind of the fault that ended the answer
	LatencyMS  int64  `json:"latency_ms"`
	// Endpoint is the key of the endpoint that answered, Source its place, and Handler its
	// kind; empty for none.
	Endpoint string            `json:"endpoint"`
	Source   string            `json:"source"`
	Handler  string            `json:"handler"`
	Params   map[string]string `json:"params,omitempty"`
	// RealServer reports whether the real server would have been asked.
	RealServer bool `json:"real_server"`
	// Nearest are the endpoints that came nearest, when none answered.
	Nearest []nearEndpoint `json:"nearest,omitempty"`
	Notes   []triedNote    `json:"notes"`
	// Error says why there is no answer, with its place; null for none.
	Error *failure `json:"error"`
	// Changes are those of the state that the request would have made.
	Changes  []triedChange  `json:"changes"`
	Webhooks []triedWebhook `json:"webhooks"`
	// Later is how many functions would run later.
	Later int `json:"later"`
}

type triedNote struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// nearEndpoint is an endpoint that did not answer.
type nearEndpoint struct {
	Endpoint string   `json:"endpoint"`
	Source   string   `json:"source"`
	Why      []string `json:"why"`
}

// triedChange is a change of one key of the state. A value that is left out means that
// the key was missing.
type triedChange struct {
	Key    string           `json:"key"`
	Before *json.RawMessage `json:"before,omitempty"`
	After  *json.RawMessage `json:"after,omitempty"`
}

type triedWebhook struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body"`
}

func (s *Service) tryRequest(ctx context.Context, method, address, headers, body, server string) (*tried, error) {
	x, err := tryExchange(method, address, headers, body)
	if err != nil {
		return nil, rpc.Refuse(rpc.InvalidArgument, "try_request: %v", err)
	}
	var upstream *exchange.Response
	if strings.TrimSpace(server) != "" {
		if upstream, err = serverAnswer(server); err != nil {
			return nil, rpc.Refuse(rpc.InvalidArgument, "try_request: argument server_json: %v", err)
		}
	}
	var table *mock.Table
	got := s.Script.Try(ctx, script.Trial{Limit: maxTried, Server: upstream, Table: func(copied *script.Host) (exchange.Handler, error) {
		var h exchange.Handler
		var err error
		table, h, err = s.copyFor(copied)
		return h, err
	}}, x)
	out := &tried{Endpoint: x.Endpoint, Source: x.Source, Params: x.Params, RealServer: got.Asked, Later: got.Pending,
		Notes: []triedNote{}, Changes: []triedChange{}, Webhooks: []triedWebhook{}}
	if table != nil {
		out.about(table, x)
	}
	out.result(got)
	for _, n := range x.Notes.List() {
		out.Notes = append(out.Notes, triedNote{n.Level, n.Text})
	}
	return out, nil
}

// about tells which endpoint answered, or which ones came nearest.
func (t *tried) about(table *mock.Table, x *exchange.Exchange) {
	if ep := table.Get(x.Endpoint); ep != nil {
		t.Handler = ep.Summary
		return
	}
	for _, m := range table.Misses(x.Request, 3) {
		t.Nearest = append(t.Nearest, nearEndpoint{m.Endpoint.Name, m.Endpoint.Source.String(), m.Why})
	}
}

// result tells what came of a trial.
func (t *tried) result(got *script.Tried) {
	if a := got.Answer; a != nil {
		t.Status, t.Fault, t.Complete, t.LatencyMS, t.Size = a.Status, a.Fault, a.Complete, a.Took.Milliseconds(), len(a.Body)
		for _, f := range a.Header {
			t.Headers = append(t.Headers, [2]string{f.Name, f.Value})
		}
		t.Body, t.BodyBase64 = bodyText(a.Body, a.Header)
	}
	if got.Err != nil {
		t.Error = &failure{Message: got.Err.Error(), Backtrace: got.Err.Error()}
		var e *script.Error
		var d *document.Error
		switch {
		case errors.As(got.Err, &d):
			t.Error.Line, t.Error.Column = d.Line, d.Column
		case errors.As(got.Err, &e):
			t.Error.Line, t.Error.Column, t.Error.Backtrace = e.Pos.Line, e.Pos.Column, e.Backtrace()
		}
	}
	for _, d := range got.Changes {
		c := triedChange{Key: d.Key}
		if d.Had {
			c.Before = rawJSON(d.Before)
		}
		if d.Has {
			c.After = rawJSON(d.After)
		}
		t.Changes = append(t.Changes, c)
	}
	for _, w := range got.Webhooks {
		t.Webhooks = append(t.Webhooks, triedWebhook{w.Method, w.URL, strings.ToValidUTF8(string(w.Body), string(utf8.RuneError))})
	}
}

// rawJSON returns a value of the state as JSON.
func rawJSON(v any) *json.RawMessage {
	b, _ := jsonvalue.Append(nil, v) // values of the state can always be written
	return (*json.RawMessage)(&b)
}

// bodyText returns a body as text, or in base64 when it is none.
func bodyText(data []byte, h exchange.Header) (text, encoded string) {
	plain, err := exchange.Decode(data, exchange.Encodings(h), maxTried)
	if err != nil {
		plain = data
	}
	typ := strings.ToLower(h.Get("Content-Type"))
	switch {
	case utf8.Valid(plain):
	case err == nil && (strings.HasPrefix(typ, "text/") || strings.Contains(typ, "charset=")):
		plain, _ = exchange.DecodeText(plain, typ)
	default:
		return "", base64.StdEncoding.EncodeToString(plain)
	}
	return string(plain), ""
}

// tryExchange makes the exchange of a request that is tried. A URL without a host is one
// of localhost.
func tryExchange(method, address, headers, body string) (*exchange.Exchange, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") || u.Scheme == "" && u.Path == "" {
		return nil, fmt.Errorf("argument url: got %q, want /path, http://… or https://…", address)
	}
	q := &exchange.Request{Method: strings.ToUpper(strings.TrimSpace(method)), Scheme: "http", Host: "localhost", Authority: "localhost",
		Target: u.RequestURI(), Proto: "HTTP/1.1", ContentLength: int64(len(body))}
	if u.Scheme != "" {
		q.Scheme, q.Authority = u.Scheme, u.Host
	}
	if q.Host, q.Port, err = exchange.ParseAuthority(q.Authority, exchange.DefaultPort(q.Scheme)); err != nil {
		return nil, fmt.Errorf("argument url: %w", err)
	}
	if q.Header, err = headerLines(headers); err != nil {
		return nil, fmt.Errorf("argument headers: %w", err)
	}
	if host := q.Header.Get("Host"); host != "" {
		q.Authority = host
	} else {
		q.Header = slices.Insert(q.Header, 0, exchange.Field{Name: "Host", Value: q.Authority})
	}
	switch {
	case q.Method == "":
		return nil, errors.New("argument method: got nothing, want a method such as GET")
	case q.Method == mock.WebSocket, q.IsWebSocket():
		return nil, errors.New("a WebSocket can't be tried: want a request with one answer")
	}
	if body != "" {
		q.Body = exchange.NewIncoming(strings.NewReader(body), nil)
	}
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 40000)
	return &exchange.Exchange{ID: 1, Client: client, Request: q}, nil
}

// headerLines reads headers in JSON: an object, or a list of pairs.
func headerLines(text string) (h exchange.Header, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	v, err := rpc.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	add := func(name, value any) {
		n, ok := name.(string)
		s, text := value.(string)
		if !ok || !text {
			err = errors.New(`want texts, as in {"Accept": "*/*"} or [["Accept", "*/*"]]`)
			return
		}
		h.Add(n, s)
	}
	switch v := v.(type) {
	case jsonvalue.Object:
		for _, m := range v {
			add(m.Key, m.Value)
		}
	case []any:
		for _, e := range v {
			if pair, ok := e.([]any); ok && len(pair) == 2 {
				add(pair[0], pair[1])
			} else {
				add(nil, nil)
			}
		}
	default:
		add(nil, nil)
	}
	return h, err
}

// serverAnswer reads the answer that takes the place of the real server's.
func serverAnswer(text string) (*exchange.Response, error) {
	v, err := rpc.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	o, ok := v.(jsonvalue.Object)
	if !ok {
		return nil, errors.New("want an object with status, headers, body")
	}
	res := &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json")}
	for _, m := range o {
		switch m.Key {
		case "status":
			n, ok := m.Value.(int64)
			if !ok || n < 200 || n > 599 {
				return nil, errors.New("status: want a number from 200 to 599")
			}
			res.Status = int(n)
		case "headers":
			b, _ := jsonvalue.Append(nil, m.Value)
			h, err := headerLines(string(b))
			if err != nil {
				return nil, fmt.Errorf("headers: %w", err)
			}
			for _, f := range h {
				res.Header.Set(f.Name, f.Value)
			}
		case "body":
			if s, ok := m.Value.(string); ok {
				res.Body = exchange.Bytes(s)
				continue
			}
			b, _ := jsonvalue.Append(nil, m.Value)
			res.Body = exchange.Bytes(b)
		default:
			return nil, fmt.Errorf("got the key %q, want status, headers or body", m.Key)
		}
	}
	return res, nil
}

// copyFor compiles the endpoints in force and the hooks of the scenario for another host.
// An endpoint that is disabled is so in the copy.
func (s *Service) copyFor(host *script.Host) (*mock.Table, exchange.Handler, error) {
	s.mu.Lock()
	var l *loaded
	if s.loaded != nil {
		now := *s.loaded // a reload changes it
		l = &now
	}
	old, report := s.layers, s.table.Report()
	s.mu.Unlock()
	env := s.env()
	env.Script, env.Log, env.Addons = host, nil, scenario.NewAddons(host, nil)
	now := layers{gone: old.gone}
	var hooks *scenario.Hooks
	if l != nil {
		sc, err := l.read(env)
		if err != nil {
			return nil, nil, err
		}
		now.scenario, hooks = sc.Endpoints, sc.Hooks
	}
	if len(old.config) > 0 {
		var err error
		if now.config, err = scenario.Endpoints(s.File, s.Mocks, env, mock.Source{Name: configSource}); err != nil {
			return nil, nil, err
		}
	}
	for _, ep := range old.set {
		text, err := scenario.Text(ep.Definition)
		if err != nil {
			return nil, nil, err
		}
		again, err := scenario.CompileText(mockText, ep.Name, []byte(text), env)
		if err != nil {
			return nil, nil, err
		}
		now.set = append(now.set, again...)
	}
	table := mock.NewTable()
	table.ReplaceAll(now.list())
	for _, r := range report {
		if !r.Enabled {
			table.Enable(r.Endpoint.Name, false)
		}
	}
	h := table.Handler(mock.Forward)
	if s.Reject {
		h = table.Handler(mock.Reject(table))
	}
	if hooks != nil {
		h = hooks.Wrap(h)
	}
	return table, h, nil
}
