//go:build unix

package hook

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// start starts cmd on a terminal, as the leader of a session and of a process
// group. The session has no controlling terminal: the system would send SIGHUP
// to a process that the hook leaves behind.
func start(cmd *exec.Cmd) (*terminal, error) {
	opened, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("opening a terminal: %w", err)
	}
	master, err := withDeadlines(opened)
	opened.Close()
	if err != nil {
		slave.Close()
		return nil, fmt.Errorf("opening a terminal: %w", err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		master.Close()
		slave.Close()
		return nil, err
	}
	return &terminal{master: master, slave: slave, draining: make(chan struct{}), done: make(chan struct{})}, nil
}

// withDeadlines returns another descriptor of f whose reads can have a time
// limit, which they don't with the files that the pty package returns.
func withDeadlines(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	again := os.NewFile(uintptr(fd), f.Name())
	if err := again.SetReadDeadline(time.Time{}); err != nil {
		again.Close()
		return nil, err
	}
	return again, nil
}

// signalGroup sends a signal to a process group. Signal 0 only asks whether the
// group has a process that this one may signal; nil means that it has.
func signalGroup(leader int, s syscall.Signal) error { return syscall.Kill(-leader, s) }
