//go:build unix

package disk

import "golang.org/x/sys/unix"

// writable returns nil if this process may make files in a directory, else an error
// with the reason.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
