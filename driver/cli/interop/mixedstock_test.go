package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/client"
	"starproxy/driver/pb"
)

// stockBench is a configuration that the stock exporter takes, too, with the
// environment for exporters and clients.
func stockBench(t *testing.T) (home, config string, env []string) {
	t.Helper()
	home = tempDir(t)
	modules, err := filepath.Abs("mixed")
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(home, "journal")
	_, port, _ := net.SplitHostPort(echoServer(t))
	config = filepath.Join(home, "exporter.yaml")
	write(t, config, fmt.Sprintf(`metadata: {namespace: default, name: interop}
export:
  network: {type: jumpstarter_driver_network.driver.TcpNetwork, config: {host: 127.0.0.1, port: %s}}
  bench: {type: stock_driver.Stock, config: {journal: %q}}
`, port, journal))
	return home, config, environ([]string{python(t)}, "HOME="+home, "XDG_RUNTIME_DIR="+home, "PYTHONPATH="+modules, "VIRTUAL_ENV=",
		"BENCH_JOURNAL="+journal)
}

// TestMixedAsStock runs one suite against the stock exporter and ours: errors,
// ends of calls and streams, and resources are the same, and so is the life of a
// driver.
func TestMixedAsStock(t *testing.T) {
	t.Parallel()
	python(t)
	for name, program := range map[string]string{"stock": "jmp", "ours": filepath.Join(bin, "starproxy")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, config, env := stockBench(t)
			// The session lasts until the shell's input ends. jmp hides its exit code.
			p := start(t, home, env, []int{-1, 0, 1, 2, 143}, program,
				"shell", "--exporter-config", config, "--", "sh", "-c", `echo "host=$JUMPSTARTER_HOST"; exec cat`)
			dir, err := filepath.Abs("mixed")
			if err != nil {
				t.Fatal(err)
			}
			pytest(t, append(env, "JUMPSTARTER_HOST="+p.await(t, "host="), "JMP_DRIVERS_ALLOW=UNSAFE"), dir, 15, filepath.Join(dir, "test_stock.py"))
			home, config, env = stockBench(t)
			if out := run(t, home, env, program, "shell", "--exporter-config", config, "--", "j", "bench", "inner", "on"); out.code != 0 {
				t.Fatal(out)
			}
			if got, err := os.ReadFile(filepath.Join(home, "journal")); err != nil || string(got) != "reset\nclose\n" {
				t.Errorf("the driver saw %q, %v", got, err)
			}
		})
	}
}

// TestMixedJ controls a bench by both j.
func TestMixedJ(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	b.run(t)
	env := append(b.env, "JUMPSTARTER_HOST="+b.socket(), "JMP_DRIVERS_ALLOW=UNSAFE", "_JMP_SUPPRESS_DRIVER_WARNINGS=1")
	ours := filepath.Join(bin, "j")
	for _, line := range []struct{ command, want string }{
		{"j lab power --help", "switch it on"},
		{"j lab power on", ""},
		{"j again read", "voltage=5.0 V"},
		{"j lab proxy start", "Started in 'mock' mode on 127.0.0.1:"},
		{"j proxy status", "Proxy is running (PID "},
		{"printf 'hello\\n' | timeout 20 j serial pipe --input | head -1", "hello"},
		{ours + " again read", "voltage=5.0 V"},
		{ours + " lab power off", ""},
		{ours + " lab proxy stop", "Stopped (was 'mock' mode"},
	} {
		out := run(t, b.home, env, "sh", "-c", line.command)
		if out.code != 0 || !strings.Contains(out.stdout, line.want) {
			t.Errorf("%s: got %swant %q", line.command, out, line.want)
		}
	}
}

// TestMixedLog finds what Python's drivers log in the log of the session, with
// its source, and what they print in that of the exporter.
func TestMixedLog(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	p, c := b.run(t, "--log-level", "info")
	if _, err := node(t, c, "bench").Call(t.Context(), "say", "needle"); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("unix:"+b.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log, err := pb.NewExporterServiceClient(conn).LogStream(within(t), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := log.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.GetMessage() == "logged: needle" {
			if r.GetSeverity() != "INFO" || r.GetSource() != pb.LogSource_LOG_SOURCE_DRIVER {
				t.Errorf("the record is %v", r)
			}
			break
		}
	}
	for _, text := range []string{"logged: needle", "printed: needle", "from a child"} {
		eventually(t, text+" is in the log of the exporter", func() bool { return strings.Contains(p.said(), text) })
	}
}

// TestMixedOrphans kills the exporter: nothing that it has started goes on, and
// Python's drivers are closed.
func TestMixedOrphans(t *testing.T) {
	t.Parallel()
	home, config, env := stockBench(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, string(text)+fmt.Sprintf("  proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}\n", filepath.Join(home, "data")))
	socket := filepath.Join(home, "s")
	p := start(t, home, env, []int{-1}, filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--socket", socket, "--isolate")
	p.await(t, "JUMPSTARTER_HOST=")
	c, err := client.Dial(t.Context(), socket, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	python, err := node(t, c, "bench").Call(t.Context(), "pid")
	if err != nil {
		t.Fatal(err)
	}
	started, err := node(t, c, "proxy").Call(t.Context(), "start", "mock")
	if err != nil {
		t.Fatal(err)
	}
	var mode, at string
	var proxies int
	if _, err := fmt.Sscanf(started.(string), "Started in %s mode on %s (PID %d)", &mode, &at, &proxies); err != nil {
		t.Fatalf("%s: %v", started, err)
	}
	pids := []int{int(python.(float64)), proxies}
	for _, pid := range pids {
		if pid == p.cmd.Process.Pid || !alive(pid) {
			t.Fatalf("process %d is not one of its own", pid)
		}
	}
	p.cmd.Process.Kill()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return !alive(pid) })
	}
	if journal, err := os.ReadFile(filepath.Join(home, "journal")); err != nil || string(journal) != "reset\nclose\n" {
		t.Errorf("the driver saw %q, %v", journal, err)
	}
}

// kill ends a process at once.
func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// alive reports whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	if p, err := os.FindProcess(pid); err != nil || p.Signal(syscall.Signal(0)) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// stockExample is the export of the example that the Python driver of the proxy
// comes with, but for places that a test can use.
const stockExample = `export:
  dutlink: {type: jumpstarter_driver_dutlink.driver.Dutlink, config: {}}
  serial:
    type: jumpstarter_driver_pyserial.driver.PySerial
    config: {url: "loop://", baudrate: 115200}
  video:
    type: jumpstarter_driver_ustreamer.driver.UStreamer
    config: {args: {device: "/dev/video0"}}
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    config:
      listen: {host: "127.0.0.1", port: 0}
      directories: {data: data, conf: conf}
      ssl_insecure: true
`

// TestMixedExample serves the stock example: without the packages of its
// drivers it says what to install, with drivers in their place it works.
func TestMixedExample(t *testing.T) {
	t.Parallel()
	home, config, env := stockBench(t)
	shell := func(script string) output {
		return run(t, home, env, filepath.Join(bin, "starproxy"), "shell", "--exporter-config", config, "--", "sh", "-c", script)
	}
	write(t, config, stockExample)
	out := shell("echo never")
	for _, want := range []string{"exporter.yaml:2:3: export.dutlink", "jumpstarter_driver_dutlink.driver.Dutlink", "pip install jumpstarter-driver-dutlink"} {
		if out.code != 1 || out.stdout != "" || !strings.Contains(out.stderr, want) || strings.Count(out.stderr, "\n") != 1 {
			t.Errorf("no %q in one line: %s", want, out)
		}
	}
	replaced := strings.NewReplacer("jumpstarter_driver_dutlink.driver.Dutlink", "jumpstarter_driver_power.driver.MockPower",
		"jumpstarter_driver_ustreamer.driver.UStreamer", "jumpstarter_driver_network.driver.EchoNetwork",
		"config: {args: {device: \"/dev/video0\"}}", "config: {}").Replace(stockExample)
	write(t, config, replaced)
	out = shell("j --help && j dutlink on && j proxy start && printf 'hello\\n' | timeout 20 j serial pipe --input | head -1")
	if out.code != 0 || !strings.Contains(out.stdout, "Started in 'mock' mode") || !strings.HasSuffix(out.stdout, "hello\n") {
		t.Errorf("with other drivers: %s", out)
	}
}

// TestMixedRefusals checks what is said when Python's drivers cannot be hosted.
func TestMixedRefusals(t *testing.T) {
	t.Parallel()
	home, config, env := stockBench(t)
	bare := filepath.Join(home, "bare")
	if out := run(t, home, env, "python3", "-m", "venv", "--without-pip", bare); out.code != 0 {
		t.Fatal(out)
	}
	for name, tt := range map[string]struct {
		export string
		args   []string
		want   []string
	}{
		"no such Python": {"power: {type: jumpstarter_driver_power.driver.MockPower}", []string{"--python", "/no/such/python"},
			[]string{"export.power", "jumpstarter_driver_power.driver.MockPower", "/no/such/python"}},
		"no jumpstarter": {"power: {type: jumpstarter_driver_power.driver.MockPower}", []string{"--python", bare},
			[]string{"export.power", "jumpstarter_driver_power.driver.MockPower", "pip install"}},
		"no module": {"lab: {children: {a: {type: jumpstarter_driver_no_such.driver.Thing}}}", nil,
			[]string{"exporter.yaml:2:", "export.lab.a", "jumpstarter_driver_no_such.driver.Thing", "pip install jumpstarter-driver-no-such"}},
		"no class": {"a: {type: jumpstarter_driver_power.driver.Thing}", nil,
			[]string{"export.a", "jumpstarter_driver_power.driver.Thing"}},
		"a wrong key": {"lab: {children: {a: {type: jumpstarter_driver_network.driver.TcpNetwork, config: {host: x}}}}", nil,
			[]string{"export.lab", "port"}},
		"a driver that fails to reset": {"a: {type: stock_driver.Stock, config: {journal: /no/such/dir/journal}}", nil,
			[]string{"No such file or directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, config, "export:\n  "+tt.export+"\n")
			out := run(t, home, env, append(append([]string{filepath.Join(bin, "starproxy"), "shell", "--exporter-config", config}, tt.args...), "--", "echo", "never")...)
			for _, want := range tt.want {
				if out.code != 1 || out.stdout != "" || !strings.Contains(out.stderr, want) || strings.Contains(out.stderr, "Traceback") {
					t.Errorf("no %q in: %s", want, out)
				}
			}
		})
	}
}
