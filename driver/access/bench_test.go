//go:build unix

package access

import (
	"path/filepath"
	"testing"
)

// BenchmarkOpen is what a file mock does for each request, without and with
// secrets to look for.
func BenchmarkOpen(b *testing.B) {
	root, p := bench(b)
	for name, dir := range map[string]Dir{"owned": (*Policy)(nil).Owned(filepath.Join(root, "data/files")), "policy": p.Owned(filepath.Join(root, "data/files"))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, _, err := dir.Open("a")
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
