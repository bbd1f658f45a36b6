package exporter

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/driver/pb"
	"starproxy/driver/rpc"
)

// TestRefusals checks that our client gets the code of what a proxy refuses, and
// a stock client the stock driver's sentence as a result, wherever the proxy runs.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"own process": {}, "isolated": {Isolate: isolation()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, c := openIsolated(t, isolatedFile(dir), o)
			proxy := find(t, c, "proxy")
			cert := "CA cert not found at " + filepath.Join(dir, "a", "conf", "mitmproxy-ca-cert.pem") + ". Start proxy once to generate."
			for _, tt := range []struct {
				method string
				args   []any
				want   rpc.Refusal
			}{
				{"stop", nil, rpc.Refusal{Code: rpc.FailedPrecondition, Text: "Not running"}},
				{"get_ca_cert", nil, rpc.Refusal{Code: rpc.NotFound, Text: cert, Stock: "Error: " + cert}},
				{"start", []any{"replay", false, "no\u00e9.bin"}, rpc.Refusal{Code: rpc.NotFound, About: "replay_file", Text: "Replay file not found: " + filepath.Join(dir, "a", "flows", "no\u00e9.bin")}},
				{"set_mock", []any{"GET", "/a", 200, "{\n x"}, rpc.Refusal{Code: rpc.InvalidArgument, About: "body",
					Text: "Invalid body JSON: invalid character 'x' looking for beginning of object key string: line 2 column 2"}},
				{"load_mock_scenario_content", []any{"a.star", "endpoints = {}\n\nfail('a\\nb')"}, rpc.Refusal{Code: rpc.InvalidArgument}},
			} {
				if tt.want.Stock == "" {
					tt.want.Stock = tt.want.Text
				}
				values, err := pb.NewValues(tt.args)
				if err != nil {
					t.Fatal(err)
				}
				service, _ := c.Services()
				answer, err := service.DriverCall(t.Context(), &pb.DriverCallRequest{Uuid: proxy.UUID, Method: tt.method, Args: values})
				if err != nil {
					t.Fatalf("%s: a stock client got the error %v", tt.method, err)
				}
				sentence, _ := pb.Native(answer.GetResult()).(string)
				if tt.want.Stock == "" { // a text of many lines
					tt.want.Text, tt.want.Stock = sentence, sentence
					if !strings.HasPrefix(sentence, "Failed to parse scenario: ") || !strings.Contains(sentence, "a\nb") {
						t.Errorf("%s: got %q", tt.method, sentence)
					}
				}
				if sentence != tt.want.Stock {
					t.Errorf("%s: a stock client got %q, want %q", tt.method, sentence, tt.want.Stock)
				}
				_, err = proxy.Call(t.Context(), tt.method, tt.args...)
				var got *rpc.Refusal
				if !errors.As(err, &got) || *got != tt.want {
					t.Errorf("%s: got %#v, want %#v", tt.method, err, tt.want)
				}
			}
			if v, err := proxy.Call(t.Context(), "set_state", "k", `"Error: none"`); v != "State set: k" || err != nil {
				t.Errorf("set_state: got %v, %v", v, err)
			}
		})
	}
}
