//go:build !unix

package part

import "os/exec"

// prepare sets how the process is started.
func prepare(*exec.Cmd, uint64) (free func()) { return nil }

// killGroup ends the process and what it has started.
func killGroup(cmd *exec.Cmd) { cmd.Process.Kill() }
