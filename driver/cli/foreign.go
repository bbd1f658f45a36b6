package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"starproxy/driver/view"
)

// handedVariable counts how often one j has handed its command line to the
// next. A command of Python's j may run j again, so it can be more than once.
const handedVariable = "STARPROXY_J_HANDED_OVER"

// maxHanded is the count at which a j that is taken for Python's turns out to
// lead back to this one.
const maxHanded = 8

// foreignPatience bounds how long a key press waits for Python's j, which has
// to import the classes of its clients.
const foreignPatience = 3 * time.Second

// handOver runs Python's j with the same arguments in the place of this
// process. It knows the commands of exports that are no proxies.
func handOver(sys *System, foreign *foreignError, args []string) error {
	path := pythonJ(sys)
	if path == "" {
		return fmt.Errorf("%s is a %s, which only Python's j can control: it is not on PATH, install it with: pip install %s",
			foreign.subject(), foreign.class, strings.Join(foreign.packages(), " "))
	}
	handed, _ := strconv.Atoi(sys.Getenv(handedVariable)) // unset is 0
	if handed >= maxHanded {
		return fmt.Errorf("%s is a %s, which only Python's j can control: %s leads back to this j",
			foreign.subject(), foreign.class, path)
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d", handedVariable, handed+1))
	err := syscall.Exec(path, append([]string{path}, args...), env) // it returns only when it fails
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the Python that its first line names does not exist")
	}
	return childError{126, fmt.Errorf("running Python's j at %s: %w", path, err)}
}

// packages returns the Python packages with j and the client of the export, as
// far as its name tells.
func (e *foreignError) packages() []string {
	list := []string{"jumpstarter-cli"}
	if module, _, _ := strings.Cut(e.class, "."); strings.HasPrefix(module, "jumpstarter_driver_") {
		list = append(list, strings.ReplaceAll(module, "_", "-"))
	}
	return list
}

// completeForeign asks Python's j for the candidates for the last of words, in
// the way of the click library's completion for bash.
func completeForeign(ctx context.Context, sys *System, words []string) []string {
	path := pythonJ(sys)
	if path == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, foreignPatience)
	defer cancel()
	line := []string{"j"}
	for _, word := range words {
		line = append(line, view.ShellWord(word))
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(os.Environ(), "_J_COMPLETE=bash_complete",
		"COMP_WORDS="+strings.Join(line, " "), fmt.Sprintf("COMP_CWORD=%d", len(words)))
	cmd.WaitDelay = time.Second
	// It prints the candidates, and fails then: its exit code says nothing.
	out, _ := cmd.Output()
	var found []string
	for line := range strings.Lines(string(out)) {
		switch kind, value, _ := strings.Cut(strings.TrimSpace(line), ","); kind {
		case "plain":
			found = append(found, value)
		case "file", "dir":
			return []string{filesWanted}
		}
	}
	return found
}

// pythonJ returns the path of Python's j: the first on PATH, else that of the
// active virtual environment; empty if there is none.
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
