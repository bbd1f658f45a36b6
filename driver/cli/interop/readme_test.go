package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every "sh" block of the README works when it is pasted into a shell at the
// top of a checkout, and prints what its comments say. Blocks marked "shell"
// need more than this machine has.
func TestREADME(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	data, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(data), -1)
	if len(blocks) < 4 {
		t.Fatalf("README.md has %d blocks of commands, expected 4 or more", len(blocks))
	}
	dir := checkout(t)
	port, web := freePort(t), freePort(t)
	replacePorts(t, filepath.Join(dir, "examples", "exporter.yaml"), port, web)
	// Another port than 8080, which somebody may be using.
	moved := strings.NewReplacer("18099", fmt.Sprint(freePort(t)), "8080", fmt.Sprint(port), "starproxy run", fmt.Sprint("starproxy run --port ", port))
	for i, b := range blocks {
		t.Run(fmt.Sprint("block ", i+1), func(t *testing.T) {
			var path []string
			if strings.Contains(b[1], "pytest") {
				path = append(path, python(t))
			}
			if strings.Contains(b[1], "openssl") {
				program(t, "openssl")
			}
			paste(t, dir, environ(path, "HOME="+dir), moved.Replace(b[1]))
		})
	}
}

// checkout is a directory with the repository's files in it, where building
// leaves the real one alone.
func checkout(t *testing.T) string {
	t.Helper()
	dir := tempDir(t)
	for _, name := range []string{"main.go", "go.mod", "go.sum", "builtins", "driver", "script", "stdlib"} {
		if err := os.Symlink(filepath.Join(root(t), name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root(t), "examples"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// paste runs a block as an interactive shell would. A comment right below a
// command is what it must print: as JSON, or somewhere in its output.
func paste(t *testing.T, dir string, env []string, block string) {
	t.Helper()
	// The Go caches stay where they are when HOME is another one.
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	// Like the container test: what was compiled once serves every checkout.
	env = append(env, "GOFLAGS=-trimpath", "CGO_ENABLED=0")
	const mark = "--- end of command "
	script := strings.Builder{}
	script.WriteString("set -m\n")
	var commands []string
	var want [][]string
	open := false // inside a quoted argument of several lines
	end := ""     // the line that ends a here-document
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		comment, isComment := strings.CutPrefix(line, "# ")
		switch {
		case end != "":
			commands[len(commands)-1] += "\n" + line
			if line == end {
				end = ""
			}
		case open:
			commands[len(commands)-1] += "\n" + line
			open = strings.Count(line, "'")%2 == 0
		case line == "":
			commands, want = append(commands, ""), append(want, nil)
		case isComment && len(commands) > 0 && commands[len(commands)-1] != "":
			want[len(want)-1] = append(want[len(want)-1], comment)
		case isComment: // says something to the reader
		default:
			commands, want = append(commands, line), append(want, nil)
			open = strings.Count(line, "'")%2 == 1
			if _, word, ok := strings.Cut(line, "<<'"); ok {
				end = strings.TrimSuffix(word, "'")
			}
		}
	}
	for i, command := range commands {
		fmt.Fprintf(&script, "%s\necho; echo '%s'%d $?\n", command, mark, i)
	}
	out := run(t, dir, env, "bash", "-c", script.String())
	rest := out.stdout
	for i, command := range commands {
		printed, after, ok := strings.Cut(rest, fmt.Sprint(mark, i, " "))
		if !ok {
			t.Fatalf("%s: the shell ended before it: %s", command, out)
		}
		code, after, _ := strings.Cut(after, "\n")
		rest = after
		if code != "0" {
			t.Errorf("%s: exit code %s: %s", command, code, out)
		}
		for _, w := range want[i] {
			if !strings.Contains(printed, w) && !equalBody([]byte(printed), []byte(w)) && !lineEquals(printed, w) {
				t.Errorf("%s\nprinted %q\nREADME  %q\n%s", command, printed, w, out.stderr)
			}
		}
	}
}

// lineEquals finds a JSON value among the lines of a text.
func lineEquals(text, want string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(want, "{") && equalBody([]byte(line), []byte(want)) {
			return true
		}
	}
	return false
}
