package call

import (
	"time"

	"starproxy/builtins/exchange"
)

// Defaults are what a document or a driver sets for answers that do not say it.
type Defaults struct {
	// ContentType of a plain dict's body; "" means application/json.
	ContentType string
	// Latency before an answer without latency_ms.
	Latency Latency
	// File makes what answers with a file; nil when files can't be had.
	File func(name string, status int, header exchange.Header, contentType string, delay time.Duration) exchange.Handler
	// FilesDir is where it looks, for errors.
	FilesDir string
}
