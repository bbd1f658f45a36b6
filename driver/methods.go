package driver

import "starproxy/driver/rpc"

// methods is the whole control surface of a proxy: what tests, command line
// and browser can do is a row here.
func (d *Driver) methods() []rpc.Row {
	start := []rpc.Param{rpc.With("mode", "mock"), rpc.With("web_ui", false), rpc.With("replay_file", ""), rpc.With("port", 0)}
	restart := []rpc.Param{rpc.With("mode", ""), rpc.With("web_ui", false), rpc.With("replay_file", ""), rpc.With("port", 0)}
	return []rpc.Row{
		rpc.New("start", "Start the proxy in mode mock, passthrough, record or replay; port 0 takes the configured one.", d.start, start...),
		rpc.New("stop", "Stop the proxy; mocks, state and captures stay.", d.stop),
		rpc.New("restart", "Stop and start again; an empty mode keeps the present one.", d.restart, restart...),
		rpc.New("status", "Tell as JSON what runs where.", d.status),
		rpc.New("is_running", "Tell whether the proxy runs.", d.isRunning),

		// What the web UI calls besides.
		rpc.New("capture_as_mock", "Make the key and the definition of an endpoint from a captured exchange, as JSON.", d.captureAsMock, rpc.With("seq", 0)),
		rpc.New("get_metrics", "Give the counters of the proxy as JSON.", d.getMetrics),
		rpc.New("watch_status", "Stream the status when it changes.", d.watchStatus),
	}
}
