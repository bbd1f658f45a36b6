package exporter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
)

// failOnDemand is what befalls the process of the proxies of a test, as soon as
// there is the file fault; its base name
// says how. The file goes.
func failOnDemand(fault string) {
	if !filepath.IsAbs(fault) {
		return
	}
	for os.Remove(fault) != nil {
		time.Sleep(time.Millisecond)
	}
	switch filepath.Base(fault) {
	case "panic":
		panic("a defect")
	case "exit":
		fmt.Fprintln(os.Stderr, "no reason at all")
		os.Exit(7)
	case "memory":
		var kept [][]byte
		for {
			block := make([]byte, 8<<20)
			for i := 0; i < len(block); i += 4096 { // a byte of each page
				block[i] = 1
			}
			kept = append(kept, block)
			_ = kept
		}
	case "garbage":
		fmt.Println("no JSON", strings.Repeat("x", 200_000))
		fmt.Println(`{"id": "seven"}`)
	}
}

// faulty is an isolation whose process fails when the file fault appears.
func faulty(fault string) *Isolation {
	return &Isolation{Memory: 1 << 30, Command: func() *exec.Cmd {
		self, _ := os.Executable()
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), hostVariable+"="+fault)
		return cmd
	}}
}

// touch makes a file.
func touch(t testing.TB, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestIsolatedFaults has the process of the proxies die of several causes. Each
// is told in the log and by status, and the proxy is back.
func TestIsolatedFaults(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"panic":  "it ended with exit status 2: panic: a defect",
		"exit":   "it ended with exit status 7: no reason at all",
		"memory": "it ended with ", // by itself, or killed by its control group
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault := filepath.Join(t.TempDir(), name)
			var log lockedBuffer
			_, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: faulty(fault), Log: slog.New(slog.NewTextHandler(&log, nil))})
			proxy := find(t, c, "proxy")
			if _, err := proxy.Call(t.Context(), "start"); err != nil {
				t.Fatal(err)
			}
			address := report(t, proxy).Address
			touch(t, fault)
			eventually(t, "the process is back", func() bool {
				text, err := proxy.Call(t.Context(), "status")
				return err == nil && strings.Contains(fmt.Sprint(text), want)
			})
			now := report(t, proxy)
			if !now.Running || now.Address != address || now.Crashes.Count != 1 {
				t.Errorf("status: %+v, was at %s\n%s", now, address, log.String())
			}
			if name == "memory" && !regexp.MustCompile("memory|killed|failed to allocate").MatchString(now.Crashes.Last) {
				t.Errorf("the reason tells nothing of memory: %s", now.Crashes.Last)
			}
			if said := log.String(); !strings.Contains(said, want) {
				t.Errorf("not in the log: %s", said)
			}
			if name == "panic" && !strings.Contains(log.String(), "failOnDemand") {
				t.Error("the stack is not in the log")
			}
		})
	}
}

// TestIsolatedGarbage checks that lines of the process that are no answers do
// no harm.
func TestIsolatedGarbage(t *testing.T) {
	t.Parallel()
	fault := filepath.Join(t.TempDir(), "garbage")
	var log lockedBuffer
	s, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: faulty(fault), Log: slog.New(slog.NewTextHandler(&log, nil))})
	touch(t, fault)
	eventually(t, "the lines are in the log", func() bool { return strings.Contains(log.String(), "seven") })
	if n := report(t, find(t, c, "proxy")).Crashes.Count; n != 0 {
		t.Errorf("it died %d times", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestIsolatedLoop has the process die whenever it comes up: calls are told why,
// pauses grow, and it is back when the cause is gone.
func TestIsolatedLoop(t *testing.T) {
	t.Parallel()
	fault := filepath.Join(t.TempDir(), "exit")
	var log lockedBuffer
	_, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: faulty(fault), Log: slog.New(slog.NewTextHandler(&log, nil))})
	proxy := find(t, c, "proxy")
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = os.WriteFile(fault, nil, 0o600)
			}
		}
	}()
	var unavailable error
	eventually(t, "a call is told", func() bool {
		_, err := proxy.Call(t.Context(), "status")
		if errors.Is(err, &client.Error{Code: codes.Unavailable}) {
			unavailable = err
		}
		return unavailable != nil
	})
	if !strings.Contains(unavailable.Error(), "the process of the proxies has died: it ended with exit status 7: no reason at all") {
		t.Errorf("the call: %v", unavailable)
	}
	<-time.After(2 * time.Second)
	eventually(t, "it has died three times", func() bool { return strings.Count(log.String(), "it is started again") >= 3 })
	close(stop)
	<-stopped
	os.Remove(fault)
	eventually(t, "it is back", func() bool {
		_, err := proxy.Call(t.Context(), "status")
		return err == nil
	})
	if n := report(t, proxy).Crashes.Count; n < 3 || n > 12 {
		t.Errorf("it was started %d times within seconds", n)
	}
}

// TestIsolatedModes kills the process while its proxies run in other modes: they
// run in the same ones again, with the same page, recording and CA.
func TestIsolatedModes(t *testing.T) {
	t.Parallel()
	s, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: isolation()})
	proxy, server := find(t, c, "lab", "second"), answering(t)
	call := func(method string, args ...any) string {
		t.Helper()
		text, err := proxy.Call(t.Context(), method, args...)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		return fmt.Sprint(text)
	}
	call("start", "record")
	ca := call("get_ca_cert")
	recording := report(t, proxy).FlowFile
	if code, err := ask(t, report(t, proxy).Address, "http://"+server.Addr().String()+"/x"); code != 200 {
		t.Fatalf("record: %d, %v", code, err)
	}
	call("stop")
	for _, args := range [][]any{{"replay", true, recording}, {"passthrough"}, nil} {
		if args != nil {
			call("start", args...)
		}
		was := report(t, proxy)
		s.isolated.mu.Lock()
		pid := s.isolated.now.session.PID()
		s.isolated.mu.Unlock()
		if err := kill(pid); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the process is back", func() bool {
			text, err := proxy.Call(t.Context(), "status")
			return err == nil && !strings.Contains(fmt.Sprint(text), fmt.Sprintf(`"count":%d`, was.Crashes.Count))
		})
		now := report(t, proxy)
		if now.Running != was.Running || now.Mode != was.Mode || now.Address != was.Address || now.WebUI != was.WebUI || now.Replay != was.Replay {
			t.Errorf("%v: %+v, before it was %+v", args, now, was)
		}
		if got := call("get_ca_cert"); got != ca || !strings.Contains(ca, "BEGIN CERTIFICATE") {
			t.Errorf("%v: another CA", args)
		}
		if args != nil {
			call("stop")
		}
	}
}

// parentVariable makes this test binary an exporter whose data directory it is.
// Its proxies are isolated unless the name of the directory is own.
const parentVariable = "STARPROXY_TEST_PARENT"

// parentMain prints the number of the process of its proxies, 0 for none, and
// the path of its socket, and waits for the end of its input.
func parentMain(dir string) error {
	os.Unsetenv(parentVariable)
	config, err := Parse("bench.yaml", []byte(isolatedFile(dir)))
	if err != nil {
		return err
	}
	o, pid := Options{}, 0
	if filepath.Base(dir) != "own" {
		o.Isolate = isolation()
	}
	s, err := Open(config, o)
	if err != nil {
		return err
	}
	if s.isolated != nil {
		pid = s.isolated.now.session.PID()
	}
	socket, err := s.ServeUnix("")
	if err != nil {
		return errors.Join(err, s.Close())
	}
	fmt.Println(pid, socket)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// startParent starts an exporter with its data below dir.
func startParent(t testing.TB, dir string) (exporter *exec.Cmd, pid int, socket string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), parentVariable+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // a test may have killed it
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	} else if _, err := fmt.Sscan(line, &pid, &socket); err != nil {
		t.Fatalf("the exporter said %q: %v", line, err)
	}
	return cmd, pid, socket
}

// TestIsolatedOrphan kills an exporter: the process of its proxies ends, too.
func TestIsolatedOrphan(t *testing.T) {
	t.Parallel()
	cmd, pid, _ := startParent(t, t.TempDir())
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process ends", func() bool { return gone(pid) })
}

// kill ends a process at once.
func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// gone reports whether a process has ended; one that nobody waits for has.
func gone(pid int) bool {
	if p, err := os.FindProcess(pid); err != nil || p.Signal(syscall.Signal(0)) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
