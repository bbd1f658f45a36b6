package driver

import (
	"fmt"
	"strings"
	"testing"
)

// manyEndpoints is a scenario of n endpoints in which each kind of key occurs.
func manyEndpoints(n int) string {
	var b strings.Builder
	b.WriteString("endpoints:\n")
	for i := range n {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "  GET /api/v1/items/%d: {status: 200, body: {id: %d, name: item, tags: [a, b]}}\n", i, i)
		case 1:
			fmt.Fprintf(&b, "  POST /api/v1/items/%d:\n    status: 201\n    body: {id: %d}\n    headers: {X-Id: '%d'}\n", i, i, i)
		case 2:
			fmt.Fprintf(&b, "  GET /users/%d/{name}: {body: hello}\n", i)
		case 3:
			fmt.Fprintf(&b, "  https://h%d.example/path: {body: hello}\n", i)
		}
	}
	return b.String()
}

// BenchmarkManyEndpoints loads 20,000 endpoints, and sets one more beside them.
func BenchmarkManyEndpoints(b *testing.B) {
	text := manyEndpoints(20000)
	cfg := DefaultConfig()
	cfg.Directories.Data = b.TempDir()
	d, err := New(cfg, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	call := func(method string, args ...any) {
		b.Helper()
		if got, err := d.Call(b.Context(), method, args); err != nil || strings.HasPrefix(fmt.Sprint(got), "Failed") {
			b.Fatal(got, err)
		}
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			call("load_mock_scenario_content", "many.yaml", text)
		}
	})
	b.Run("set", func(b *testing.B) {
		for b.Loop() {
			call("set_mock", "GET", "/one/more", 200.0, `"x"`)
		}
	})
}
