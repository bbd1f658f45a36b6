package client

import (
	"strings"

	"starproxy/driver/rpc"
)

// successes returns the beginnings of the sentences with which a stock driver
// tells that it did what was asked. A method that is not here always does.
func successes(method string) string {
	switch method {
	case "start", "restart":
		return "Started in"
	case "stop":
		return "Stopped"
	case "clear_mocks", "clear_state", "clear_captured_requests":
		return "Cleared"
	case "set_mock", "set_mock_with_latency":
		return "Mock set: "
	case "set_mock_file":
		return "File mock set: "
	case "set_mock_patch":
		return "Patch mock set: "
	case "set_mock_sequence":
		return "Sequence mock set: "
	case "set_mock_template":
		return "Template mock set: "
	case "set_mock_addon":
		return "Addon mock set: "
	case "set_mock_conditional":
		return "Conditional mock set: "
	case "remove_mock":
		return "Removed mock: "
	case "set_state":
		return "State set: "
	case "load_mock_scenario", "load_mock_scenario_content":
		return "Loaded"
	case "upload_mock_file":
		return "Uploaded"
	case "get_ca_cert":
		return "-----BEGIN"
	case "get_ca_cert_path":
		return "/"
	}
	return ""
}

// JudgeStock returns the error of a call whose outcome the exporter does not
// tell: a [rpc.Refusal] when its result is none of the sentences of success,
// else nil. Only the words of a stock driver, and of the first versions of
// ours, can be judged by.
func JudgeStock(method string, result any) error {
	sentence, ok := result.(string)
	if !ok || strings.HasPrefix(sentence, successes(method)) {
		return nil
	}
	r := &rpc.Refusal{Code: rpc.FailedPrecondition, Text: strings.TrimPrefix(sentence, "Error: "), Stock: sentence}
	switch {
	case strings.HasPrefix(r.Text, "replay_file is required"):
		r.Code, r.About = rpc.InvalidArgument, "replay_file"
	case strings.HasPrefix(r.Text, "Replay file not found"):
		r.Code, r.About = rpc.NotFound, "replay_file"
	}
	return r
}
