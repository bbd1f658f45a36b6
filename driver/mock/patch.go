package mock

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// maxPatchBody is the longest answer that is patched: 32 MiB, both as sent and
// decoded.
const maxPatchBody = 32 << 20

// NewPatch returns a handler that sends the request to the real server. It merges
// patch into the JSON answer by [Merge], and sets headers in its header. An answer
// that is not JSON keeps its body, and the exchange gets a warning.
//
// With render, patch is rendered for each request first. The request goes out
// without conditions and Range, because they are about a body that the device will
// not get. It accepts only encodings that can be undone here.
func NewPatch(patch jsonvalue.Object, render func(ctx context.Context, x *exchange.Exchange, v any) (any, error),
	headers exchange.Header, delay time.Duration) exchange.Handler {
	return &patcher{patch: patch, render: render, header: headers, delay: delay}
}

type patcher struct {
	patch  jsonvalue.Object
	render func(context.Context, *exchange.Exchange, any) (any, error)
	header exchange.Header
	delay  time.Duration
}

func (p *patcher) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	patch := p.patch
	if p.render != nil {
		v, err := p.render(ctx, x, patch)
		if err != nil {
			return nil, err
		}
		m, ok := v.(jsonvalue.Object)
		if !ok {
			return nil, fmt.Errorf("patch: got %T when it was rendered, want a map", v)
		}
		patch = m
	}
	res, err := forwardWhole(ctx, x)
	if err != nil {
		return nil, err
	}
	before := res.Header
	res = res.Clone()
	if p.apply(ctx, x, res, patch) || len(p.header) > 0 {
		res.Origin = exchange.FromPatch
	}
	for _, name := range p.header.Names() {
		res.Header.Set(name, p.header.Values(name)...)
		res.Header.Respell(name)
	}
	x.Edited(exchange.EditedHeader(byPatch, "response", before, res.Header)...)
	res.Delay += p.delay
	return res, nil
}

// byPatch is who makes the edits of this file.
const byPatch = "patch"

// forwardWhole asks the real server for a complete answer that can be decoded. It
// changes the request for that, and restores it afterwards.
func forwardWhole(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	sent := x.Request.Header
	h := sent.Clone()
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"} {
		h.Del(name)
	}
	if h.Has("Accept-Encoding") {
		h.Set("Accept-Encoding", knownCodings(h.Joined("Accept-Encoding")))
	}
	x.Request.Header = h
	defer func() { x.Request.Header = sent }()
	return x.Forward(ctx)
}

// knownCodings removes the encodings from Accept-Encoding that cannot be undone here.
func knownCodings(list string) string {
	var kept []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		name, _, _ := strings.Cut(item, ";")
		if exchange.IsEncoding(strings.ToLower(strings.TrimSpace(name))) {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		return "identity"
	}
	return strings.Join(kept, ", ")
}

// apply patches the body of res in place and reports whether it did. res must not be
// shared.
func (p *patcher) apply(ctx context.Context, x *exchange.Exchange, res *exchange.Response, patch jsonvalue.Object) bool {
	if len(patch) == 0 {
		return false
	}
	ct := res.Header.Get("Content-Type")
	isJSON := ct == "" || strings.Contains(strings.ToLower(ct), "json")
	if x.Request.Method == http.MethodHead {
		// There is no body to patch, but the header must not describe the body
		// before the patch.
		if isJSON {
			res.Header.DropBody()
		}
		return isJSON
	}
	skip := func(format string, args ...any) bool {
		x.Notes.Add("warning", "patch not applied: "+fmt.Sprintf(format, args...))
		return false
	}
	if !isJSON {
		return skip("the answer is %s, expected JSON", ct)
	}
	if res.Body == nil {
		return skip("the answer has no body")
	}
	raw, rest, err := exchange.ReadBody(ctx, res.Body, maxPatchBody)
	if rest != nil {
		res.Body = rest
		return skip("the answer is larger than %d bytes", int64(maxPatchBody))
	}
	if err != nil {
		// The device gets the bytes that came, and then the same failure.
		res.Body = &exchange.Reader{R: io.NopCloser(io.MultiReader(bytes.NewReader(raw), failing{err})), N: -1}
		return skip("reading the answer: %v", err)
	}
	res.Body = exchange.Bytes(raw)
	plain, err := exchange.Decode(raw, exchange.Encodings(res.Header), maxPatchBody)
	if err != nil {
		return skip("the answer: %v", err)
	}
	plain, _ = exchange.DecodeText(plain, ct)
	v, err := jsonvalue.Parse(plain)
	if err != nil {
		return skip("the answer is not JSON: %v", err)
	}
	merged, refused := merge(v, patch)
	for _, why := range refused {
		x.Notes.Add("warning", "patch "+why)
	}
	out, err := jsonvalue.Append(make([]byte, 0, len(plain)+256), merged)
	if err != nil {
		return skip("%v", err)
	}
	x.Edited(exchange.EditOf(byPatch, "response", "body", string(plain), string(out))...)
	res.Header.DropBody()
	out, res.Header, _ = exchange.EncodeBody(res.Header, out)
	res.Trailer = nil
	res.Body = exchange.Bytes(out)
	return true
}

// failing is a reader that returns an error at once.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Interface guards.
var _ exchange.Handler = (*patcher)(nil)
