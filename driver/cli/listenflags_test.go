package cli

import (
	"strings"
	"testing"
)

func TestHostPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]hostPort{
		"9090": {"", 9090}, ":9090": {"", 9090}, "0": {}, "127.0.0.1:1": {"127.0.0.1", 1}, "[::1]:80": {"::1", 80}, "bench.local:65535": {"bench.local", 65535},
	} {
		var got hostPort
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "70000", "-1", "::1:80", "host:", "host:http", "[::1]"} {
		if err := new(hostPort).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "want [HOST:]PORT") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestRunListen serves at addresses of the command line, and rejects.
func TestRunListen(t *testing.T) {
	t.Parallel()
	port, web := freePort(t), freePort(t)
	r := startRun(t, "export JMP", []string{"XDG_DATA_HOME=" + tempDir(t)}, "--listen", "127.0.0.2:"+port, "--web-listen", web, "--unmatched", "reject")
	if got := r.find(t, `^proxy: +(http://\S+) `); got != "http://127.0.0.2:"+port {
		t.Errorf("proxy at %s", got)
	}
	if got := r.find(t, `^web UI: (http://\S+)$`); !strings.HasPrefix(got, "http://127.0.0.1:"+web) {
		t.Errorf("web UI at %s", got)
	}
	res, err := device(t, "http://127.0.0.2:"+port).Get("http://any.example/strange")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 501 {
		t.Errorf("status %d of a request without a mock, want 501", res.StatusCode)
	}
	r.stop(t)
}

// TestListenUsage checks what is refused before anything starts.
func TestListenUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"--port 1 --listen 2", "can't be used together"},
		{"--listen host", "want [HOST:]PORT"},
		{"--web-listen 1:2:3", "want [HOST:]PORT"},
		{"--metrics x", "want [HOST:]PORT"},
		{"--unmatched maybe", "want passthrough or reject"},
		{"--log-format xml", `--log-format: got "xml", want one of text, json`},
		{"--listen 1 --exporter-config " + two(t, tempDir(t)), "one proxy, this one has 2"},
	} {
		c := newConsole("XDG_DATA_HOME=" + tempDir(t))
		c.Name = "starproxy"
		if code := c.run(t.Context(), append([]string{"run"}, strings.Fields(test.args)...)); code != exitUsage || !strings.Contains(c.stderr.String(), test.want) {
			t.Errorf("%s: exit code %d, %s", test.args, code, c.stderr.String())
		}
	}
}
