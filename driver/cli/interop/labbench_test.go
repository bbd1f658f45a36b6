package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/exporter/labtest"
	"starproxy/driver/pb"
)

// TestBenchLab prints what a lab waits for, with our exporter and with the
// stock one. Both host a relay of Python's, ours a proxy besides.
func TestBenchLab(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") != "1" {
		t.Skip("set STARPROXY_BENCH=1, or run \"make bench\"")
	}
	const relay = "export:\n  power: {type: jumpstarter_driver_power.driver.MockPower}\n"
	rows := []string{"start to available", "lease to first answer", "router restarted", "tunnel cut", "controller away for 3 s", "process killed and started again", "one lease, from ask to available"}
	figures := map[string][]string{}
	for name, run := range map[string]func(*lab) []string{
		"starproxy": func(l *lab) []string {
			return []string{filepath.Join(bin, "starproxy"), "run", "--start", "mock", "--exporter-config",
				l.exporterFile(t, relay+fmt.Sprintf("  proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}\n", l.home))}
		},
		"jmp run": func(l *lab) []string { return []string{"jmp", "run", "--exporter-config", l.exporterFile(t, relay)} },
	} {
		l := newLab(t)
		b := &labBench{l: l, argv: run(l)}
		figures[name] = b.measure(t)
	}
	t.Logf("%-34s %12s %12s", "", "starproxy", "jmp run")
	for i, row := range rows {
		t.Logf("%-34s %12s %12s", row, figures["starproxy"][i], figures["jmp run"][i])
	}
}

// labBench is an exporter that is being measured.
type labBench struct {
	l     *lab
	argv  []string
	alice *labtest.Client
	lease string
}

// measure returns the figures in the order of the rows.
func (b *labBench) measure(t *testing.T) (out []string) {
	l := b.l
	add := func(d time.Duration, err error) {
		t.Helper()
		if err != nil {
			t.Logf("%s: %v", b.argv[0], err)
			out = append(out, "never")
			return
		}
		out = append(out, fmt.Sprintf("%.2f s", d.Seconds()))
	}
	codes := []int{-1, 0, 1, 143}
	begun := time.Now()
	p := start(t, l.home, l.environ(t), codes, b.argv...)
	l.available(t, 0)
	add(time.Since(begun), nil)
	var err error
	if b.alice, err = l.NewClient("alice"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.alice.Close)
	begun = time.Now()
	if b.lease, err = b.alice.Lease(within(t), "device=dut", time.Hour); err != nil {
		t.Fatal(err)
	}
	_, err = b.answer()
	add(time.Since(begun), err)
	l.KillRouter()
	if err := l.RestartRouter(); err != nil {
		t.Fatal(err)
	}
	add(b.answer())
	l.CutTunnels()
	add(b.answer())
	l.Kill()
	time.Sleep(3 * time.Second)
	if err := l.Restart(); err != nil {
		t.Fatal(err)
	}
	add(b.answer())
	killTree(p.cmd.Process.Pid) // it may have given up by now
	<-p.done
	begun = time.Now()
	start(t, l.home, l.environ(t), codes, b.argv...)
	_, err = b.answer()
	add(time.Since(begun), err)
	add(b.whole(within(t)))
	return out
}

// whole returns how long a lease takes from its request until the exporter can
// be leased again, the median of nine.
func (b *labBench) whole(ctx context.Context) (time.Duration, error) {
	var took []time.Duration
	for range 10 {
		skip := len(b.l.Exporter("bench").Reports)
		begun := time.Now()
		if len(took) > 0 {
			var err error
			if b.lease, err = b.alice.Lease(ctx, "device=dut", time.Hour); err != nil {
				return 0, err
			}
			if _, err = b.answer(); err != nil {
				return 0, err
			}
		}
		// The first lease is the one that the others were tried in.
		if err := b.alice.End(ctx, b.lease); err != nil {
			return 0, err
		}
		if err := b.l.AwaitStatus(ctx, "bench", "AVAILABLE", skip); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	took = took[1:]
	slices.Sort(took)
	return took[len(took)/2], nil
}

// killTree kills a process and those that it has started.
func killTree(pid int) {
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range statuses {
		data, _ := os.ReadFile(path) // it may have ended
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && strings.Contains(string(data), fmt.Sprintf("\nPPid:\t%d\n", pid)) {
			killTree(child)
		}
	}
	_ = kill(pid) // it may have ended
}

// answer returns how long it takes until a call through a new tunnel is
// answered.
func (b *labBench) answer() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	begun := time.Now()
	var last error
	for ctx.Err() == nil {
		if last = b.call(ctx); last == nil {
			return time.Since(begun), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, errors.Join(ctx.Err(), last)
}

func (b *labBench) call(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := b.alice.Session(ctx, b.lease)
	if err != nil {
		return err
	}
	defer conn.Close()
	session := pb.NewExporterServiceClient(conn)
	report, err := session.GetReport(ctx, &emptypb.Empty{})
	if err != nil {
		return err
	}
	for _, r := range report.GetReports() {
		if strings.HasSuffix(r.GetLabels()["jumpstarter.dev/client"], "PowerClient") {
			_, err := session.DriverCall(ctx, &pb.DriverCallRequest{Uuid: r.GetUuid(), Method: "on"})
			return err
		}
	}
	return errors.New("no relay in the report")
}
