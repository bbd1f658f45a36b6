package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchFile writes an exporter file with a controller that nobody reaches.
func benchFile(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(tempDir(t), "bench.yaml")
	text := "metadata: {namespace: default, name: bench}\nendpoint: 127.0.0.1:1\ntoken: secret-token\nexport: {group: {children: {}}}\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process runs the program as a process until its first line of output.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, first string, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stderr = &bytes.Buffer{}
	cmd = &exec.Cmd{Path: self, Args: append([]string{"starproxy"}, args...), Stderr: stderr}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	first, err = lines.ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("%v: %s", err, stderr)
	}
	go io.Copy(io.Discard, lines)
	return cmd, first, stderr
}

// A signal ends an exporter of a lab within ten seconds, with the code that
// shells have for it; the controller need not be there.
func TestRunSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd, first, stderr := process(t, "run", "--exporter-config", benchFile(t, ""))
			if want := "default/bench: serves the leases of the controller at 127.0.0.1:1\n"; first != want {
				t.Errorf("it prints %q, want %q", first, want)
			}
			began := time.Now()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(sig) {
				t.Errorf("it ended with %v, want exit code %d\n%s", err, 128+int(sig), stderr)
			}
			if d := time.Since(began); d > 9*time.Second {
				t.Errorf("it took %v", d)
			}
			if strings.Contains(stderr.String(), "secret-token") {
				t.Errorf("the token is in the log: %s", stderr)
			}
		})
	}
}

// A command line says what is done: a controller is left alone when it asks for
// a local session, and hooks that don't run are named.
func TestRunLocal(t *testing.T) {
	t.Parallel()
	hooks := "hooks: {beforeLease: {script: exit 1}}\n"
	r := startRun(t, "export JMP", nil, "--exporter-config", benchFile(t, hooks), "--local")
	r.stop(t)
	if got := r.stderr.String(); !strings.HasPrefix(got, "starproxy: hooks are not run in a local session\n") {
		t.Errorf("it says %q", got)
	}

	path := benchFile(t, "")
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, bytes.Replace(text, []byte("token: secret-token\n"), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	r = startRun(t, "export JMP", nil, "--exporter-config", path)
	r.stop(t)
	if want := "starproxy: " + path + " has an endpoint but no token: serving a local session\n"; !strings.HasPrefix(r.stderr.String(), want) {
		t.Errorf("it says %q, want %q", r.stderr.String(), want)
	}

	c := newConsole()
	c.Name = "starproxy"
	if code := c.run(t.Context(), []string{"run", "--exporter-config", benchFile(t, "tls: {ca: '?'}\n")}); code != 1 || !strings.Contains(c.stderr.String(), "tls.ca: got text that is not base64") {
		t.Errorf("exit code %d, stderr %q", code, c.stderr.String())
	}
}

// A session that clients reach directly has its hooks at both ends.
func TestRunDirect(t *testing.T) {
	t.Parallel()
	out := filepath.Join(tempDir(t), "out")
	hooks := "hooks: {beforeLease: {script: 'echo before $LEASE_NAME >>" + out + "; j >/dev/null'}, afterLease: {script: 'echo after >>" + out + "'}}\n"
	r := startRun(t, "# or over TCP", nil, "--exporter-config", benchFile(t, hooks), "--tls-grpc-listener", "127.0.0.1:"+freePort(t), "--tls-grpc-insecure")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if got, _ := os.ReadFile(out); string(got) == "before standalone\n" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("beforeLease did not run")
		}
	}
	r.stop(t)
	if got, _ := os.ReadFile(out); string(got) != "before standalone\nafter\n" {
		t.Errorf("the hooks wrote %q", got)
	}

	c := newConsole()
	c.Name = "starproxy"
	code := c.run(t.Context(), []string{"run", "--exporter-config", benchFile(t, "hooks: {beforeLease: {script: exit 3, onFailure: exit}}\n"), "--tls-grpc-listener", "127.0.0.1:" + freePort(t), "--tls-grpc-insecure"})
	if code != 1 || !strings.Contains(c.stderr.String(), "starproxy: beforeLease hook failed: Hook failed with exit code 3\n") {
		t.Errorf("exit code %d, stderr %q", code, c.stderr.String())
	}
}
