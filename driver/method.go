package driver

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
)

// Kind tells by which road a method is called.
type Kind uint8

// The kinds of methods.
const (
	Call       Kind = iota // one answer
	Stream                 // answers as they come
	ByteStream             // a connection
)

// MethodInfo describes a method to whoever offers it.
type MethodInfo struct {
	Name string
	// Doc is one sentence.
	Doc  string
	Kind Kind
	// Params in the order of the arguments.
	Params []Param
}

// method is a row of the table: what callers see, and the function that gets
// the unpacked arguments.
type method struct {
	MethodInfo
	fn reflect.Value
}

// changes reports whether the method changes what the proxy does: a failure may
// then spoil all that follows.
func (m *method) changes() bool {
	verb, _, _ := strings.Cut(m.Name, "_")
	return slices.Contains([]string{"start", "restart", "set", "load", "put", "enable", "remove", "upload"}, verb)
}

// named are the parameters that a warning about a failure tells.
func named() []string {
	return []string{"method", "path", "key", "mode", "replay_file", "filename", "name", "relative_path", "addon_name", "file_path"}
}

// param is how the table writes a parameter; its type is the function's own.
type param struct {
	name string
	dflt any
}

func need(name string) param           { return param{name, nil} }
func with(name string, dflt any) param { return param{name, dflt} }
func params(p ...param) []param        { return p }
func row(n, doc string, fn any, p []param) method {
	m := method{MethodInfo{Name: n, Doc: doc}, reflect.ValueOf(fn)}
	t := m.fn.Type()
	switch t.Out(0) {
	case reflect.TypeFor[iter.Seq2[any, error]]():
		m.Kind = Stream
	case reflect.TypeFor[net.Conn]():
		m.Kind = ByteStream
	}
	for i, p := range p { // after the driver and the context
		m.Params = append(m.Params, Param{p.name, typeName(t.In(i + 2).Kind()), p.dflt})
	}
	return m
}

// typeName is the Go type of a parameter by the name that callers know.
func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "int"
	case reflect.Float64:
		return "float"
	case reflect.Bool:
		return "bool"
	}
	return "string"
}

// methods is the whole control surface of a proxy: what tests, command line
// and browser can do is a row here.
func methods() []method {
	start := params(with("mode", "mock"), with("web_ui", false), with("replay_file", ""), with("port", 0))
	restart := params(with("mode", ""), with("web_ui", false), with("replay_file", ""), with("port", 0))
	key := params(need("method"), need("path"))
	endpoint := func(p ...param) []param { return append(params(need("method"), need("path")), p...) }
	return []method{
		row("start", "Start the proxy in mode mock, passthrough, record or replay; port 0 takes the configured one.", (*Driver).start, start),
		row("stop", "Stop the proxy; mocks, state and captures stay.", (*Driver).stop, nil),
		row("restart", "Stop and start again; an empty mode keeps the present one.", (*Driver).restart, restart),
		row("status", "Tell as JSON what runs where.", (*Driver).status, nil),
		row("is_running", "Tell whether the proxy runs.", (*Driver).isRunning, nil),
		row("connect_web", "Connect to the web UI.", (*Driver).connectWeb, nil),

		row("set_mock", "Answer an endpoint with a fixed response; the body is JSON text.", (*Driver).setMock,
			endpoint(need("status"), need("body"), with("content_type", "application/json"), with("headers", "{}"))),
		row("remove_mock", "Remove an endpoint; one of the scenario that it was laid over is in force again.", (*Driver).removeMock, key),
		row("clear_mocks", "Remove all endpoints.", (*Driver).clearMocks, nil),
		row("reset_mocks", "Return to the endpoints of the scenario as it was loaded, or of the configuration.", (*Driver).resetMocks, nil),
		row("list_mocks", "List the endpoints as a JSON object from key to definition.", (*Driver).listMocks, nil),
		row("set_mock_file", "Answer an endpoint with a file from the files directory.", (*Driver).setMockFile,
			endpoint(need("file_path"), with("content_type", ""), with("status", 200), with("headers", "{}"))),
		row("set_mock_patch", "Merge a JSON object into the real server's JSON answers.", (*Driver).setMockPatch,
			endpoint(need("patches_json"), with("headers", "{}"))),
		row("set_mock_with_latency", "Answer an endpoint with a fixed response after a delay in milliseconds.", (*Driver).setMockWithLatency,
			endpoint(need("status"), need("body"), need("latency_ms"), with("content_type", "application/json"))),
		row("set_mock_fault", "Let an endpoint fail as the network does: reset, close, stall, truncate, garbage, or a JSON object of kind, after and rate; the answer is JSON with the keys of an endpoint.", (*Driver).setMockFault,
			endpoint(need("fault"), with("answer_json", "{}"))),
		row("set_mock_sequence", "Answer an endpoint with one response after the other.", (*Driver).setMockSequence,
			endpoint(need("sequence_json"))),
		row("set_mock_template", "Answer an endpoint with JSON whose {{…}} are computed for each request.", (*Driver).setMockTemplate,
			endpoint(need("template_json"), with("status", 200))),
		row("set_mock_addon", "Let an addon script answer an endpoint.", (*Driver).setMockAddon,
			endpoint(need("addon_name"), with("addon_config_json", "{}"))),
		row("set_mock_conditional", "Answer an endpoint by the first rule that matches the request.", (*Driver).setMockConditional,
			endpoint(need("rules_json"))),

		row("set_state", "Set a key of the shared state to a JSON value.", (*Driver).setState, params(need("key"), need("value_json"))),
		row("get_state", "Give a key of the shared state as JSON, null when it is not set.", (*Driver).getState, params(need("key"))),
		row("clear_state", "Remove all keys of the shared state.", (*Driver).clearState, nil),
		row("get_all_state", "Give the shared state as a JSON object.", (*Driver).getAllState, nil),
		row("list_webhooks", "List the latest webhooks that were sent or failed, as JSON.", (*Driver).listWebhooks, nil),
		row("list_scenario_states", "Tell as JSON in which states the named scenarios of the endpoints are, and which ones they have.", (*Driver).listScenarioStates, nil),
		row("set_scenario_state", "Bring a named scenario into a state.", (*Driver).setScenarioState, params(need("scenario"), need("state"))),
		row("reset_scenario_states", "Bring a named scenario, or all of them, back into the state Started.", (*Driver).resetScenarioStates, params(with("scenario", ""))),
		row("list_addons", "List the addon scripts as a JSON array.", (*Driver).listAddons, nil),

		row("load_mock_scenario", "Replace all endpoints by a scenario file or directory on the exporter.", (*Driver).loadMockScenario, params(need("path"))),
		row("load_mock_scenario_content", "Replace all endpoints by the text of a scenario file.", (*Driver).loadMockScenarioContent,
			params(need("filename"), need("content"))),

		row("list_flow_files", "List the recorded flow files as a JSON array.", (*Driver).listFlowFiles, nil),
		row("get_flow_file", "Stream a recorded flow file in base64.", (*Driver).getFlowFile, params(need("name"))),
		row("upload_flow_file_part", "Put a recording of any size into the flows directory, part by part in order; the caller chooses the id.", (*Driver).uploadFlowFilePart,
			params(need("name"), need("upload_id"), need("offset"), need("content_base64"), with("last", false))),
		row("get_ca_cert_path", "Give the path of the CA certificate on the exporter.", (*Driver).getCACertPath, nil),
		row("get_ca_cert", "Give the CA certificate in PEM.", (*Driver).getCACert, nil),

		row("get_captured_requests", "Give all captured requests as a JSON array.", (*Driver).getCapturedRequests, nil),
		row("list_captured_requests", "Give the captured requests that a filter expression picks as a JSON array.", (*Driver).listCapturedRequests, params(with("filter_expr", ""))),
		row("watch_captured_requests", "Stream captured requests, or those that a filter expression picks: those kept, then new ones as they happen.", (*Driver).watchCapturedRequests,
			params(with("filter_expr", ""))),
		row("clear_captured_requests", "Forget all captured requests.", (*Driver).clearCapturedRequests, nil),
		row("export_captured_scenario", "Make a scenario of the captured traffic; the filter is a glob on the path.", (*Driver).exportCapturedScenario,
			params(with("filter_pattern", ""), with("exclude_mocked", false), with("timed", false))),
		row("export_captures", "Stream the captured traffic in base64, as a HAR document (har) or a flow file (flow); the filter is a glob on the path.", (*Driver).exportCaptures,
			params(need("format"), with("filter_pattern", ""), with("exclude_mocked", false), with("filter_expr", ""), with("seqs", ""))),
		row("missing_from_export", "Tell what export_captures of the same arguments leaves out, and why, as a JSON array of lines.", (*Driver).missingFromExport,
			params(need("format"), with("filter_pattern", ""), with("exclude_mocked", false), with("filter_expr", ""), with("seqs", ""))),
		row("clean_capture_spool", "Delete the captured bodies kept on disk that were exported as a scenario since the last call; all of them when nothing was.", (*Driver).cleanCaptureSpool, nil),
		row("get_captured_file", "Stream an exported or captured file in base64.", (*Driver).getCapturedFile, params(need("relative_path"))),
		row("upload_mock_file", "Put a file, given in base64, into the files directory.", (*Driver).uploadMockFile,
			params(need("relative_path"), need("content_base64"))),
		row("upload_mock_file_part", "Put a file of any size into the files directory, part by part in order; the caller chooses the id.", (*Driver).uploadMockFilePart,
			params(need("relative_path"), need("upload_id"), need("offset"), need("content_base64"), with("last", false))),
		row("wait_for_request", "Wait for a captured request, at most timeout seconds; a path may end in *.", (*Driver).waitForRequest,
			endpoint(with("timeout", 10.0))),

		// What the web UI calls besides.
		row("list_captures", "List captured exchanges in rows, as JSON, the newest or those before a number.", (*Driver).listCaptures,
			params(with("filter_expr", ""), with("highlight_expr", ""), with("before", 0), with("limit", 500))),
		row("watch_captures", "Stream captured exchanges in rows: those kept after a number, then new ones and news of old ones.", (*Driver).watchCaptures,
			params(with("filter_expr", ""), with("highlight_expr", ""), with("after", 0), with("since", ""))),
		row("get_capture", "Tell all of a captured exchange but its bodies, as JSON.", (*Driver).getCapture, params(with("seq", 0))),
		row("get_capture_body", "Give a piece of a captured body with its content encoding undone, as JSON.", (*Driver).getCaptureBody,
			params(with("seq", 0), with("side", "response"), with("offset", 0), with("limit", 65536))),
		row("list_messages", "List the messages of a captured WebSocket, as JSON.", (*Driver).listMessages, params(with("seq", 0), with("after", 0))),
		row("watch_messages", "Stream the messages of a captured WebSocket until its end.", (*Driver).watchMessages, params(with("seq", 0), with("after", 0))),
		row("annotate_capture", "Give a captured exchange a mark (a colour) and a comment.", (*Driver).annotateCapture,
			params(with("seq", 0), with("mark", ""), with("comment", ""))),
		row("check_filter", "Tell as JSON whether a filter expression is right, and where it is not.", (*Driver).checkFilter, params(need("filter_expr"))),
		row("list_filter_operators", "List the operators of filter expressions, as JSON.", (*Driver).listFilterOperators, nil),
		row("resend_request", "Send a request, given as JSON, through the proxy.", (*Driver).resendRequest, params(need("request_json"))),
		row("list_endpoints", "List the endpoints as JSON, with their source and how often they were asked.", (*Driver).listEndpoints, nil),
		row("capture_as_mock", "Make the key and the definition of an endpoint from a captured exchange, as JSON.", (*Driver).captureAsMock, params(with("seq", 0))),
		row("check_mock", "Tell as JSON whether the definition of an endpoint, in YAML or JSON, is right, and where it is not.", (*Driver).checkMock,
			params(need("key"), need("text"))),
		row("check_state", "Tell as JSON whether a value of the shared state is right, and where it is not.", (*Driver).checkState,
			params(need("key"), need("value_json"))),
		row("put_mock", "Put an endpoint in force that is given in YAML or JSON, in place of another key if there is one.", (*Driver).putMock,
			params(need("key"), need("text"), with("replaces", ""))),
		row("enable_mock", "Let an endpoint answer, or not.", (*Driver).enableMock, params(need("key"), with("enabled", true))),
		row("list_scenarios", "List the scenarios in the mocks directory, as JSON.", (*Driver).listScenarios, nil),
		row("delete_state", "Remove a key of the shared state.", (*Driver).deleteState, params(need("key"))),
		row("list_addon_status", "List the addon scripts as JSON, with why one is not in force.", (*Driver).listAddonStatus, nil),
		row("get_metrics", "Give the counters of the proxy as JSON.", (*Driver).getMetrics, nil),
		row("watch_status", "Stream the status when it changes.", (*Driver).watchStatus, nil),
	}
}

// Methods lists everything that can be called, in a fixed order.
func (d *Driver) Methods() []MethodInfo {
	out := make([]MethodInfo, len(d.methods))
	for i := range d.methods {
		out[i] = d.methods[i].MethodInfo
	}
	return out
}

// Call calls a method of kind [Call] with positional arguments: nil, bool,
// string, and numbers as float64 or int. The result is a string or a bool. A
// failure is an [*Error] or the context's own error.
func (d *Driver) Call(ctx context.Context, name string, args []any) (any, error) {
	return d.invoke(ctx, name, Call, args)
}

// Stream calls a method of kind [Stream]. Its items are strings; an error is
// the last thing it yields. What the stream holds is released when the
// iteration ends, or never taken when it is not begun.
func (d *Driver) Stream(ctx context.Context, name string, args []any) (iter.Seq2[any, error], error) {
	v, err := d.invoke(ctx, name, Stream, args)
	if err != nil {
		return nil, err
	}
	seq := v.(iter.Seq2[any, error])
	return func(yield func(any, error) bool) {
		for item, err := range seq {
			if !yield(item, asError(err)) || err != nil {
				return
			}
		}
	}, nil
}

// Connect calls a method of kind [ByteStream]; the caller closes the connection.
func (d *Driver) Connect(ctx context.Context, name string) (net.Conn, error) {
	v, err := d.invoke(ctx, name, ByteStream, nil)
	if err != nil {
		return nil, err
	}
	return v.(net.Conn), nil
}

// marker is what Python drivers call the kind.
func (k Kind) marker() string {
	switch k {
	case Stream:
		return "marker_streamingdrivercall"
	case ByteStream:
		return "marker_streamcall"
	}
	return "marker_drivercall"
}

func (d *Driver) invoke(ctx context.Context, name string, kind Kind, args []any) (any, error) {
	m := d.byName[name]
	switch {
	case m == nil:
		return nil, errorf(NotFound, "method %s not found on driver", name)
	case m.Kind != kind:
		return nil, errorf(NotFound, "method %s missing marker %s", name, kind.marker())
	}
	values, bad := unpack(name, m.Params, args)
	if bad != nil {
		d.warn(m, nil, bad)
		return nil, bad
	}
	in := make([]reflect.Value, 0, 2+len(values))
	in = append(in, reflect.ValueOf(d), reflect.ValueOf(ctx))
	for _, v := range values {
		in = append(in, reflect.ValueOf(v))
	}
	out := m.fn.Call(in)
	if err, _ := out[1].Interface().(error); err != nil {
		d.warn(m, values, err)
		var text refused
		if errors.As(err, &text) {
			return string(text), nil
		}
		return nil, asError(err)
	}
	return out[0].Interface(), nil
}

// CallFailed is the message of the warning about a call that did not do what was
// asked; call, reason and the names among the arguments are its attributes.
const CallFailed = "call failed"

// maxTold is how much of an argument a warning tells, in bytes.
const maxTold = 200

// warn logs why a method did not do what was asked. Of methods that only look,
// a failure is the caller's own affair.
func (d *Driver) warn(m *method, values []any, err error) {
	var text refused
	if !errors.As(err, &text) && !m.changes() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	attrs := []slog.Attr{slog.String("call", m.Name), slog.String("reason", err.Error())}
	for i, v := range values {
		if name := m.Params[i].Name; slices.Contains(named(), name) && v != "" {
			if s, ok := v.(string); ok && len(s) > maxTold {
				v = s[:maxTold] + "..."
			}
			attrs = append(attrs, slog.Any(name, v))
		}
	}
	d.log.LogAttrs(context.Background(), slog.LevelWarn, CallFailed, attrs...)
}
