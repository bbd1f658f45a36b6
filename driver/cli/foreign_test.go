package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/client"
	"starproxy/driver/pb"
)

// TestPythonJ checks which j on PATH is Python's.
func TestPythonJ(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name, "j")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(path)
	}
	binary := put("binary", "\x7fELF python", 0o755)
	shell := put("shell", "#!/bin/sh\ncd \"$1\"\n", 0o755)
	plain := put("plain", "#!/venv/bin/python\n", 0o644)
	pip := put("pip", "#!/venv/bin/python3\nimport sys\n", 0o755)
	long := put("long", "#!/bin/sh\n'''exec' /a/very/long/path/python3 \"$0\" \"$@\"\n' '''\n", 0o755)
	put("venv/bin", "#!/venv/bin/python3\n", 0o755)
	venv := filepath.Join(dir, "venv")
	list := func(dirs ...string) string { return strings.Join(dirs, string(os.PathListSeparator)) }
	for _, c := range []struct{ path, venv, want string }{
		{list(binary, shell, plain), "", ""},
		{list(binary, pip, long), "", filepath.Join(pip, "j")},
		{list(long, pip), "", filepath.Join(long, "j")},
		{list(binary), venv, filepath.Join(venv, "bin", "j")},
		{list(pip), venv, filepath.Join(pip, "j")},
		{"", "", ""},
	} {
		sys := &System{Getenv: func(name string) string { return map[string]string{"PATH": c.path, "VIRTUAL_ENV": c.venv}[name] }}
		if got := pythonJ(sys); got != c.want {
			t.Errorf("PATH %s, VIRTUAL_ENV %s: %q, want %q", c.path, c.venv, got, c.want)
		}
	}
}

// mixedBench is an exporter with a proxy and drivers that have commands only in
// Python.
type mixedBench struct {
	pb.UnimplementedExporterServiceServer
}

func (mixedBench) GetReport(context.Context, *emptypb.Empty) (*pb.GetReportResponse, error) {
	node := func(uuid, parent, name, class string) *pb.DriverInstanceReport {
		r := &pb.DriverInstanceReport{Uuid: uuid, Labels: map[string]string{"jumpstarter.dev/client": class}}
		if parent != "" {
			r.ParentUuid, r.Labels["jumpstarter.dev/name"] = &parent, name
		}
		return r
	}
	return &pb.GetReportResponse{Reports: []*pb.DriverInstanceReport{
		node("root", "", "", client.CompositeClass),
		node("proxy", "root", "proxy", client.ProxyClass),
		node("power", "root", "power", "jumpstarter_driver_power.client.PowerClient"),
		node("dut", "root", "dut", "lab.client.DutClient"),
		node("serial", "dut", "serial", "jumpstarter_driver_pyserial.client.PySerialClient"),
	}}, nil
}

// TestForeignExports runs j on a bench that has foreign exports, with and
// without a Python j.
func TestForeignExports(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "spx") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterExporterServiceServer(s, mixedBench{})
	go s.Serve(ln)
	t.Cleanup(s.Stop)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "foreign"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("JUMPSTARTER_HOST", socket)
			env.Setenv("VIRTUAL_ENV", "")
			env.Setenv("PATH", strings.Join(slices.DeleteFunc(filepath.SplitList(env.Getenv("PATH")), func(dir string) bool {
				return isPythonScript(filepath.Join(dir, "j"))
			}), string(os.PathListSeparator)))
			for _, venv := range []string{"venv", "loop", "broken"} {
				if err := os.Chmod(filepath.Join(env.WorkDir, venv, "bin", "j"), 0o755); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
