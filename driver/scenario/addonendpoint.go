package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	starvalue "starproxy/builtins/value"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// addonHandler returns the handler of a definition with the key addon.
func addonHandler(d *definition) (exchange.Handler, error) {
	name, err := d.text("addon")
	if err != nil {
		return nil, err
	}
	config := document.Map(d.get("addon"), nil)
	if n := d.get("addon_config"); n != nil {
		if n.Kind != yaml.MappingNode {
			return nil, d.wrong("addon_config", n, "a map")
		}
		config = n
	}
	if !document.Has(config, "files_dir") {
		config = document.Map(config, slices.Clone(config.Content))
		document.Put(config, "files_dir", document.Quoted(d.c.env.FilesDir))
	}
	values, err := starvalue.DecodeJSON(nil, document.AppendJSON(nil, config))
	if err != nil {
		return nil, document.Errorf(config, "%s: %v", d.at("addon_config"), err)
	}
	values.Freeze()
	host, err := d.script("addon", d.get("addon"))
	if err != nil {
		return nil, err
	}
	addons := d.c.env.Addons
	if addons == nil {
		addons = NewAddons(host, d.c.env.Log)
	}
	ad, err := addons.get(d.c.env.AddonsDir, name, true)
	if err != nil && !errors.Is(err, ErrNoAddon) {
		e := document.Errorf(d.get("addon"), "%s: %v", d.at("addon "+name), err)
		e.Err = err
		return nil, e
	}
	h := &addonEndpoint{host: host, how: d.c.answering(), addon: ad, config: values, socket: d.method == mock.WebSocket}
	if err != nil {
		// Until the script is there, the endpoint answers that it is missing.
		at := script.Position{File: d.c.src.File, Line: d.get("addon").Line, Column: d.get("addon").Column}
		addons.log.Warn("addon not found", "endpoint", d.path, "addon", name, "path", ad.path,
			"warning", fmt.Sprintf("%s: %s: no addon %s in %s", at, d.path, name, d.c.env.AddonsDir))
		return h, nil
	}
	if _, err := h.version(h.socket); err != nil {
		return nil, document.Errorf(d.get("addon"), "%s: %v", d.at("addon "+name), err)
	}
	return h, nil
}

// addonEndpoint is an endpoint that an addon answers.
type addonEndpoint struct {
	host   *script.Host
	how    *script.Answering
	addon  *addon
	config starlark.Value
	socket bool // the endpoint has a WEBSOCKET key

	now atomic.Pointer[addonVersion]
}

// addonVersion is a version of an addon with the endpoint's config. A function that
// the script does not define is nil.
type addonVersion struct {
	code              *addonCode
	handle, websocket exchange.Handler
}

// version returns the handler of the addon's present version. A reload makes a new
// version.
func (e *addonEndpoint) version(socket bool) (exchange.Handler, error) {
	code := e.addon.now.Load()
	if code == nil {
		return nil, ErrNoAddon
	}
	v := e.now.Load()
	if v == nil || v.code != code {
		v = &addonVersion{code: code}
		var err error
		if code.handle != nil {
			if v.handle, err = answerer(e.host, e.bind(code.handle), e.how, false); err != nil {
				return nil, err
			}
		}
		if code.websocket != nil {
			if v.websocket, err = answerer(e.host, e.bind(code.websocket), e.how, true); err != nil {
				return nil, err
			}
		}
		e.now.Store(v)
	}
	switch {
	case socket && v.websocket == nil:
		return nil, exchange.Naming(fmt.Errorf("%s has no function websocket(ws, config)", e.addon.path), e.addon.path)
	case socket:
		return v.websocket, nil
	case v.handle == nil:
		return nil, exchange.Naming(fmt.Errorf("%s has no function handle(req, config)", e.addon.path), e.addon.path)
	}
	return v.handle, nil
}

// bind returns a function of one argument. It calls fn with that argument and the
// config.
func (e *addonEndpoint) bind(fn starlark.Callable) starlark.Callable {
	return starlark.NewBuiltin(fn.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (starlark.Value, error) {
		return starlark.Call(thread, fn, append(slices.Clip(args), e.config), kwargs)
	})
}

// Respond lets the addon answer. If the addon has a function for WebSockets, that
// gets the upgrades to WebSocket, even if the endpoint's key is not WEBSOCKET.
func (e *addonEndpoint) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	socket := e.socket
	if code := e.addon.now.Load(); code != nil && code.websocket != nil && x.Request.IsWebSocket() {
		socket = true
	}
	h, err := e.version(socket)
	if errors.Is(err, ErrNoAddon) {
		res := exchange.JSON(http.StatusInternalServerError, map[string]string{"error": "Addon not found: " + e.addon.name})
		res.Origin = exchange.FromMock
		return res, nil
	}
	if err != nil {
		//lint:ignore ST1005 the stock driver's words
		return nil, fmt.Errorf("Addon error: %w", err)
	}
	res, err := h.Respond(ctx, x)
	var failed *script.Error
	if errors.As(err, &failed) {
		//lint:ignore ST1005 the stock driver's words
		return nil, fmt.Errorf("Addon error: %w", err)
	}
	return res, err
}

// Interface guard.
var _ exchange.Handler = (*addonEndpoint)(nil)
