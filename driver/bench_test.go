package driver

import (
	"context"
	"testing"
)

// BenchmarkRestart is a stop and a start with endpoints in force.
func BenchmarkRestart(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Listen = Listen{Host: "127.0.0.1"}
	cfg.Directories.Data = b.TempDir()
	d, err := New(cfg, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	ctx := context.Background()
	if _, err := d.Call(ctx, "load_mock_scenario_content", []any{"s.yaml", "GET /a: {body: 1}\nGET /b: {sequence: [{body: 1}]}\n"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Call(ctx, "restart", nil); err != nil {
			b.Fatal(err)
		}
	}
}
