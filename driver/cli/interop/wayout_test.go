package interop

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpstream has curl reach a server through the proxy and mitmproxy behind it, which
// asks for a user, as an HTTP proxy and as one of SOCKS5.
func TestUpstream(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Method+" "+r.URL.Path+" "+r.Header.Get("Proxy-Authorization"))
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct{ mode, scheme string }{{"regular", "http"}, {"socks5", "socks5"}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			// The name exists nowhere: only mitmproxy knows where its server is.
			port, company := mitmdump(t, "--mode", c.mode, "--proxyauth", "bench:tiger", "--set", "connection_strategy=lazy",
				"--map-remote", "|^https?://car.invalid/|"+server.URL+"/")
			fetch := func(b *bench, u string) output {
				return run(t, "", environ(nil), curl, "-sS", "--noproxy", "", "-k", "-w", " %{http_code}",
					"-x", fmt.Sprintf("http://127.0.0.1:%d", b.port), u)
			}
			way := fmt.Sprintf("upstream:%s://bench:PASSWORD@127.0.0.1:%d", c.scheme, port)
			b := ours(t, "", "--start", "passthrough", "--way", strings.Replace(way, "PASSWORD", "tiger", 1))
			for _, u := range []string{"http://car.invalid/a", "https://car.invalid/b"} {
				want := "GET " + u[len(u)-2:] + "  200"
				if out := fetch(b, u); out.stdout != want {
					t.Errorf("%s: got %s, want %q", u, out, want)
				}
			}
			// The machine itself is asked directly.
			seen := strings.Count(company.said(), "GET ")
			if out := fetch(b, server.URL+"/c"); out.stdout != "GET /c  200" || strings.Count(company.said(), "GET ") != seen {
				t.Errorf("%s: got %s through mitmproxy, want it asked directly", server.URL, out)
			}
			for _, text := range []string{b.mustJ(t, b.dir, "proxy", "status"), b.proc.said()} {
				if strings.Contains(text, "tiger") {
					t.Errorf("got the password in %s, want it hidden", text)
				}
			}
			b = ours(t, "", "--start", "passthrough", "--way", strings.Replace(way, "PASSWORD", "lion", 1))
			for _, u := range []string{"http://car.invalid/a", "https://car.invalid/b"} {
				if out := fetch(b, u); !strings.HasSuffix(out.stdout, " 502") || !strings.Contains(out.stdout, "through the upstream proxy") {
					t.Errorf("%s with a wrong password: got %s, want 502 that names the upstream proxy", u, out)
				}
			}
		})
	}
}

// TestHostsLeftAlone has curl pin the certificate of a server: it is content only where
// the proxy leaves the server alone.
func TestHostsLeftAlone(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pinned") }))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "https://")
	pinned := filepath.Join(tempDir(t), "pinned.pem")
	write(t, pinned, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for _, c := range []struct{ key, pattern, want string }{
		{"ignore_hosts", "^127\\.0\\.0\\.1:", "pinned"},
		{"ignore_hosts", "^other\\.example:443$", ""},
		{"allow_hosts", "\\.vendor\\.example:443$", "pinned"},
		{"allow_hosts", address, ""},
	} {
		b, config := newBench(t, "      unmatched: reject\n")
		b.host = filepath.Join(filepath.Dir(b.dir), "s")
		at := fmt.Sprintf("listen: {host: 127.0.0.1, port: %d", b.port)
		yaml := exporterYAML(b.dir, b.port, freePort(t), "      unmatched: reject\n")
		write(t, config, strings.Replace(yaml, at, fmt.Sprintf("%s, %s: ['%s']", at, c.key, c.pattern), 1))
		b.proc = start(t, filepath.Dir(b.dir), environ(nil, "HOME="+filepath.Dir(b.dir)), []int{0},
			filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--socket", b.host, "--start", "mock")
		b.proc.await(t, "JUMPSTARTER_HOST=")
		out := run(t, "", environ(nil), curl, "-sS", "--noproxy", "", "--cacert", pinned, "-x", fmt.Sprintf("http://127.0.0.1:%d", b.port), server.URL)
		if out.stdout != c.want || (out.code == 0) != (c.want != "") {
			t.Errorf("%s %s: got %s, want %q", c.key, c.pattern, out, c.want)
		}
	}
}
