//go:build unix

package part

import (
	"os/exec"
	"syscall"
)

// prepare has the process lead a group of its own, so that what it starts can be
// ended with it, and signals of the terminal do not reach it.
func prepare(cmd *exec.Cmd, limit uint64) (free func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return limitMemory(cmd, limit)
}

// killGroup ends the process and what it has started.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
