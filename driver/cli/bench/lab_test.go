package bench

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"starproxy/driver/ca"
)

const (
	oursKind     = "starproxy"
	baseKind     = "base" // another build of starproxy
	bareKind     = "bare net/http"
	mitmdumpKind = "mitmdump"
)

// target is a server or proxy under test.
type target struct {
	kind       string
	proc       *process
	proxied    bool
	plain, tls string // addresses of listeners
	originHTTP string // what the URLs name
	originTLS  string
}

func (t target) host(scheme string) string {
	if scheme == "https" {
		return t.originTLS
	}
	return t.originHTTP
}

func (t target) url(scheme string) string { return scheme + "://" + t.host(scheme) + "/api/v1/status" }

// lab holds the processes.
type lab struct {
	t      *testing.T
	dir    string
	roots  *x509.CertPool
	origin *process // the real server behind the proxies
	bareP  *process
	procs  map[string]*process
	bin    string
	base   string // the program to compare bin with, or empty
	mitm   string
	loose  bool // servers may use all cores
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, dir: t.TempDir(), procs: map[string]*process{}, roots: x509.NewCertPool()}
	a, err := ca.Open(filepath.Join(l.dir, "conf"))
	if err != nil {
		t.Fatal(err)
	}
	l.roots.AddCert(a.Cert())
	l.bin = filepath.Join(l.dir, "starproxy")
	if out, err := exec.Command("go", "build", "-o", l.bin, "starproxy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.base = os.Getenv("STARPROXY_BENCH_BASE")
	l.mitm = findMitmdump()
	if l.mitm == "" {
		t.Log("no mitmdump: its columns stay empty (make venv-mitmproxy)")
	}
	l.origin = l.role("origin")
	l.bareP = l.role("bare")
	return l
}

func findMitmdump() string {
	for _, p := range []string{"../../../.venv-mitmproxy/bin/mitmdump"} {
		if abs, err := filepath.Abs(p); err == nil {
			if _, err := os.Stat(abs); err == nil {
				return abs
			}
		}
	}
	p, _ := exec.LookPath("mitmdump")
	return p
}

func (l *lab) close() {
	for _, p := range l.procs {
		p.kill()
	}
	l.origin.kill()
	l.bareP.kill()
}

// role starts this test binary as a net/http server.
func (l *lab) role(name string) *process {
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := pinned(exec.Command(self))
	cmd.Env = append(os.Environ(), "STARPROXY_BENCH_ROLE="+name, "STARPROXY_BENCH_CONF="+filepath.Join(l.dir, "conf"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	p := &process{cmd: cmd}
	if _, err := fmt.Fscan(bufio.NewReader(out), &p.plain, &p.tls); err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) bare(pass bool) target {
	p := l.bareP
	t := target{kind: bareKind, proc: p, plain: p.plain, tls: p.tls, originHTTP: p.plain, originTLS: "api.example.test:443"}
	return t
}

// proxied fills in what the URLs name: hosts that don't exist for mocks, the
// origin for pass-through.
func (l *lab) proxied(kind string, p *process, pass bool) target {
	t := target{kind: kind, proc: p, proxied: true, originHTTP: "api.example.test:80", originTLS: "api.example.test:443"}
	if p != nil {
		t.plain = p.plain
	}
	if pass {
		t.originHTTP, t.originTLS = l.origin.plain, l.origin.tls
	}
	return t
}

func mode(pass bool) string {
	if pass {
		return "passthrough"
	}
	return "mock"
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// exporterYAML writes an exporter file with a mock; scenario may add others.
func (l *lab) exporterYAML(port int, scenario string) string {
	f := filepath.Join(l.dir, fmt.Sprintf("exporter-%d.yaml", port))
	yaml := fmt.Sprintf(`apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: bench, name: bench}
export:
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    config:
      listen: {host: 127.0.0.1, port: %d}
      directories: {data: %q, conf: %q}
      ssl_insecure: true
      mock_scenario: %q
      mocks:
        GET /api/v1/status: {status: 200, body: {id: device-001, online: true, firmware_version: "2.5.1", updated_at: "2026-01-01T00:00:00Z"}}
`, port, filepath.Join(l.dir, "data"), filepath.Join(l.dir, "conf"), scenario)
	if err := os.WriteFile(f, []byte(yaml), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return f
}

func (l *lab) ours(pass bool) target { return l.starproxy(oursKind, l.bin, pass) }

// other returns the build to compare ours with, if there is one.
func (l *lab) other(pass bool) target {
	if l.base == "" {
		return target{}
	}
	return l.starproxy(baseKind, l.base, pass)
}

func (l *lab) starproxy(kind, bin string, pass bool) target {
	key := kind + mode(pass)
	if l.procs[key] == nil {
		l.procs[key] = l.startStarproxy(bin, freePort(), mode(pass), filepath.Join(l.dir, key+".sock"))
	}
	return l.proxied(kind, l.procs[key], pass)
}

func (l *lab) startStarproxy(bin string, port int, mode, socket string) *process {
	return l.start(l.command(bin, port, mode, socket, ""), fmt.Sprintf("127.0.0.1:%d", port))
}

func (l *lab) command(bin string, port int, mode, socket, scenario string) *exec.Cmd {
	if scenario == "" {
		scenario = filepath.Join(l.dir, "status.star")
		if err := os.WriteFile(scenario, []byte(statusScript), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	return exec.Command(bin, "run", "--exporter-config", l.exporterYAML(port, scenario), "--socket", socket, "--start", mode)
}

// statusScript answers as the static mock does.
const statusScript = `
def status(req):
    return {"body": {"id": "device-001", "online": True, "firmware_version": "2.5.1", "updated_at": "2026-01-01T00:00:00Z"}}

endpoints = {"GET /script/status": status}
`

func (l *lab) mitmdump(pass bool) target {
	if l.mitm == "" {
		return target{}
	}
	key := mitmdumpKind + mode(pass)
	if l.procs[key] == nil {
		l.procs[key] = l.startMitmdump(freePort(), pass)
	}
	return l.proxied(mitmdumpKind, l.procs[key], pass)
}

// mock is a mitmdump script that answers as our mock does.
const mock = `from mitmproxy import http
def request(flow):
    flow.response = http.Response.make(200, b'{"id": "device-001", "online": true, "firmware_version": "2.5.1", "updated_at": "2026-01-01T00:00:00Z"}', {"Content-Type": "application/json"})
`

func (l *lab) startMitmdump(port int, pass bool) *process {
	args := []string{"--listen-host", "127.0.0.1", "--listen-port", strconv.Itoa(port), "--quiet",
		"--set", "confdir=" + filepath.Join(l.dir, "conf"), "--set", "ssl_insecure=true", "--set", "connection_strategy=lazy"}
	if !pass {
		f := filepath.Join(l.dir, "mock.py")
		if err := os.WriteFile(f, []byte(mock), 0o600); err != nil {
			l.t.Fatal(err)
		}
		args = append(args, "-s", f)
	}
	return l.start(exec.Command(l.mitm, args...), fmt.Sprintf("127.0.0.1:%d", port))
}

// start runs a proxy and waits until its port answers.
func (l *lab) start(cmd *exec.Cmd, addr string) *process {
	log, err := os.Create(filepath.Join(l.dir, fmt.Sprintf("log-%s.txt", addr[10:])))
	if err != nil {
		l.t.Fatal(err)
	}
	if !l.loose {
		cmd = pinned(cmd)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	p := &process{cmd: cmd, plain: addr}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return p
		}
		if time.Now().After(deadline) {
			out, _ := os.ReadFile(log.Name())
			l.t.Fatalf("%s did not start: %v\n%s", cmd, err, out)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// startUp measures from the start of the process to a mock's first answer.
func (l *lab) startUp(t *testing.T, rounds int) (ours, mitm time.Duration) {
	l.loose = true
	defer func() { l.loose = false }()
	var a, b []figures
	for i := range rounds {
		port := freePort()
		f := figures{}
		t0 := time.Now()
		p := l.startStarproxy(l.bin, port, "mock", filepath.Join(l.dir, fmt.Sprintf("s%d.sock", i)))
		l.first(p)
		f.cpu = time.Since(t0)
		a = append(a, f)
		p.kill()
		if l.mitm != "" {
			t0 = time.Now()
			p = l.startMitmdump(freePort(), false)
			l.first(p)
			b = append(b, figures{cpu: time.Since(t0)})
			p.kill()
		}
	}
	return median(a).cpu, median(b).cpu
}

func (l *lab) first(p *process) {
	c, err := net.Dial("tcp", p.plain)
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	c.Write(request("http://api.example.test/api/v1/status", true))
	if err := answer(bufio.NewReader(c)); err != nil {
		l.t.Fatal(err)
	}
}

// pinned is a command that runs on the last core alone, where there is a program
// for that: what the scheduler does with one busy core and one that waits for it
// differs from run to run.
func pinned(cmd *exec.Cmd) *exec.Cmd {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return cmd
	}
	p := exec.Command(taskset, append([]string{"-c", strconv.Itoa(runtime.NumCPU() - 1), cmd.Path}, cmd.Args[1:]...)...)
	p.Env = cmd.Env
	return p
}

// process is a server in a process of its own.
type process struct {
	cmd        *exec.Cmd
	plain, tls string
}

func (p *process) kill() {
	if p != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

// cpu is the time that all threads have run so far, from the scheduler's own
// count (nanoseconds).
func (p *process) cpu(t *testing.T) time.Duration {
	dir := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, e := range tasks {
		b, err := os.ReadFile(filepath.Join(dir, e.Name(), "schedstat"))
		if err != nil {
			continue
		}
		n, _ := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		sum += n
	}
	return time.Duration(sum)
}

// TestMain becomes a server when it is told to.
func TestMain(m *testing.M) {
	if os.Getenv("STARPROXY_BENCH_ROLE") != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve is the bare server: plain and TLS listeners, one handler.
func serve() {
	a, err := ca.Open(os.Getenv("STARPROXY_BENCH_CONF"))
	if err != nil {
		panic(err)
	}
	body := []byte(`{"id": "device-001", "online": true, "firmware_version": "2.5.1", "updated_at": "2026-01-01T00:00:00Z"}`)
	big := make([]byte, 10<<20)
	mux := http.NewServeMux()
	status := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
	mux.HandleFunc("/api/v1/status", status)
	mux.HandleFunc("/script/status", status)
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		w.Write(big)
	})
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(plain.Addr(), secure.Addr())
	srv := &http.Server{Handler: mux, TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return a.Certificate(h, "127.0.0.1", nil)
	}}}
	go srv.Serve(plain)
	srv.ServeTLS(secure, "", "")
}
