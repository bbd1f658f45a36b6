package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tmuxScreen is a terminal of 80 columns and 16 rows, which tmux draws.
type tmuxScreen struct {
	t      testing.TB
	socket string
	env    []string
}

// newTmux runs a shell command on a screen of its own.
func newTmux(t testing.TB, dir string, env []string, command string) *tmuxScreen {
	t.Helper()
	s := &tmuxScreen{t, filepath.Join(tempDir(t), "tmux"), env}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "16", "-c", dir, command+"; echo \"exit code $?\"; cat")
	t.Cleanup(func() { s.tmux("kill-server") })
	return s
}

func (s *tmuxScreen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// text returns what the screen shows, without the blanks at the ends of lines.
func (s *tmuxScreen) text(more ...string) string {
	s.t.Helper()
	lines := strings.Split(s.tmux(append([]string{"capture-pane", "-p"}, more...)...), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// keys presses keys, and waits until the screen ends with a text.
func (s *tmuxScreen) keys(want string, keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
	s.await(want)
}

// await waits until the screen ends with a text.
func (s *tmuxScreen) await(want string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the screen:\n%s", s.text())
		}
	}()
	eventually(s.t, "the screen ends with "+want, func() bool { return strings.HasSuffix(s.text(), want) })
}

// A person at a terminal edits, drops, completes, searches and leaves. The history is there
// in the next session.
func TestREPL(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	program(t, "tmux")
	home := tempDir(t)
	write(t, filepath.Join(home, "hi.star"), "def greet(name):\n    \"\"\"Says hello.\"\"\"\n    return \"hello \" + name\n\n"+
		"endpoints = {\"GET /hi\": lambda req: response(body = {\"hi\": greet(\"you\")})}\n")
	env := environ([]string{bin}, "HOME="+home, "LANG=C.UTF-8")
	s := newTmux(t, home, env, "starproxy script repl hi.star")
	s.await("leaves.\n>>>")
	for _, step := range []struct {
		keys []string
		want string
	}{
		{[]string{`call("GET /hi").json("hi")`, "Enter"}, "GET /hi\").json(\"hi\")\n\"hello you\"\n>>>"},
		{[]string{"len(_)", "Enter"}, ">>> len(_)\n9\n>>>"},
		{[]string{"abc def"}, ">>> abc def"},
		{[]string{"C-c"}, "^C\nThe text is dropped. exit or Ctrl-D leaves.\n>>>"},
		{[]string{"help(greet)", "Enter"}, "greet(name)\n    Says hello.\n>>>"},
		{[]string{"def twice(x):", "Enter"}, ">>> def twice(x):\n..."},
		{[]string{"Tab", "return 2 * x", "Enter"}, "\n...     return 2 * x\n..."},
		{[]string{"Enter"}, "\n>>>"},
		{[]string{"twi", "Tab"}, ">>> twice"},
		{[]string{"(21)", "Enter"}, ">>> twice(21)\n42\n>>>"},
		{[]string{"f(1,", "Enter", "C-c"}, "^C\nThe text is dropped. exit or Ctrl-D leaves.\n>>>"},
		{[]string{"1 // 0", "Enter"}, "\nrepl:1:3: floored division by zero\n>>>"},
		{[]string{"C-r", "twice("}, "(reverse-i-search)`twice(': twice(21)"},
		{[]string{"Enter"}, "twice(21)\n42\n>>>"},
		{[]string{"c", "Tab", "Tab"}, "counter\n>>> c"},
		{[]string{"C-c"}, "leaves.\n>>>"},
	} {
		s.keys(step.want, step.keys...)
	}
	if strings.Contains(s.text("-e"), "\x1b[3") {
		t.Errorf("colours in spite of NO_COLOR: %q", s.text("-e"))
	}
	s.tmux("set-buffer", "def inc(n):\n    return n + 1\n\ninc(1)\ninc(2)\n")
	s.tmux("paste-buffer")
	s.await(">>> inc(1)\n2\n>>> inc(2)\n3\n>>>")
	s.keys(">>> exit\nexit code 0", "exit", "Enter")

	colour := slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, "NO_COLOR=") })
	s = newTmux(t, home, colour, "starproxy script repl")
	s.await("leaves.\n>>>")
	s.keys(">>> inc(1)", "Up", "Up", "Up")
	s.keys("inc(1)\nrepl:1:1: undefined: inc\n>>>", "Enter")
	if got := s.text("-e"); !strings.Contains(got, "\x1b[31mrepl:1:1: undefined: inc") {
		t.Errorf("no colours: %q", got)
	}
	s.keys("\nexit code 0", "C-d")
	if _, err := os.Stat(filepath.Join(home, ".local/state/starproxy/repl_history")); err != nil {
		t.Error(err)
	}
}
