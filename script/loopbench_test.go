package script_test

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/script"
)

// BenchmarkLoop measures loops of 1000 turns, with the bounds of a sandbox and, as
// "bare", by the interpreter alone.
func BenchmarkLoop(b *testing.B) {
	for _, c := range []struct{ name, body string }{
		{"sum", "n = n + i"}, {"add", "n += i"}, {"product", "n = i * n % 1000003"}, {"modulo", "n = i % 7"}, {"join", "n = ','.join(l)"}, {"format", "n = '%d-%s' % (i, l)"},
	} {
		src := "def loop(l = ['a']):\n    n = 0\n    for i in range(1000):\n        " + c.body + "\n"
		b.Run(c.name, func(b *testing.B) {
			h := newHost(script.Options{MaxSteps: 1 << 60, MaxTime: 1 << 60})
			s, err := h.LoadText("loop.star", []byte(src))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := h.Call(b.Context(), s.Globals["loop"]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+" bare", func(b *testing.B) {
			thread := new(starlark.Thread)
			globals, err := starlark.ExecFileOptions(&syntax.FileOptions{}, thread, "loop.star", src, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := starlark.Call(thread, globals["loop"], nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
