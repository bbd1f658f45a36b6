//go:build !unix

package hook

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// start returns an error: there are no terminals for hooks on this system.
func start(*exec.Cmd) (*terminal, error) {
	return nil, fmt.Errorf("hooks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func signalGroup(int, syscall.Signal) error { return errors.ErrUnsupported }
