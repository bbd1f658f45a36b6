package driver

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScenarioIsReadOnce checks that a start and a load compile a scenario once:
// what it warns about is told once.
func TestScenarioIsReadOnce(t *testing.T) {
	t.Parallel()
	const yaml, star = "GET /a: {body_template: '{{now}}'}\n", "endpoints = {'GET /a': {'body_template': '{{now}}'}}\n"
	for name, file := range map[string]struct{ scenario, path, text string }{
		"file":                {"s.yaml", "s.yaml", yaml},
		"script":              {"s.star", "s.star", star},
		"directory":           {"set", "set/scenario.yaml", yaml},
		"directory of JSON":   {"set", "set/scenario.json", `{"GET /a": {"body_template": "{{now}}"}}`},
		"directory of script": {"set", "set/scenario.star", star},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			cfg := DefaultConfig()
			cfg.Listen = Listen{Host: "127.0.0.1", Port: 0}
			cfg.Directories.Data = t.TempDir()
			cfg.Directories.Mocks = t.TempDir()
			cfg.MockScenario = file.scenario
			path := filepath.Join(cfg.Directories.Mocks, file.path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := New(cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for _, call := range [][]any{{"start", "mock"}, {"load_mock_scenario", file.scenario}} {
				log.Reset()
				if got, err := d.Call(context.Background(), call[0].(string), call[1:]); err != nil || strings.HasPrefix(got.(string), "Failed") {
					t.Fatal(got, err)
				}
				if n := strings.Count(log.String(), "now is text here"); n != 1 {
					t.Errorf("%s: the warning is told %d times, want once:\n%s", call[0], n, log.String())
				}
			}
		})
	}
}
