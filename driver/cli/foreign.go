package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// handedVariable is set for a j that another j has handed its command line to.
const handedVariable = "STARPROXY_J_HANDED_OVER"

// handOver runs Python's j with the same arguments, in the place of this
// process where the system can do that. It knows the commands of exports that
// are no proxies.
func handOver(sys *System, foreign *foreignError, args []string) error {
	path := pythonJ(sys)
	if path == "" || sys.Getenv(handedVariable) != "" {
		return fmt.Errorf("export %q is a %s, which only Python's j can control: it is not on PATH, install it with: pip install jumpstarter-cli",
			foreign.path, foreign.class)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), handedVariable+"=1")
	_ = syscall.Exec(path, cmd.Args, cmd.Env) // it returns only where it cannot be done
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sys.Stdin, sys.Stdout, sys.Stderr
	return runChild(cmd)
}

// pythonJ is the path of Python's j: the first on PATH, else that of the active
// virtual environment; empty if there is none.
func pythonJ(sys *System) string {
	dirs := filepath.SplitList(sys.Getenv("PATH"))
	if venv := sys.Getenv("VIRTUAL_ENV"); venv != "" {
		dirs = append(dirs, filepath.Join(venv, "bin"))
	}
	for _, dir := range dirs {
		if path := filepath.Join(dir, "j"); isPythonScript(path) {
			return path
		}
	}
	return ""
}

// isPythonScript reports whether the file at path is a program that Python
// runs, as pip writes them: its first line names Python, or a shell whose first
// command does. Our own j is none.
func isPythonScript(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, 512))
	return bytes.HasPrefix(head, []byte("#!")) && bytes.Contains(head, []byte("python"))
}
