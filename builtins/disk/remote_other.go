//go:build !linux && !darwin && !freebsd

package disk

// remote returns "": these systems do not tell which file systems are remote.
func remote(string) string { return "" }
