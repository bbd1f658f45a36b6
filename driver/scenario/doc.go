// Package scenario reads scenario documents: the YAML or JSON that says which
// endpoints answer instead of the real server, and how.
//
// Its functions may be called by any number of goroutines; what they return
// belongs to the caller.
//
// driver loads scenarios and inline mocks with it, the CLI validates with it,
// and exporter configuration is read by its strict decoder, [Decode].
package scenario
