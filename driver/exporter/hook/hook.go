// Package hook runs the scripts that an exporter runs before and after a lease,
// the hooks of Jumpstarter's exporter file. A script runs on a terminal of its
// own, reaches the bench of the lease with j, and its output comes line by line.
package hook

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"starproxy/builtins/disk"
)

// defaultTimeout is the time limit of a hook that names none, in seconds.
const defaultTimeout = 120

// Hook is a script with its interpreter.
type Hook struct {
	// Commands, or one line with the name of a script file.
	Script string `yaml:"script"`
	// The interpreter, which may have arguments, separated by spaces. Default
	// /bin/sh, and Python for a script file whose name ends in .py.
	Exec string `yaml:"exec"`
	// Seconds; default 120.
	Timeout float64 `yaml:"timeout"`
	// warn (default), endLease or exit. Run leaves it to its caller.
	OnFailure string `yaml:"onFailure"`
}

// Complete fills in the defaults. The error names the key that is wrong.
func (h *Hook) Complete() error {
	if h.Timeout == 0 {
		h.Timeout = defaultTimeout
	}
	switch h.OnFailure {
	case "":
		h.OnFailure = "warn"
	case "warn", "endLease", "exit":
	default:
		return fmt.Errorf("onFailure %q is not known: expected warn, endLease or exit", h.OnFailure)
	}
	if strings.TrimSpace(h.Script) == "" {
		return fmt.Errorf("script is missing")
	}
	if h.Timeout < 0 {
		return fmt.Errorf("timeout %v is negative", h.Timeout)
	}
	if math.IsNaN(h.Timeout) {
		return fmt.Errorf("timeout %v is not a number of seconds", h.Timeout)
	}
	return nil
}

// limit returns the time limit. Durations end at 292 years.
func (h *Hook) limit() time.Duration {
	const most = 1e9 // seconds, 31 years
	return time.Duration(min(h.Timeout, most) * float64(time.Second))
}

// argv returns the command line. As in Jumpstarter's own exporter a file is
// given to its interpreter, whatever its mode and its first line are.
func (h *Hook) argv(python string) []string {
	name := strings.TrimSpace(h.Script)
	isFile := !strings.Contains(name, "\n") && disk.IsRegular(name)
	argv := strings.Fields(h.Exec)
	switch {
	case disk.IsRegular(h.Exec): // its path may have spaces
		argv = []string{h.Exec}
	case len(argv) > 0:
	case isFile && strings.EqualFold(filepath.Ext(name), ".py"):
		argv = []string{python}
	default:
		argv = []string{"/bin/sh"}
	}
	if isFile {
		return append(argv, name)
	}
	return append(argv, "-c", h.Script)
}
