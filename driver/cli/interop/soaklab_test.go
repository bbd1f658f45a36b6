package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/exporter/labtest"
	"starproxy/driver/pb"
)

// TestSoakLeases leases a bench with a proxy and a relay of Python's again and
// again: whatever a lease takes is given back.
func TestSoakLeases(t *testing.T) {
	soaking(t)
	l := newLab(t)
	export := fmt.Sprintf(`export:
  proxy:
    type: starproxy.MitmproxyDriver
    config: {listen: {host: 127.0.0.1, port: %d}, directories: {data: %q}}
  power: {type: jumpstarter_driver_power.driver.MockPower}
  again: {ref: power}
hooks:
  beforeLease: {script: "true"}
`, freePort(t), filepath.Join(l.home, "data"))
	config := l.exporterFile(t, export)
	tmp := filepath.Join(l.home, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	p := start(t, l.home, append(l.environ(t), "TMPDIR="+tmp, "XDG_RUNTIME_DIR="+tmp), []int{143}, filepath.Join(bin, "starproxy"), "run",
		"--exporter-config", config, "--start", "mock", "--log-level", "error")
	l.available(t, 0)
	t.Logf("available after %v", time.Since(begun).Round(time.Millisecond))
	alice, err := l.NewClient("alice")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)

	var took []time.Duration
	cycle := func() {
		t.Helper()
		begun := time.Now()
		skip := len(l.Exporter("bench").Reports)
		if err := leaseOnce(within(t), alice); err != nil {
			t.Fatalf("%v\n%v\n%s", err, l.Exporter("bench").Reports, p.said())
		}
		l.available(t, skip)
		took = append(took, time.Since(begun))
	}
	for range 20 {
		cycle()
	}
	before := heldBy(t, p.cmd.Process.Pid, tmp)
	took = nil
	for range 200 {
		cycle()
	}
	after := heldBy(t, p.cmd.Process.Pid, tmp)
	slices.Sort(took)
	t.Logf("200 leases: median %v, longest %v", took[100].Round(time.Millisecond), took[199].Round(time.Millisecond))
	t.Logf("before: %v", before)
	t.Logf("after:  %v", after)
	if after.descriptors > before.descriptors+2 || after.processes > before.processes || after.files > before.files || after.resident > before.resident+16<<20 {
		t.Error("something is left behind")
	}
}

// leaseOnce leases the bench, switches its relay, asks the proxy and ends the
// session as jmp does.
func leaseOnce(ctx context.Context, c *labtest.Client) error {
	lease, err := c.Lease(ctx, "device=dut", time.Hour)
	if err != nil {
		return err
	}
	conn, err := sessionOf(ctx, c, lease)
	if err != nil {
		return err
	}
	defer conn.Close()
	session := pb.NewExporterServiceClient(conn)
	report, err := session.GetReport(ctx, &emptypb.Empty{})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, call := range []struct{ export, method string }{{"power", "on"}, {"proxy", "is_running"}, {"again", "off"}} {
		i := slices.IndexFunc(report.GetReports(), func(r *pb.DriverInstanceReport) bool {
			return r.GetLabels()["jumpstarter.dev/name"] == call.export
		})
		if i < 0 {
			return fmt.Errorf("no export %s", call.export)
		}
		reply, err := session.DriverCall(ctx, &pb.DriverCallRequest{Uuid: report.GetReports()[i].GetUuid(), Method: call.method})
		if err != nil {
			return fmt.Errorf("%s: %w", call.export, err)
		}
		if call.export == "proxy" && !reply.GetResult().GetBoolValue() {
			return fmt.Errorf("the proxy is not running")
		}
	}
	if _, err := session.EndSession(ctx, &pb.EndSessionRequest{}); err != nil {
		return err
	}
	return c.Delete(ctx, lease)
}

// sessionOf dials until the exporter listens on the lease.
func sessionOf(ctx context.Context, c *labtest.Client, lease string) (*grpc.ClientConn, error) {
	for {
		conn, err := c.Session(ctx, lease)
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "not listening") {
			return conn, err
		}
		time.Sleep(time.Millisecond)
	}
}

// leaseHoldings are what a process holds.
type leaseHoldings struct {
	descriptors, processes, files int
	resident                      int64
}

func (u leaseHoldings) String() string {
	return fmt.Sprintf("%d descriptors, %d processes, %d temporary files, %d MiB", u.descriptors, u.processes, u.files, u.resident>>20)
}

// heldBy counts what the process and those that it started hold, once nothing
// of a lease is under way.
func heldBy(t *testing.T, pid int, tmp string) (u leaseHoldings) {
	t.Helper()
	time.Sleep(time.Second) // a last process may be ending
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.descriptors = len(fds)
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range statuses {
		data, _ := os.ReadFile(path) // it may have ended
		if strings.Contains(string(data), fmt.Sprintf("\nPPid:\t%d\n", pid)) {
			u.processes++
		}
		if path == fmt.Sprintf("/proc/%d/status", pid) {
			if m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(string(data)); m != nil {
				kib, _ := strconv.ParseInt(m[1], 10, 64)
				u.resident = kib << 10
			}
		}
	}
	err = filepath.WalkDir(tmp, func(string, os.DirEntry, error) error { u.files++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return u
}
