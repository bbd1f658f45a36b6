package interop

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"starproxy/driver/client"
	"starproxy/driver/exporter"
	"starproxy/driver/exporter/part"
)

// holdings are what sessions could leave behind.
type holdings struct{ descriptors, goroutines, children, childDescriptors, sockets int }

// held counts what this process has, and the sockets in dirs.
func held(t testing.TB, dirs ...string) (h holdings) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	h.descriptors, h.goroutines = len(list), runtime.NumGoroutine()
	for _, child := range childrenOf(os.Getpid()) {
		list, _ := os.ReadDir("/proc/" + strconv.Itoa(child) + "/fd")
		h.children++
		h.childDescriptors += len(list)
	}
	for _, dir := range dirs {
		left, _ := filepath.Glob(filepath.Join(dir, "jumpstarter-*"))
		h.sockets += len(left)
	}
	return h
}

// childrenOf are the processes that a process has started.
func childrenOf(pid int) (out []int) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// below reports whether nothing of h is more than in limit.
func (h holdings) below(limit holdings) bool {
	return h.descriptors <= limit.descriptors && h.goroutines <= limit.goroutines &&
		h.children <= limit.children && h.childDescriptors <= limit.childDescriptors && h.sockets <= limit.sockets
}

// TestMixedCycles opens and closes sessions with one Python and isolated
// proxies: nothing is left behind.
func TestMixedCycles(t *testing.T) {
	b := newMixedBench(t, "")
	for _, kv := range b.env {
		if name, text, _ := strings.Cut(kv, "="); name == "PYTHONPATH" || name == "XDG_RUNTIME_DIR" || name == "PATH" {
			t.Setenv(name, text)
		}
	}
	t.Setenv("TMPDIR", b.home)
	python := part.Python(filepath.Dir(python(t)), slog.New(slog.DiscardHandler))
	defer python.Close()
	host := exporter.Isolation{Command: func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "starproxy"), "host-proxies")
		cmd.Env = b.env
		return cmd
	}}
	config, err := exporter.Load(b.config)
	if err != nil {
		t.Fatal(err)
	}
	cycle := func() {
		s, err := exporter.Open(config, exporter.Options{Python: python, Isolate: &host})
		if err != nil {
			t.Fatal(err)
		}
		socket, err := s.ServeUnix("")
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Dial(t.Context(), socket, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range [][]string{{"start", "proxy"}, {"on", "lab", "power"}, {"ends", "bench"}, {"whoami", "part"}} {
			if _, err := node(t, c, call[1:]...).Call(t.Context(), call[0]); err != nil {
				t.Errorf("%v: %v", call, err)
			}
		}
		c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	cycle()
	before := held(t, b.home)
	const cycles = 50
	longest, begun := time.Duration(0), time.Now()
	for range cycles {
		at := time.Now()
		cycle()
		longest = max(longest, time.Since(at))
	}
	mean := time.Since(begun) / cycles
	t.Logf("a session takes %v, the longest %v; held before: %+v", mean, longest, before)
	var now holdings
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if now = held(t, b.home); now.below(before) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions leave %+v, before there was %+v", cycles, now, before)
		}
	}
	if got, want := b.noted(t), strings.TrimSpace(strings.Repeat("made reset closed ", cycles+1)); got != want {
		t.Errorf("the drivers were %s", got)
	}
	python.Close()
	if list := childrenOf(os.Getpid()); len(list) > 0 {
		t.Errorf("processes are left: %v", list)
	}
}
