package part

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed host.py
var pythonHost string

// Python returns the part that hosts drivers written in Python. Nothing is
// started, nor looked for, until a session needs it. python is an interpreter,
// or the directory of a virtual environment; when it is empty, that of
// $VIRTUAL_ENV is taken, else the one beside jmp on PATH, else python3 on PATH.
func Python(python string, log *slog.Logger) *Part {
	return New(Program{Name: "the Python part", Log: log, Command: func() (*exec.Cmd, error) {
		path, err := FindPython(python)
		if err != nil {
			return nil, err
		}
		return exec.Command(path, "-u", "-c", pythonHost), nil
	}})
}

// FindPython finds the interpreter that [Python] would take.
func FindPython(configured string) (string, error) {
	if configured != "" {
		if info, err := os.Stat(configured); err == nil && info.IsDir() {
			configured = filepath.Join(configured, "bin", "python")
		}
		path, err := exec.LookPath(configured)
		if err != nil {
			return "", fmt.Errorf("--python: %w", err)
		}
		return path, nil
	}
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" {
		if path, err := exec.LookPath(filepath.Join(venv, "bin", "python")); err == nil {
			return path, nil
		}
	}
	if jmp, err := exec.LookPath("jmp"); err == nil {
		for _, name := range []string{"python", "python3"} {
			if path, err := exec.LookPath(filepath.Join(filepath.Dir(jmp), name)); err == nil {
				return path, nil
			}
		}
	}
	if path, err := exec.LookPath("python3"); err == nil {
		return path, nil
	}
	return "", errors.New("no Python is found: install it with jumpstarter, or name it by --python")
}
