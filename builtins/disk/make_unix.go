//go:build unix

package disk

import "golang.org/x/sys/unix"

// writable tells why this process may make no files in a directory, nil if it may.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
