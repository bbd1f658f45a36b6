package cli

import (
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
)

// history is the lines that were typed, kept in a file from session to
// session. It is for one goroutine.
type history struct {
	lines []string // the oldest first
	file  *os.File // nil when none can be had
}

// maxHistory bounds the lines that are brought back.
const maxHistory = 1000

// openHistory reads the history of the user; without a file it is empty.
func openHistory(sys *System) *history {
	h := &history{}
	dir := sys.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home := sys.Getenv("HOME")
		if home == "" {
			return h
		}
		dir = filepath.Join(home, ".local", "state")
	}
	path := filepath.Join(dir, "starproxy", "repl_history")
	if data, err := disk.Read(path, disk.MaxDocument); err == nil {
		for line := range strings.Lines(string(data)) {
			h.lines = append(h.lines, strings.TrimRight(line, "\n"))
		}
		if old := len(h.lines) - maxHistory; old > 0 {
			h.lines = h.lines[old:]
			if old > maxHistory { // make the file short again
				_ = disk.Replace(path, 0o600, disk.Bytes([]byte(strings.Join(h.lines, "\n")+"\n")))
			}
		}
	}
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		h.file, _ = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	return h
}

// Add notes a line, unless it is empty or the last one again.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.file != nil {
		_, _ = h.file.WriteString(line + "\n")
	}
}

// Close closes the file.
func (h *history) Close() {
	if h.file != nil {
		h.file.Close()
	}
}
