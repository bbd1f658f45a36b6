package exporter

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// limitOwnMemory bounds what this process may use, in bytes: the collector works
// harder near the bound, and an allocation beyond it ends the process.
func limitOwnMemory(bytes uint64) {
	debug.SetMemoryLimit(int64(bytes / 10 * 9))
	// RLIMIT_DATA counts what is mapped and may be written; it is refused only
	// where a lower one is set already.
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
}
