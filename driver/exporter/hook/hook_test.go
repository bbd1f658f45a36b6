//go:build unix

package hook

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"starproxy/builtins/disk"
)

// TestMain makes this program j when it is called so.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "j" {
		fmt.Println("our j at", os.Getenv("JUMPSTARTER_HOST"), strings.Join(os.Args[1:], " "))
		return
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // these tests wait more than they compute
	}
	os.Exit(m.Run())
}

// tell collects the output of a hook.
type tell struct {
	mu    sync.Mutex
	lines []string
	fresh chan struct{} // gets a value for each line, within its room
}

func newTell() *tell { return &tell{fresh: make(chan struct{}, 1)} }

func (o *tell) line(s string) {
	o.mu.Lock()
	o.lines = append(o.lines, s)
	o.mu.Unlock()
	select {
	case o.fresh <- struct{}{}:
	default:
	}
}

func (o *tell) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// write makes an executable file and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	// Written by another process: one that this process starts meanwhile would
	// have it open for writing, and then nobody could run it.
	cmd := exec.Command("sh", "-c", `cat >"$0" && chmod 755 "$0"`, path)
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func TestRun(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name string
		hook Hook
		want []string
		err  string
	}{
		{"lines", Hook{Script: "echo one\necho two >&2\nprintf three"}, []string{"one", "two", "three"}, ""},
		{"blank lines and spaces at the end", Hook{Script: `printf '\n  a  \n\r\n \nb\n'`}, []string{"  a", "b"}, ""},
		{"ANSI", Hook{Script: `printf '\033[31mred\033[0m\n'`}, []string{"\x1b[31mred\x1b[0m"}, ""},
		{"not UTF-8", Hook{Script: `printf 'a\377\376b é\n'`}, []string{"a\uFFFDb é"}, ""},
		{"a long line", Hook{Script: `head -c ` + strconv.Itoa(2*maxLine+5) + ` /dev/zero | tr '\0' x; echo; echo end`}, []string{long, long, "xxxxx", "end"}, ""},
		{"a line as long as the bound", Hook{Script: `head -c ` + strconv.Itoa(maxLine) + ` /dev/zero | tr '\0' x; echo; echo end`}, []string{long, "end"}, ""},
		{"a terminal", Hook{Script: `test -t 0 && test -t 1 && test -t 2 && echo yes`}, []string{"yes"}, ""},
		{"a session of its own", Hook{Script: `test "$(ps -o sid= -p $$ | tr -d ' ')" = $$ && echo leader; (: </dev/tty) 2>/dev/null || echo no controlling terminal`}, []string{"leader", "no controlling terminal"}, ""},
		{"closed output", Hook{Script: "tty=$(tty); exec >/dev/null 2>&1 </dev/null; sleep 0.1; echo again >$tty"}, []string{"again"}, ""},
		{"exit code", Hook{Script: "echo before; exit 3"}, []string{"before"}, "Hook failed with exit code 3"},
		{"last command", Hook{Script: "echo a\nfalse"}, []string{"a"}, "Hook failed with exit code 1"},
		{"signal", Hook{Script: "echo a; kill -9 $$"}, []string{"a"}, "Hook failed with exit code -9 (killed)"},
		{"time-out", Hook{Script: "echo a; sleep 60; echo b", Timeout: 0.2}, []string{"a"}, "Hook timed out after 0.2 seconds"},
		{"time-out with a last word", Hook{Script: "trap 'echo bye; exit 0' TERM; echo a; read x; echo never", Timeout: 0.5}, []string{"a", "bye"}, "Hook timed out after 0.5 seconds"},
		{"endless time-out", Hook{Script: "echo a", Timeout: 1e300}, []string{"a"}, ""},
		{"interpreter", Hook{Script: `echo $0`, Exec: "/bin/bash"}, []string{"/bin/bash"}, ""},
		{"interpreter with arguments", Hook{Script: "echo a; false; echo b", Exec: "/bin/sh -e  -u"}, []string{"a"}, "Hook failed with exit code 1"},
		{"interpreter on the PATH", Hook{Script: "print(1 + 1)", Exec: "python3"}, []string{"2"}, ""},
		{"interpreter whose path has a space", Hook{Script: "it", Exec: write(t, "my sh", "#!/bin/sh\necho mine \"$@\"\n")}, []string{"mine -c it"}, ""},
		{"no interpreter", Hook{Script: "x", Exec: "/no/such"}, nil, "Error executing hook: fork/exec /no/such: no such file or directory"},
		{"a file", Hook{Script: " " + write(t, "setup", "echo from the file\nexit 4\n") + "\n"}, []string{"from the file"}, "Hook failed with exit code 4"},
		{"a file keeps to /bin/sh", Hook{Script: write(t, "setup", "#!/bin/cat\necho shell\n")}, []string{"shell"}, ""},
		{"a Python file", Hook{Script: write(t, "setup.PY", "import sys; print('python', len(sys.argv))\n")}, []string{"python 1"}, ""},
		{"a file with an interpreter", Hook{Script: write(t, "setup.py", "echo shell"), Exec: "/bin/sh"}, []string{"shell"}, ""},
		{"no such file", Hook{Script: "/no/such/file 2>/dev/null"}, nil, "Hook failed with exit code 127"},
		{"no script", Hook{Script: " \n"}, nil, "Error executing hook: script is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := newTell()
			motd, err := Run(t.Context(), tt.hook, Env{}, out.line)
			if got := out.all(); !slices.Equal(got, tt.want) {
				t.Errorf("output: got %.200q, want %.200q", got, tt.want)
			}
			var typed *Error
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (!errors.As(err, &typed) || err.Error() != tt.err):
				t.Errorf("error: got %v, want %q", err, tt.err)
			}
			if motd != "" {
				t.Errorf("message of the day: got %q, want none", motd)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PS1", "prompt")
	t.Setenv("JMP_MOTD_FILE", "/inherited")
	t.Setenv("TERM", "xterm")
	t.Setenv("STARPROXY_TEST_INHERITED", "yes")
	script := `for v in JUMPSTARTER_HOST JMP_DRIVERS_ALLOW LEASE_NAME CLIENT_NAME TERM DEBIAN_FRONTEND GIT_TERMINAL_PROMPT STARPROXY_TEST_INHERITED; do
  eval echo $v=\$$v
done
env | grep -c '^PS1='
env | grep -c '^JMP_MOTD_FILE='
j power on`
	want := []string{"JUMPSTARTER_HOST=/run/hook.sock", "JMP_DRIVERS_ALLOW=UNSAFE", "LEASE_NAME=lease 1", "CLIENT_NAME=tester", "TERM=dumb",
		"DEBIAN_FRONTEND=noninteractive", "GIT_TERMINAL_PROMPT=0", "STARPROXY_TEST_INHERITED=yes", "0", "0", "our j at /run/hook.sock power on"}
	bin, err := LinkJ()
	if err != nil {
		t.Fatal(err)
	}
	defer bin.Remove()
	for _, dir := range []string{"", bin.Path} {
		out := newTell()
		if _, err := Run(t.Context(), Hook{Script: script}, Env{Host: "/run/hook.sock", Lease: "lease 1", Client: "tester", Bin: dir}, out.line); err != nil {
			t.Error(err)
		}
		if got := out.all(); !slices.Equal(got, want) {
			t.Errorf("with directory %q: got %q, want %q", dir, got, want)
		}
	}
}

func TestPython(t *testing.T) {
	t.Parallel()
	out := newTell()
	python := write(t, "python", "#!/bin/sh\necho chosen \"$(basename \"$1\")\"\n")
	if _, err := Run(t.Context(), Hook{Script: write(t, "hook.py", "")}, Env{Python: python}, out.line); err != nil {
		t.Fatal(err)
	}
	if got, want := out.all(), []string{"chosen hook.py"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessageOfTheDay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, script, want, output, err string }{
		{"written", `printf ' \nHello\nworld\n\n' > $JMP_MOTD_FILE`, "Hello\nworld", "", ""},
		{"appended", `echo a >> $JMP_MOTD_FILE; echo b >> $JMP_MOTD_FILE`, "a\nb", "", ""},
		{"nothing", `:`, "", "", ""},
		{"the hook fails", `echo kept > $JMP_MOTD_FILE; exit 2`, "kept", "", "Hook failed with exit code 2"},
		{"removed", `rm $JMP_MOTD_FILE`, "", "", ""},
		{"a named pipe", `rm $JMP_MOTD_FILE; mkfifo $JMP_MOTD_FILE`, "", "JMP_MOTD_FILE: message of the day: ", ""},
		{"not UTF-8", `printf 'a\377b' > $JMP_MOTD_FILE`, "a\uFFFDb", "", ""},
		{"too long", `(printf x; for i in $(seq 33000); do printf é; done) > $JMP_MOTD_FILE`,
			"x" + strings.Repeat("é", maxMOTD/2-1), "JMP_MOTD_FILE: message of the day: got 66001 bytes, want at most 65536", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := newTell()
			motd, err := Run(t.Context(), Hook{Script: tt.script}, Env{MOTD: true}, out.line)
			if motd != tt.want {
				t.Errorf("got %d bytes %.80q, want %d bytes %.80q", len(motd), motd, len(tt.want), tt.want)
			}
			if got := strings.Join(out.all(), "\n"); !strings.HasPrefix(got, tt.output) || tt.output == "" && got != "" {
				t.Errorf("output: got %q, want %q", got, tt.output)
			}
			if fmt.Sprint(err) != tt.err && (tt.err != "" || err != nil) {
				t.Errorf("error: got %v, want %q", err, tt.err)
			}
		})
	}
}

// At the end of the context the whole group ends, and the error tells the cause.
func TestCancel(t *testing.T) {
	t.Parallel()
	cause := errors.New("the lease is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	out := newTell()
	go func() {
		<-out.fresh
		cancel(cause)
	}()
	began := time.Now()
	_, err := Run(ctx, Hook{Script: "sleep 60 & echo $$ $!; wait"}, Env{}, out.line)
	var failure *Error
	if !errors.As(err, &failure) || !failure.Cancelled || !errors.Is(err, cause) || err.Error() != "Hook was cancelled: the lease is over" {
		t.Errorf("error: got %v", err)
	}
	if took := time.Since(began); took > grace+killed+drainTime {
		t.Errorf("took %v", took)
	}
	wantGone(t, strings.Fields(strings.Join(out.all(), " ")))

	_, err = Run(ctx, Hook{Script: "echo never"}, Env{}, func(line string) { t.Errorf("output %q", line) })
	if !errors.Is(err, cause) {
		t.Errorf("with a context that has ended: got %v", err)
	}
}

// SIGKILL ends what ignores SIGTERM, in the background too.
func TestTimeoutEndsGroup(t *testing.T) {
	t.Parallel()
	out := newTell()
	script := `(trap '' TERM; while :; do sleep 0.05; done) & echo $$ $!; wait`
	_, err := Run(t.Context(), Hook{Script: script, Timeout: 0.5}, Env{}, out.line)
	var failure *Error
	if !errors.As(err, &failure) || failure.Timeout != 500*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) || failure.Process != 0 {
		t.Errorf("error: got %+v", failure)
	}
	wantGone(t, strings.Fields(strings.Join(out.all(), " ")))
}

// A process that the hook leaves behind with its terminal goes on, and holds
// Run up only for a bounded time, whether it is silent or not.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, command string
		within        time.Duration
	}{
		{"silent", "sleep 60", 5 * drainQuiet},
		{"a line now and then", "while sleep 0.05; do echo tick; done", drainTime + 5*drainQuiet},
		{"flooding", "yes", drainTime + 5*drainQuiet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var first string
			file := filepath.Join(t.TempDir(), "pid")
			// Only the time after the hook's end counts.
			var ended time.Time
			_, err := Run(t.Context(), Hook{Script: tt.command + " & echo $! >" + file + "; echo started"}, Env{}, func(line string) {
				if ended.IsZero() {
					ended = time.Now()
				}
				if line == "started" {
					first = line
				}
			})
			if took := time.Since(ended); took > tt.within {
				t.Errorf("Run went on for %v, want at most %v", took, tt.within)
			}
			if err != nil || first != "started" {
				t.Errorf("got error %v and output %q", err, first)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if tt.name == "silent" && !alive(pid) {
				t.Error("the process in the background has ended with the hook")
			}
			syscall.Kill(pid, syscall.SIGKILL)
		})
	}
}

// Hooks of all ends leave no goroutine, descriptor, process or file behind.
func TestNothingIsLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts descriptors in /proc")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	cancelled, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	run := func(ctx context.Context, h Hook) {
		var pids []string
		Run(ctx, h, Env{MOTD: true}, func(line string) { pids = append(pids, strings.Fields(line)...) })
		wantGone(t, pids)
	}
	run(t.Context(), Hook{Script: "echo $$"}) // starts the poller
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 20 {
		run(t.Context(), Hook{Script: "echo $$"})
		run(t.Context(), Hook{Script: "echo $$; exit 3"})
		run(t.Context(), Hook{Script: "x", Exec: "/no/such"})
	}
	run(t.Context(), Hook{Script: "sleep 60 & echo $$ $!; wait", Timeout: 0.2})
	run(cancelled, Hook{Script: "sleep 60 & echo $$ $!; wait"})
	until(t, "descriptors and goroutines to be as before", func() string {
		g, f := runtime.NumGoroutine(), descriptors(t)
		if g <= goroutines && f <= files {
			return ""
		}
		return fmt.Sprintf("%d goroutines, %d before; %d descriptors, %d before", g, goroutines, f, files)
	})
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// wantGone fails unless all processes end soon.
func wantGone(t *testing.T, pids []string) {
	t.Helper()
	for _, s := range pids {
		pid, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "process "+s+" to end", func() string {
			if alive(pid) {
				return "it runs"
			}
			return ""
		})
	}
}

// alive reports whether a process runs. One that has ended and that nobody has
// waited for doesn't.
func alive(pid int) bool {
	if stat, err := disk.Read(fmt.Sprintf("/proc/%d/stat", pid), 4096); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}

// until waits for ask to return nothing; it returns what is wrong.
func until(t *testing.T, condition string, ask func() string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		wrong := ask()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("waited for %s: %s", condition, wrong)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hook Hook
		err  string
	}{
		{Hook{Script: "x"}, ""},
		{Hook{Script: "x", OnFailure: "panic"}, `onFailure "panic" is not known: expected warn, endLease or exit`},
		{Hook{Script: "x", Timeout: -1}, "timeout -1 is negative"},
		{Hook{}, "script is missing"},
	} {
		err := tt.hook.Complete()
		if err == nil && (tt.err != "" || tt.hook.Timeout != 120 || tt.hook.OnFailure != "warn") || err != nil && err.Error() != tt.err {
			t.Errorf("got %v and %+v, want %q", err, tt.hook, tt.err)
		}
	}
}
