package interop

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// curl, which speaks both versions of HTTP, gets the mocks of a host that does
// not exist.
func TestCurl(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	b := ours(t, `      mocks:
        GET /x: {body: {from: mock}, headers: {X-A: b}}
        POST /x: {status: 201, body_template: {got: "{{request_body_json(a)}}"}}
        GET /big: {file: big.bin}
`, "--start", "mock")
	write(t, filepath.Join(b.dir, "mock-files", "big.bin"), strings.Repeat("0123456789abcdef", 1<<16))
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	version2 := strings.Contains(run(t, b.dir, environ(nil), curl, "--version").stdout, "HTTP2")

	for _, c := range []struct {
		name string
		args string
		want string
	}{
		{"http/1.1", "http://no-such-host.invalid/x", `{"from": "mock"} 200 1.1`},
		{"http/1.0", "--http1.0 http://no-such-host.invalid/x", `{"from": "mock"} 200 1`},
		{"https, http/1.1", "--http1.1 https://no-such-host.invalid/x", `{"from": "mock"} 200 1.1`},
		{"https, http/2", "--http2 https://no-such-host.invalid/x", `{"from": "mock"} 200 2`},
		{"https on another port", "--http2 https://no-such-host.invalid:9443/x", `{"from": "mock"} 200 2`},
		{"tunnel for http", "--proxytunnel http://no-such-host.invalid/x", `{"from": "mock"} 200 1.1`},
		{"post over http/2", `--http2 -H content-type:application/json -d {"a":7} https://no-such-host.invalid/x`, `{"got": 7} 201 2`},
		{"expect 100-continue", `-H expect:100-continue -d {"a":7} http://no-such-host.invalid/x`, `{"got": 7} 201 1.1`},
		{"two on one connection", "--http2 https://no-such-host.invalid/x https://no-such-host.invalid/x", `{"from": "mock"} 200 2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.args, "--http2") && !version2 {
				missing(t, "this curl has no HTTP/2")
			}
			argv := append([]string{curl, "-sS", "--max-time", "60", "-x", fmt.Sprintf("http://127.0.0.1:%d", b.port), "--noproxy", "",
				"--cacert", ca, "-w", ` %{http_code} %{http_version}\n`}, strings.Fields(c.args)...)
			out := run(t, b.dir, environ(nil), argv...)
			lines := strings.Split(strings.TrimSuffix(out.stdout, "\n"), "\n")
			if out.code != 0 {
				t.Fatalf("curl: %s", out)
			}
			for _, line := range lines {
				body, rest, _ := strings.Cut(line, "} ")
				wantBody, wantRest, _ := strings.Cut(c.want, "} ")
				if !equalBody([]byte(body+"}"), []byte(wantBody+"}")) || !strings.HasPrefix(rest, wantRest) {
					t.Errorf("got %q, want %q", line, c.want)
				}
			}
		})
	}
	t.Run("resumed download", func(t *testing.T) {
		address := "https://no-such-host.invalid/big"
		common := []string{curl, "-sS", "--max-time", "60", "-x", fmt.Sprintf("http://127.0.0.1:%d", b.port), "--noproxy", "", "--cacert", ca, "-o", "big"}
		if out := run(t, b.dir, environ(nil), append(common, "-r", "0-99999", address)...); out.code != 0 {
			t.Fatalf("curl: %s", out)
		}
		if out := run(t, b.dir, environ(nil), append(common, "-C", "-", address)...); out.code != 0 {
			t.Fatalf("curl -C -: %s", out)
		}
		if out := run(t, b.dir, environ(nil), "cmp", "big", "mock-files/big.bin"); out.code != 0 {
			t.Errorf("the pieces are not the whole: %s", out)
		}
	})
	t.Run("head", func(t *testing.T) {
		out := run(t, b.dir, environ(nil), curl, "-sS", "-I", "--max-time", "60", "-x", fmt.Sprintf("http://127.0.0.1:%d", b.port),
			"--noproxy", "", "http://no-such-host.invalid/big")
		if !strings.Contains(strings.ToLower(out.stdout), fmt.Sprintf("content-length: %d", 1<<20)) {
			t.Errorf("curl -I: %s", out)
		}
	})
}
