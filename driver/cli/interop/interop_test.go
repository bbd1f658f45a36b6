// Package interop proves the built program against the programs it has to live
// with: the unmodified Python packages of Jumpstarter (client, "j", "jmp",
// mitmproxy driver), curl, and a WebSocket client from PyPI.
//
// Every test starts its own processes on its own ports, so all run in parallel.
// The Python side lives in .venv, .venv-exporter and .venv-mitmproxy at the top
// of the checkout ("make venv venv-exporter venv-mitmproxy"). Tests that need it,
// a browser or the programs of devices take long: they run in "make test", which
// sets STARPROXY_INTEROP=1, and fail there if something is missing. Plain "go
// test" skips them.
package interop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"starproxy/driver/cli"
)

// patience bounds every wait for another process. It is long because a loaded
// machine with the race detector on is slow; nothing waits it out in vain.
const patience = 90 * time.Second

// bin is the directory of the programs under test: starproxy, and j, which is
// the same file.
var bin string

// mainVariable makes this test binary be the program: so it is built once, with
// the race detector when the tests have it.
const mainVariable = "STARPROXY_INTEROP_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) == "1" {
		os.Exit(cli.Main(os.Args))
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) && os.Getenv("STARPROXY_INTEROP") == "" {
		_ = flag.Set("test.parallel", "8") // those of a plain run wait more than they compute
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "starproxy-interop-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := install(dir); err != nil {
			fmt.Fprintln(os.Stderr, "interop: install starproxy:", err)
			return 1
		}
		bin = dir
		return m.Run()
	}())
}

// install puts this binary into dir under the program's names.
func install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "starproxy")
	if err := os.Link(self, path); err != nil { // another file system
		data, err := os.ReadFile(self)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o700); err != nil {
			return err
		}
	}
	return os.Symlink("starproxy", filepath.Join(dir, "j"))
}

// root is the top of the checkout.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// venv gives the directory of the programs of a Python environment, or skips.
func venv(t testing.TB, name, program string) string {
	t.Helper()
	forMakeTest(t)
	dir := filepath.Join(root(t), name, "bin")
	if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
		missing(t, fmt.Sprintf("no %s in %s: run \"make venv venv-exporter venv-mitmproxy\"", program, name))
	}
	return dir
}

// python is the environment with pytest, j and jmp; mitmproxy the one with
// mitmdump and mitmweb.
func python(t testing.TB) string    { return venv(t, ".venv", "pytest") }
func mitmproxy(t testing.TB) string { return venv(t, ".venv-mitmproxy", "mitmdump") }

// program finds a program on the PATH, or skips.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

// forMakeTest skips a test that takes long, except in the runs of the Makefile:
// tests, benchmarks, soaks and screenshots.
func forMakeTest(t testing.TB) {
	t.Helper()
	for _, name := range []string{"INTEROP", "BENCH", "SOAK", "SCREENSHOTS"} {
		if os.Getenv("STARPROXY_"+name) != "" {
			return
		}
	}
	t.Skip(`it takes long: "make test" runs it, or go test with STARPROXY_INTEROP=1`)
}

// missing skips the test, or fails it when everything ought to be there.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("STARPROXY_INTEROP") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// tempDir is short enough for a unix socket inside it, and private.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freePort is a port that nobody listens on now, and that nobody is given who
// asks for any.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		// Below 32768: the system gives those above to connections as it likes.
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// environ is this process's environment without what would leak a session or
// another proxy into the test, with PATH led by the given directories. What it
// starts under our name is the program under test.
func environ(path []string, extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "JMP_"), strings.HasPrefix(name, "JUMPSTARTER_"), strings.HasPrefix(name, "XDG_"),
			strings.HasSuffix(strings.ToLower(name), "_proxy"), name == "PATH", name == "COLUMNS":
			continue
		}
		env = append(env, kv)
	}
	env = append(env, "PATH="+strings.Join(append(path, os.Getenv("PATH")), string(os.PathListSeparator)),
		"COLUMNS=100", "NO_COLOR=1", "PYTHONDONTWRITEBYTECODE=1", "GORACE=exitcode=66", mainVariable+"=1")
	return append(env, extra...)
}

// output is what a finished process said.
type output struct {
	stdout, stderr string
	code           int
}

// String shows it all, for a failing test.
func (o output) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", o.code, o.stdout, o.stderr)
}

// run runs a process to its end. Only a process that cannot be run, or that
// does not end, or that has a data race, fails the test.
func run(t testing.TB, dir string, env []string, argv ...string) output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = time.Second
	if filepath.Base(argv[0]) == argv[0] {
		cmd.Path = lookPath(env, argv[0])
		cmd.Err = nil
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	out := output{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	if strings.Contains(out.stderr, "DATA RACE") {
		t.Fatalf("%s: %s", strings.Join(argv, " "), out)
	}
	return out
}

// lookPath finds a program on the PATH of env instead of ours.
func lookPath(env []string, name string) string {
	for _, kv := range env {
		if list, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, dir := range filepath.SplitList(list) {
				path := filepath.Join(dir, name)
				if st, err := os.Stat(path); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
					return path
				}
			}
		}
	}
	return name
}

// process is a running server whose output is kept.
type process struct {
	cmd   *exec.Cmd
	lines chan string // stdout line by line until it ends
	done  chan struct{}

	mu  sync.Mutex
	log strings.Builder // everything it said
	err error
}

// start runs argv until the test ends, when it gets SIGTERM and must end with
// one of the exit codes ok.
func start(t testing.TB, dir string, env []string, ok []int, argv ...string) *process {
	t.Helper()
	p := &process{lines: make(chan string, 1000), done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	if filepath.Base(argv[0]) == argv[0] {
		p.cmd.Path = lookPath(env, argv[0])
		p.cmd.Err = nil
	}
	p.cmd.Dir, p.cmd.Env = dir, env
	stdin, err := p.cmd.StdinPipe() // left open: some servers end with their input
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		defer close(p.lines)
		p.read(stdout, p.lines)
	})
	readers.Go(func() { p.read(stderr, nil) })
	go func() {
		defer close(p.done)
		readers.Wait()
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		stdin.Close()
		p.stop(t, ok)
	})
	return p
}

// read keeps what r says, and hands out its lines without ever waiting for a
// reader.
func (p *process) read(r io.Reader, lines chan<- string) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.log.WriteString(s.Text() + "\n")
		p.mu.Unlock()
		select {
		case lines <- s.Text():
		default:
		}
	}
}

// said is everything the process has printed until now.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// await gives what follows prefix in the first line of stdout that has it.
func (p *process) await(t testing.TB, prefix string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s ended before it printed %q:\n%s", p.cmd.Args[0], prefix, p.said())
			}
			if _, rest, ok := strings.Cut(line, prefix); ok {
				return strings.TrimSpace(rest)
			}
		case <-timeout:
			t.Fatalf("%s never printed %q:\n%s", p.cmd.Args[0], prefix, p.said())
		}
	}
}

// interrupt sends SIGINT and waits for the end.
func (p *process) interrupt(t testing.TB) output {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s does not end on SIGINT:\n%s", p.cmd.Args[0], p.said())
	}
	return output{stdout: p.said(), code: p.cmd.ProcessState.ExitCode()}
}

func (p *process) stop(t testing.TB, ok []int) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-p.done
		t.Errorf("%s does not end on SIGTERM:\n%s", p.cmd.Args[0], p.said())
		return
	}
	code := p.cmd.ProcessState.ExitCode()
	for _, c := range ok {
		if c == code {
			if t.Failed() || strings.Contains(p.said(), "DATA RACE") {
				t.Errorf("%s said:\n%s", p.cmd.Args[0], p.said())
			}
			return
		}
	}
	t.Errorf("%s ended with %d (%v):\n%s", p.cmd.Args[0], code, p.err, p.said())
}

// bench is an exporter with one proxy in it, and how to reach both.
type bench struct {
	host    string // JUMPSTARTER_HOST
	dir     string // its data directory
	port    int    // of the proxy, once it is started
	proc    *process
	environ []string // for programs that talk to it, without PATH
}

// exporterYAML is the stock configuration of one proxy. more is added to its
// config block.
func exporterYAML(dir string, port, web int, more string) string {
	return fmt.Sprintf(`apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: interop}
export:
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    config:
      listen: {host: 127.0.0.1, port: %d}
      web: {host: 127.0.0.1, port: %d}
      directories: {data: %q}
%s`, port, web, dir, more)
}

// newBench writes the configuration of a bench that is not running yet.
func newBench(t testing.TB, more string) (b *bench, config string) {
	t.Helper()
	b = &bench{dir: filepath.Join(tempDir(t), "data"), port: freePort(t)}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(filepath.Dir(b.dir), "exporter.yaml")
	write(t, config, exporterYAML(b.dir, b.port, freePort(t), more))
	return b, config
}

// ours starts a bench on our exporter. args are added to "starproxy run".
func ours(t testing.TB, more string, args ...string) *bench {
	t.Helper()
	b, config := newBench(t, more)
	b.host = filepath.Join(filepath.Dir(b.dir), "s")
	argv := append([]string{filepath.Join(bin, "starproxy"), "run",
		"--exporter-config", config, "--socket", b.host}, args...)
	b.proc = start(t, filepath.Dir(b.dir), environ(nil, "HOME="+filepath.Dir(b.dir)), []int{0}, argv...)
	b.proc.await(t, "JUMPSTARTER_HOST=")
	b.environ = []string{"JUMPSTARTER_HOST=" + b.host, "JMP_DRIVERS_ALLOW=UNSAFE", "_JMP_SUPPRESS_DRIVER_WARNINGS=1"}
	return b
}

// restart ends the exporter and starts it anew.
func (b *bench) restart(t testing.TB) {
	t.Helper()
	old := b.proc.cmd
	old.Process.Signal(syscall.SIGTERM)
	<-b.proc.done
	b.proc = start(t, old.Dir, old.Env, []int{0}, old.Args...)
	b.proc.await(t, "JUMPSTARTER_HOST=")
}

// stock starts a bench on the Python exporter with the Python driver.
func stock(t testing.TB) *bench {
	t.Helper()
	py, mitm := python(t), mitmproxy(t)
	b, config := newBench(t, "")
	env := environ([]string{py, mitm}, "HOME="+filepath.Dir(b.dir), "XDG_RUNTIME_DIR="+filepath.Dir(b.dir))
	// The session lasts until the shell's input ends. jmp hides its exit code.
	b.proc = start(t, filepath.Dir(b.dir), env, []int{-1, 0, 1, 2, 143}, filepath.Join(py, "jmp"),
		"shell", "--exporter-config", config, "--", "sh", "-c", `echo "host=$JUMPSTARTER_HOST"; exec cat`)
	b.host = b.proc.await(t, "host=")
	b.environ = []string{"JUMPSTARTER_HOST=" + b.host, "JMP_DRIVERS_ALLOW=UNSAFE", "_JMP_SUPPRESS_DRIVER_WARNINGS=1"}
	return b
}

// python runs a program with the Python environment first on its PATH.
func (b *bench) python(t testing.TB, dir string, argv ...string) output {
	t.Helper()
	return run(t, dir, environ([]string{python(t)}, b.environ...), argv...)
}

// j runs our own j.
func (b *bench) j(t testing.TB, dir string, args ...string) output {
	t.Helper()
	return run(t, dir, environ([]string{bin}, b.environ...), append([]string{"j"}, args...)...)
}

// mustJ runs our own j, which must succeed.
func (b *bench) mustJ(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out := b.j(t, dir, args...)
	if out.code != 0 {
		t.Fatalf("j %s: %s", strings.Join(args, " "), out)
	}
	return out.stdout
}

// get fetches an address through the proxy at port.
func get(t testing.TB, port int, address string) (status int, body string) {
	t.Helper()
	proxy := &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true},
		Timeout:   patience,
	}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// write makes a file, and the directories above it.
func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
