//go:build !linux

package exporter

import "runtime/debug"

// limitOwnMemory has the collector keep this process below a bound, in bytes.
func limitOwnMemory(bytes uint64) { debug.SetMemoryLimit(int64(bytes / 10 * 9)) }
