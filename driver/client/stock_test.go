package client

import (
	"errors"
	"testing"

	"starproxy/driver/rpc"
)

// TestJudgeStock has the sentences of the stock driver.
func TestJudgeStock(t *testing.T) {
	t.Parallel()
	refused := func(code rpc.Code, about, text, stock string) *rpc.Refusal {
		return &rpc.Refusal{Code: code, About: about, Text: text, Stock: stock}
	}
	for _, tt := range []struct {
		method string
		result any
		want   *rpc.Refusal // nil for success
	}{
		{"start", "Started in 'mock' mode on 0.0.0.0:8080 (PID 7)", nil},
		{"start", "Replay file not found: /f/c", refused(rpc.NotFound, "replay_file", "Replay file not found: /f/c", "Replay file not found: /f/c")},
		{"restart", "Error: replay_file is required for replay mode", refused(rpc.InvalidArgument, "replay_file", "replay_file is required for replay mode", "Error: replay_file is required for replay mode")},
		{"stop", "Not running", refused(rpc.FailedPrecondition, "", "Not running", "Not running")},
		{"get_ca_cert", "-----BEGIN CERTIFICATE-----", nil},
		{"get_ca_cert", "Error: none", refused(rpc.FailedPrecondition, "", "none", "Error: none")},
		{"remove_mock", "Mock not found: GET /a", refused(rpc.FailedPrecondition, "", "Mock not found: GET /a", "Mock not found: GET /a")},
		{"clean_capture_spool", "No spool directory found", nil},
		{"get_state", `"Error: a value"`, nil},
		{"is_running", false, nil},
	} {
		err := JudgeStock(tt.method, tt.result)
		var got *rpc.Refusal
		if errors.As(err, &got); (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %v: got %#v, want %#v", tt.method, tt.result, err, tt.want)
		}
	}
}
