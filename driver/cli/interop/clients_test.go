package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fetch is one download by a real client.
type fetch struct {
	proxy string // http://127.0.0.1:PORT
	port  int    // of the proxy
	ca    string // PEM file of the proxy's authority
	url   string
	dir   string // to work in
}

// fetcher is a client that downloads a file through a proxy. Its command
// writes the body to the file "out" in the working directory, or to standard
// output when stdout is set.
type fetcher struct {
	name   string
	find   func(t testing.TB) string // the program, or a skip
	args   func(f fetch) []string
	env    func(f fetch) []string
	stdout bool
	plain  bool // asks for http, not https
	// defaultPort marks a client that forgets the port of a URL when it has a
	// proxy. It is tried with mocks only.
	defaultPort bool
}

// debian finds a program that .ci/run installs from a Debian package.
func debian(name string) func(testing.TB) string {
	return func(t testing.TB) string { return program(t, name) }
}

// toolchain finds a program of a language's own tools: where the language is
// not there, its clients are not tried.
func toolchain(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(name + " is not installed")
		}
		return path
	}
}

// clientPython is the interpreter with the client libraries of requirements-clients.txt.
func clientPython(t testing.TB) string {
	return filepath.Join(venv(t, ".venv-clients", "python"), "python")
}

// made finds what "make clients" built below .clients, or skips. The other
// paths must be there too.
func made(path string, others ...string) func(testing.TB) string {
	return func(t testing.TB) string {
		for _, p := range append(others, path) {
			if _, err := os.Stat(filepath.Join(root(t), ".clients", p)); err != nil {
				t.Skip(p + ` is not there: run "make clients"`)
			}
		}
		return filepath.Join(root(t), ".clients", path)
	}
}

// source is a file of the clients' own programs.
func source(path string) string {
	full, err := filepath.Abs(filepath.Join("clients", path))
	if err != nil {
		panic(err)
	}
	return full
}

// fetchers are the clients of the suite.
func fetchers() []fetcher {
	curl := func(name string, more ...string) fetcher {
		return fetcher{name: "curl " + name, find: debian("curl"), args: func(f fetch) []string {
			return append([]string{"-sS", "--fail", "--max-time", "120", "-x", f.proxy, "--noproxy", "", "--cacert", f.ca, "-o", "out", f.url}, more...)
		}}
	}
	pythonLibrary := func(name string) fetcher {
		return fetcher{name: "Python " + name, find: clientPython, stdout: true, args: func(f fetch) []string {
			return []string{source("python/get.py"), name, f.proxy, f.ca, f.url}
		}}
	}
	javaVersion := func(name, version string) fetcher {
		return fetcher{name: "Java " + name, find: toolchain("java"), stdout: true, args: func(f fetch) []string {
			return []string{source("java/Get.java"), version, fmt.Sprint(f.port), f.ca, f.url}
		}}
	}
	rust := func(library string) fetcher {
		return fetcher{name: "Rust " + library, find: made("rust/debug/clients"), stdout: true, args: func(f fetch) []string {
			return []string{library, f.proxy, f.ca, f.url}
		}}
	}
	node := func(version string) fetcher {
		return fetcher{name: "Node undici " + version, find: made("node/get.mjs", "node/node_modules/undici"), stdout: true, args: func(f fetch) []string {
			return []string{version, f.proxy, f.ca, f.url}
		}}
	}
	wget2 := func(name, scheme string) fetcher {
		return fetcher{name: name, find: debian("wget2"), defaultPort: true, args: func(f fetch) []string {
			proxy := strings.Replace(f.proxy, "http", scheme, 1)
			return []string{"--no-config", "--no-hsts", "--tries=1", "--timeout=60", "--https-proxy=" + proxy, "--http-proxy=" + proxy, "--no-proxy=", "--ca-certificate=" + f.ca, "-q", "-O", "out", f.url}
		}}
	}
	return []fetcher{
		curl("HTTP/1.0", "--http1.0"),
		curl("HTTP/1.1", "--http1.1"),
		curl("HTTP/2", "--http2"),
		{name: "curl without TLS", plain: true, find: debian("curl"), args: curl("").args},
		{name: "curl over a TLS proxy", find: debian("curl"), args: func(f fetch) []string {
			return []string{"-sS", "--fail", "--max-time", "120", "-x", strings.Replace(f.proxy, "http", "https", 1), "--proxy-cacert", f.ca, "--noproxy", "", "--cacert", f.ca, "-o", "out", f.url}
		}},
		wget2("wget2", "http"),
		wget2("wget2 over a TLS proxy", "https"),
		// The pieces are the same each time: neither can be parted once more, and
		// the limit makes sure that both are begun.
		{name: "aria2 in two pieces", find: debian("aria2c"), args: func(f fetch) []string {
			return []string{"--no-conf", "-q", "--all-proxy=" + f.proxy, "--no-proxy=", "--ca-certificate=" + f.ca, "-x2", "-s2", "-k2M", "--max-overall-download-limit=20M", "--file-allocation=none", "-o", "out", f.url}
		}},
		{name: "lftp", find: debian("lftp"), args: func(f fetch) []string {
			return []string{"--norc", "-c", fmt.Sprintf("set net:max-retries 1; set net:timeout 60; set http:proxy %s; set https:proxy %s; set ssl:ca-file %s; get %s -o out", f.proxy, f.proxy, f.ca, f.url)}
		}, env: func(f fetch) []string { return []string{"LFTP_HOME=" + f.dir} }},
		{name: "lftp without TLS", plain: true, find: debian("lftp"), args: func(f fetch) []string {
			return []string{"--norc", "-c", fmt.Sprintf("set net:max-retries 1; set net:timeout 60; set http:proxy %s; get %s -o out", f.proxy, f.url)}
		}, env: func(f fetch) []string { return []string{"LFTP_HOME=" + f.dir} }},
		pythonLibrary("requests"),
		pythonLibrary("httpx"),
		pythonLibrary("aiohttp"),
		pythonLibrary("urllib"),
		javaVersion("HTTP/1.1", "HTTP_1_1"),
		javaVersion("HTTP/2", "HTTP_2"),
		rust("reqwest"),
		rust("ureq"),
		node("h1"),
		node("h2"),
	}
}

// get downloads url and compares the body.
func (c fetcher) get(t *testing.T, f fetch, want []byte) {
	t.Helper()
	path := c.find(t)
	f.dir = t.TempDir()
	argv := append([]string{path}, c.args(f)...)
	if strings.HasSuffix(path, ".mjs") {
		argv = append([]string{toolchain("node")(t)}, argv...)
	}
	var env []string
	if c.env != nil {
		env = c.env(f)
	}
	out := run(t, f.dir, environ(nil, append(env, "HOME="+f.dir)...), argv...)
	got := []byte(out.stdout)
	if !c.stdout {
		got, _ = os.ReadFile(filepath.Join(f.dir, "out"))
	}
	if out.code != 0 {
		t.Fatalf("%s: exit code %d\n%s", strings.Join(argv, " "), out.code, out.stderr)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: got %d bytes, want the %d bytes of the file\n%s", strings.Join(argv, " "), len(got), len(want), out.stderr)
	}
}

// noise is n bytes that do not compress and hold every value.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1, 2, 3})
	r.Read(b)
	return b
}

// fileServer serves the same file at every path, with and without TLS, and
// understands ranges.
func fileServer(t testing.TB, file []byte) (plain, secure *httptest.Server) {
	t.Helper()
	changed := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", changed, bytes.NewReader(file))
	})
	plain = httptest.NewServer(h)
	secure = httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	return plain, secure
}

// Real clients download a mocked file of a host that does not exist.
func TestClientsGetMocks(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	file := noise(5 << 20)
	b := ours(t, "      mocks:\n        GET /*: {file: file.bin}\n", "--start", "mock")
	write(t, filepath.Join(b.dir, "mock-files", "file.bin"), string(file))
	ca := b.certificate(t)
	for _, c := range fetchers() {
		t.Run(c.name, func(t *testing.T) {
			address := "https://no-such-host.invalid/file.bin"
			if c.plain {
				address = "http://no-such-host.invalid/file.bin"
			}
			c.get(t, fetch{proxy: fmt.Sprintf("http://127.0.0.1:%d", b.port), port: b.port, ca: ca, url: address}, file)
		})
	}
}

// Real clients download a file from a real server while it is recorded, and
// again from the recording when the server is gone.
func TestClientsRecordAndReplay(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	file := noise(5<<20 + 77)
	plain, secure := fileServer(t, file)
	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "start", "-m", "record")
	ca := b.certificate(t)
	target := func(c fetcher) fetch {
		base := secure.URL
		if c.plain {
			base = plain.URL
		}
		return fetch{proxy: fmt.Sprintf("http://127.0.0.1:%d", b.port), port: b.port, ca: ca,
			url: base + "/" + strings.NewReplacer(" ", "-", "/", "-").Replace(c.name) + "/file.bin"}
	}
	recorded := map[string]bool{}
	for _, c := range fetchers() {
		if c.defaultPort {
			continue
		}
		t.Run("record "+c.name, func(t *testing.T) {
			c.get(t, target(c), file)
			recorded[c.name] = true
		})
	}
	_, saved, ok := strings.Cut(strings.TrimSpace(b.mustJ(t, b.dir, "proxy", "stop")), "Flow saved to: ")
	if !ok {
		t.Fatal("no recording was saved")
	}
	plain.Close()
	secure.Close()
	b.mustJ(t, b.dir, "proxy", "start", "-m", "replay", "--replay-file", saved)
	for _, c := range fetchers() {
		if recorded[c.name] {
			t.Run("replay "+c.name, func(t *testing.T) { c.get(t, target(c), file) })
		}
	}
}
