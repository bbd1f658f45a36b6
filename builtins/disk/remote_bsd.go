//go:build darwin || freebsd

package disk

import "golang.org/x/sys/unix"

// remote names the file system at path if others can change its files without
// this system hearing of it; else it is empty.
func remote(path string) string {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil || s.Flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return "network"
}
