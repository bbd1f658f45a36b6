package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// Check returns the reason why Run could not run the hook, nil when it can: its interpreter
// is not found, or its script is the path of a file that is not there. The
// empty python stands for python3. Nothing is run.
func (h *Hook) Check(python string) error {
	if python == "" {
		python = "python3"
	}
	argv := h.argv(python)
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	path := strings.TrimSpace(h.Script)
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\n;|&$`'\"") {
		return nil // commands
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("script: %w", err)
	}
	return nil
}
