package driver

import "starproxy/driver/rpc"

// methods is the whole control surface of a proxy: what tests, command line
// and browser can do is a row here.
func (d *Driver) methods() []rpc.Row {
	start := []rpc.Param{rpc.With("mode", "mock"), rpc.With("web_ui", false), rpc.With("replay_file", ""), rpc.With("port", 0)}
	restart := []rpc.Param{rpc.With("mode", ""), rpc.With("web_ui", false), rpc.With("replay_file", ""), rpc.With("port", 0)}
	key := []rpc.Param{rpc.Need("method"), rpc.Need("path")}
	endpoint := func(p ...rpc.Param) []rpc.Param {
		return append([]rpc.Param{rpc.Need("method"), rpc.Need("path")}, p...)
	}
	return []rpc.Row{
		rpc.New("start", "Start the proxy in mode mock, passthrough, record or replay; port 0 takes the configured one.", d.start, start...),
		rpc.New("stop", "Stop the proxy; mocks, state and captures stay.", d.stop),
		rpc.New("restart", "Stop and start again; an empty mode keeps the present one.", d.restart, restart...),
		rpc.New("status", "Tell as JSON what runs where.", d.status),
		rpc.New("is_running", "Tell whether the proxy runs.", d.isRunning),

		rpc.New("set_mock", "Answer an endpoint with a fixed response; the body is JSON text.", d.setMock,
			endpoint(rpc.Need("status"), rpc.Need("body"), rpc.With("content_type", "application/json"), rpc.With("headers", "{}"))...),
		rpc.New("remove_mock", "Remove an endpoint; one of the scenario that it was laid over is in force again.", d.removeMock, key...),
		rpc.New("clear_mocks", "Remove all endpoints.", d.clearMocks),
		rpc.New("reset_mocks", "Return to the endpoints of the scenario as it was loaded, or of the configuration.", d.resetMocks),
		rpc.New("set_mock_file", "Answer an endpoint with a file from the files directory.", d.setMockFile,
			endpoint(rpc.Need("file_path"), rpc.With("content_type", ""), rpc.With("status", 200), rpc.With("headers", "{}"))...),
		rpc.New("set_mock_patch", "Merge a JSON object into the real server's JSON answers.", d.setMockPatch,
			endpoint(rpc.Need("patches_json"), rpc.With("headers", "{}"))...),
		rpc.New("set_mock_with_latency", "Answer an endpoint with a fixed response after a delay in milliseconds.", d.setMockWithLatency,
			endpoint(rpc.Need("status"), rpc.Need("body"), rpc.Need("latency_ms"), rpc.With("content_type", "application/json"))...),
		rpc.New("set_mock_fault", "Let an endpoint fail as the network does: reset, close, stall, truncate, garbage, or a JSON object of kind, after and rate; the answer is JSON with the keys of an endpoint.", d.setMockFault,
			endpoint(rpc.Need("fault"), rpc.With("answer_json", "{}"))...),
		rpc.New("set_mock_sequence", "Answer an endpoint with one response after the other.", d.setMockSequence,
			endpoint(rpc.Need("sequence_json"))...),
		rpc.New("set_mock_template", "Answer an endpoint with JSON whose {{…}} are computed for each request.", d.setMockTemplate,
			endpoint(rpc.Need("template_json"), rpc.With("status", 200))...),
		rpc.New("set_mock_addon", "Let an addon script answer an endpoint.", d.setMockAddon,
			endpoint(rpc.Need("addon_name"), rpc.With("addon_config_json", "{}"))...),
		rpc.New("set_mock_conditional", "Answer an endpoint by the first rule that matches the request.", d.setMockConditional,
			endpoint(rpc.Need("rules_json"))...),

		rpc.New("set_state", "Set a key of the shared state to a JSON value.", d.setState, rpc.Need("key"), rpc.Need("value_json")),
		rpc.New("get_state", "Give a key of the shared state as JSON, null when it is not set.", d.getState, rpc.Need("key")),
		rpc.New("clear_state", "Remove all keys of the shared state.", d.clearState),
		rpc.New("get_all_state", "Give the shared state as a JSON object.", d.getAllState),
		rpc.New("list_webhooks", "List the latest webhooks that were sent or failed, as JSON.", d.listWebhooks),
		rpc.New("list_scenario_states", "Tell as JSON in which states the named scenarios of the endpoints are, and which ones they have.", d.listScenarioStates),
		rpc.New("set_scenario_state", "Bring a named scenario into a state.", d.setScenarioState, rpc.Need("scenario"), rpc.Need("state")),
		rpc.New("reset_scenario_states", "Bring a named scenario, or all of them, back into the state Started.", d.resetScenarioStates, rpc.With("scenario", "")),

		rpc.New("load_mock_scenario", "Replace all endpoints by a scenario file or directory on the exporter.", d.loadMockScenario, rpc.Need("path")),
		rpc.New("load_mock_scenario_content", "Replace all endpoints by the text of a scenario file.", d.loadMockScenarioContent,
			rpc.Need("filename"), rpc.Need("content")),

		rpc.New("get_ca_cert_path", "Give the path of the CA certificate on the exporter.", d.getCACertPath),
		rpc.New("get_ca_cert", "Give the CA certificate in PEM.", d.getCACert),

		// What the web UI calls besides.
		rpc.New("capture_as_mock", "Make the key and the definition of an endpoint from a captured exchange, as JSON.", d.captureAsMock, rpc.With("seq", 0)),
		rpc.New("check_state", "Tell as JSON whether a value of the shared state is right, and where it is not.", d.checkState,
			rpc.Need("key"), rpc.Need("value_json")),
		rpc.New("put_mock", "Put an endpoint in force that is given in YAML or JSON, in place of another key if there is one.", d.putMock,
			rpc.Need("key"), rpc.Need("text"), rpc.With("replaces", "")),
		rpc.New("enable_mock", "Let an endpoint answer, or not.", d.enableMock, rpc.Need("key"), rpc.With("enabled", true)),
		rpc.New("delete_state", "Remove a key of the shared state.", d.deleteState, rpc.Need("key")),
		rpc.New("get_metrics", "Give the counters of the proxy as JSON.", d.getMetrics),
		rpc.New("watch_status", "Stream the status when it changes.", d.watchStatus),
	}
}
