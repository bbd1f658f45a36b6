package interop

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spooling starts a program that has captured a body of a mebibyte, with its
// socket in a private directory below run.
func spooling(t *testing.T, dir, run string) (*process, string) {
	t.Helper()
	config := filepath.Join(dir, "exporter.yaml")
	text := fmt.Sprintf("export:\n  proxy:\n    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver\n    config:\n"+
		"      listen: {host: 127.0.0.1, port: 0}\n      directories: {data: %s}\n      mocks:\n        GET /big: {file: big.bin}\n        POST /up: {body: {}}\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), mainVariable+"=1", "XDG_RUNTIME_DIR="+run, "TMPDIR="+run)
	p := start(t, dir, env, []int{0, -1, 130, 143}, filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--start", "mock")
	proxy := strings.Fields(p.await(t, "proxy:"))[0]
	socket := strings.Trim(p.await(t, "export JUMPSTARTER_HOST="), "'")
	req, err := http.NewRequest("POST", "http://h.test/up", bytes.NewReader(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(proxy, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(proxy, err)
	}
	tr := (&bench{port: port}).transport(false)
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if left := leftovers(dir, run); len(left) < 2 {
		t.Fatalf("expected a body and a private directory, found %q", left)
	}
	return p, socket
}

// leftovers are the bodies and private directories that are there.
func leftovers(dir, run string) []string {
	var all []string
	for _, glob := range []string{filepath.Join(dir, "data", "capture-spool", "*.bin"), filepath.Join(dir, "data", "capture-spool", "*", "*.bin"), filepath.Join(run, "jumpstarter-*")} {
		found, _ := filepath.Glob(glob)
		all = append(all, found...)
	}
	return all
}

// TestEndsLeaveNothing ends the program in each way that lets it tidy up.
func TestEndsLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			dir, run := tempDir(t), tempDir(t)
			p, _ := spooling(t, dir, run)
			p.cmd.Process.Signal(sig)
			select {
			case <-p.done:
			case <-time.After(patience):
				t.Fatalf("does not end:\n%s", p.said())
			}
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d, want 0:\n%s", code, p.said())
			}
			if left := leftovers(dir, run); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestKilledIsTidiedUp starts again where a program was killed, beside one that
// is alive and keeps what is its own.
func TestKilledIsTidiedUp(t *testing.T) {
	t.Parallel()
	dir, run := tempDir(t), tempDir(t)
	dead, _ := spooling(t, dir, run)
	gone := leftovers(dir, run)
	alive, socket := spooling(t, dir, run)
	dead.cmd.Process.Kill()
	<-dead.done
	spooling(t, dir, run)
	for _, path := range gone {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			t.Errorf("%s of the killed one is left", path)
		}
	}
	if left := leftovers(dir, run); len(left) != 4 {
		t.Errorf("got %q, want two bodies and two directories", left)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("the socket of the one that is alive: %v", err)
	}
	alive.cmd.Process.Signal(syscall.SIGTERM)
	<-alive.done
}

// TestNobodyReadsTheOutput gives the program a standard output that nobody reads
// any more; it tidies up.
func TestNobodyReadsTheOutput(t *testing.T) {
	t.Parallel()
	run := tempDir(t)
	config := filepath.Join(run, "exporter.yaml")
	text := fmt.Sprintf("export:\n  proxy:\n    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver\n    config:\n"+
		"      listen: {host: 127.0.0.1, port: 0}\n      directories: {data: %s}\n", filepath.Join(run, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	cmd := exec.Command(filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--start", "mock")
	cmd.Env = append(os.Environ(), mainVariable+"=1", "XDG_RUNTIME_DIR="+run, "TMPDIR="+run, "XDG_DATA_HOME="+run)
	cmd.Stdout, cmd.Stderr = writer, writer
	err = cmd.Start()
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		cmd.Process.Kill()
		t.Fatal("goes on")
	}
	if left := leftovers(run, run); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestSignalAtStart ends an exporter as soon as its socket is there: that is an
// end like any other.
func TestSignalAtStart(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir := tempDir(t)
		socket := filepath.Join(dir, "s")
		p := start(t, dir, environ(nil, "HOME="+dir), []int{0}, filepath.Join(bin, "starproxy"), "run", "--port", strconv.Itoa(freePort(t)), "--socket", socket)
		for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
			if _, err := os.Lstat(socket); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("no socket: %s", p.said())
			}
		}
		p.stop(t, []int{0})
	}
}
