//go:build unix && !linux

package part

import "os/exec"

// limitMemory sets no limit, because this system has no control groups. The host
// process limits its own memory instead.
func limitMemory(*exec.Cmd, uint64) (free func()) { return nil }
