//go:build !linux && !darwin && !freebsd

package disk

// remote is empty: here no system is known to tell which file systems are
// those of others.
func remote(string) string { return "" }
