package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// shBlock is a block of commands and, right below it, the block "text" with
// lines of their output. One sentence may stand between the two.
var shBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$\n(?:(?:\n?[^\n`#|]+\n\n?)?```text\n(.*?)^```$)?")

// docPorts are the ports that the documentation uses: somebody may be using
// them on this machine.
var docPorts = []string{"1080", "8070", "8080", "8081", "8090", "18099"}

// Every "sh" block of README.md and docs/ works when it is pasted into a shell
// at the top of a checkout with the program in it, and prints the lines that the
// block "text" below it has. Blocks marked "shell" need more than this machine
// has.
func TestDocs(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	pages, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	built := compile(t)
	count := 0
	for _, page := range append([]string{filepath.Join(root(t), "README.md")}, pages...) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range shBlock.FindAllStringSubmatch(string(data), -1) {
			count++
			for _, shell := range []string{"bash", "zsh"} {
				t.Run(fmt.Sprintf("%s/%d/%s", filepath.Base(page), i+1, shell), func(t *testing.T) {
					t.Parallel()
					if shell != "bash" {
						forMakeTest(t)
					}
					program(t, shell)
					pasteDoc(t, checkout(t, built), shell, block[1], block[2])
				})
			}
		}
	}
	if count < 10 {
		t.Errorf("README.md and docs/ have %d blocks of commands, want 10 or more", count)
	}
}

// pasteDoc pastes a block of the documentation, with free ports in the place of
// those that it has, and Python's packages where it uses them.
func pasteDoc(t *testing.T, dir, shell, block, want string) {
	t.Helper()
	var path []string
	if strings.Contains(block, "pytest") {
		path = append(path, python(t))
	}
	if strings.Contains(block, "openssl") {
		program(t, "openssl")
	}
	pairs := []string{"sleep 1\n", "sleep 5\n"} // a loaded machine is slow
	for _, port := range docPorts {
		pairs = append(pairs, port, fmt.Sprint(freePort(t)))
	}
	moved := strings.NewReplacer(pairs...)
	exporter := filepath.Join(dir, "examples", "exporter.yaml")
	data, err := os.ReadFile(filepath.Join(root(t), "examples", "exporter.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exporter, []byte(moved.Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
	paste(t, dir, shell, environ(path, "HOME="+dir), moved.Replace(block), moved.Replace(want))
}

// checkout returns a directory with the repository's files and the program
// built in it. What is written there leaves the real checkout alone.
func checkout(t *testing.T, built string) string {
	t.Helper()
	dir := tempDir(t)
	for _, name := range []string{"main.go", "go.mod", "go.sum", "Makefile", ".venv", "builtins", "driver", "script", "stdlib"} {
		if err := os.Symlink(filepath.Join(root(t), name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root(t), "examples"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(built, filepath.Join(dir, "starproxy")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// built is the program, linked statically, once for all tests.
var built struct {
	once sync.Once
	path string
}

// compile builds the program as the Containerfile does, and returns its path.
func compile(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir := filepath.Join(bin, "static")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "starproxy")
		if out := run(t, root(t), goEnviron(t, environ(nil)), "go", "build", "-o", path, "."); out.code != 0 {
			t.Fatal(out)
		}
		built.path = path
	})
	if built.path == "" {
		t.Fatal("the program was not built")
	}
	return built.path
}

// goEnviron adds to env what lets a build use the caches of Go, whatever HOME
// is. What was compiled once serves every checkout.
func goEnviron(t *testing.T, env []string) []string {
	t.Helper()
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return append(env, "GOFLAGS=-trimpath", "CGO_ENABLED=0")
}

// paste runs a block as an interactive shell would. Each command must succeed.
// Each line of want must be in the output, in this order: as JSON, or as a part
// of a line.
func paste(t *testing.T, dir, shell string, env []string, block, want string) {
	t.Helper()
	const mark = "--- end of command "
	script := strings.Builder{}
	commands := shellCommands(t, block)
	for i, command := range commands {
		fmt.Fprintf(&script, "%s\ncode=$?; echo; echo '%s'%d $code\n", command, mark, i)
	}
	if strings.Contains(block, "& sleep ") && !strings.Contains(block, "kill $!") {
		script.WriteString("kill $!\nwait\n") // what goes on when the block is done
	}
	out := run(t, dir, goEnviron(t, env), shell, "-c", script.String())
	printed := out.stdout
	for i, command := range commands {
		_, after, ok := strings.Cut(out.stdout, fmt.Sprint(mark, i, " "))
		if !ok {
			t.Fatalf("%s: the shell ended before it: %s", command, out)
		}
		if code, _, _ := strings.Cut(after, "\n"); code != "0" {
			t.Errorf("%s: exit code %s: %s", command, code, out)
		}
	}
	for line := range strings.Lines(want) {
		var ok bool
		if printed, ok = after(printed, strings.TrimSuffix(line, "\n")); !ok {
			t.Fatalf("the output lacks %q, or has it further up: %s", line, out)
		}
	}
}

// shellCommands takes the commands of a block apart. None has a comment, which
// zsh does not know in a line that is typed.
func shellCommands(t *testing.T, block string) []string {
	t.Helper()
	comment := regexp.MustCompile(`(^|\s)#`)
	var commands []string
	open := false // inside a quoted argument of several lines
	end := ""     // the line that ends a here-document
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if last := len(commands) - 1; end != "" || open {
			commands[last] += "\n" + line
			if end != "" && line == end {
				end = ""
			} else if end == "" {
				open = strings.Count(line, "'")%2 == 0
			}
			continue
		}
		if comment.MatchString(line) {
			t.Errorf("%s: a comment, which zsh takes for a command", line)
		}
		commands = append(commands, line)
		open = strings.Count(line, "'")%2 == 1
		if _, word, ok := strings.Cut(line, "<<'"); ok {
			end = strings.TrimSuffix(word, "'")
		}
	}
	return commands
}

// after returns the lines of text below the first that contains want, or is the
// same JSON value.
func after(text, want string) (rest string, ok bool) {
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if strings.Contains(line, want) || strings.HasPrefix(want, "{") && equalBody([]byte(line), []byte(want)) {
			return text, true
		}
	}
	return "", false
}
