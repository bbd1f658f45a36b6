package controller

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// proxyExport is a bench with one proxy, for newBench.
func proxyExport(t testing.TB, lab *lab) string {
	dir := t.TempDir()
	return fmt.Sprintf("tls: {ca: %s}\nexport: {proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}}", lab.caPEM, dir)
}

// cycle is one lease: a client comes, calls a driver, ends its session and
// deletes the lease. It returns how long the exporter took for all of it.
func (l *lab) cycle(b *bench, name string) time.Duration {
	l.t.Helper()
	began := time.Now()
	l.setLease(name)
	l.await("a Listen of "+name, func() bool { return l.listeners[name] != nil })
	c, err := l.client(name)
	if err != nil {
		l.t.Fatal(err)
	}
	c.awaitStatus(l.t, statusReady)
	report, err := c.GetReport(context.Background(), &emptypb.Empty{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range report.GetReports() {
		if r.GetLabels()["jumpstarter.dev/name"] == "proxy" {
			for _, method := range []string{"start", "set_state", "status", "stop"} {
				args := map[string][]any{"start": {"mock", false, "", 0.0}, "set_state": {"lease", `"` + name + `"`}}[method]
				if err := driverCall(c, r.GetUuid(), method, args...); err != nil {
					l.t.Fatal(method, err)
				}
			}
		}
	}
	if _, err := c.EndSession(context.Background(), &pb.EndSessionRequest{}); err != nil {
		l.t.Fatal(err)
	}
	c.awaitStatus(l.t, statusAvailable)
	go c.close()
	l.setLease("")
	l.awaitStatus("AVAILABLE")
	b.poll("the end of the session", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.sessions == 0 })
	return time.Since(began)
}

func driverCall(c *client, id, method string, args ...any) error {
	req := &pb.DriverCallRequest{Uuid: id, Method: method}
	for _, a := range args {
		v, err := pb.NewValue(a)
		if err != nil {
			return err
		}
		req.Args = append(req.Args, v)
	}
	_, err := c.DriverCall(context.Background(), req)
	return err
}

// held is what this process holds.
type held struct{ goroutines, files int }

func holds() held {
	entries, _ := os.ReadDir("/proc/self/fd")
	return held{runtime.NumGoroutine(), len(entries)}
}

// cycles runs n leases and fails if anything of them is left. It must run alone.
func cycles(t *testing.T, n int) {
	lab := newLab(t)
	b := newBench(t, lab, "")
	b.rewrite(proxyExport(t, lab))
	b.run(quick)
	lab.awaitStatus("AVAILABLE")
	lab.cycle(b, "first")
	before := holds()
	var times []time.Duration
	for i := range n {
		times = append(times, lab.cycle(b, fmt.Sprint("lease-", i)))
	}
	var after held
	b.poll(fmt.Sprintf("nothing left of what %d leases held, at first %+v", n, before), func() bool {
		runtime.GC()
		after = holds()
		return after.goroutines <= before.goroutines+2 && after.files <= before.files
	})
	slices.Sort(times)
	t.Logf("%d leases: median %v, longest %v; before %+v, after %+v", n, times[n/2].Round(time.Millisecond), times[n-1].Round(time.Millisecond), before, after)
	if times[n/2] > 500*time.Millisecond {
		t.Errorf("a lease took %v", times[n/2])
	}
}

// rewrite replaces the exporter file but for its head.
func (b *bench) rewrite(more string) {
	b.t.Helper()
	text := fmt.Sprintf("metadata: {namespace: default, name: bench}\nendpoint: %s\ntoken: good\n%s\n", b.lab.addr, more)
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func TestLeavesNothing(t *testing.T) { cycles(t, 8) }

func TestSoakLeases(t *testing.T) {
	if os.Getenv("STARPROXY_SOAK") == "" {
		t.Skip("set STARPROXY_SOAK=1 (make soak)")
	}
	cycles(t, 200)
}

// TestBenchTunnel compares 1,000 calls through a tunnel with as many over the
// local socket and with as many through the stand-in's relay alone.
func TestBenchTunnel(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench)")
	}
	const calls = 1000
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	tunnel := lab.mustClient("one")
	tunnel.awaitStatus(t, statusReady)

	config, err := exporter.Load(b.file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := exporter.Open(config, exporter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path, err := s.ServeUnix(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	local := dialUnix(t, path)

	// The stand-in's own: the same server on frames, without an exporter.
	relayed := lab.relayed(t, s)

	measure := func(c pb.ExporterServiceClient) time.Duration {
		best := time.Hour
		for range 5 {
			began := time.Now()
			for range calls {
				if _, err := c.GetStatus(context.Background(), &pb.GetStatusRequest{}); err != nil {
					t.Fatal(err)
				}
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	u, r, x := measure(local), measure(relayed), measure(tunnel)
	own := r - u // what relaying costs
	fmt.Printf("1,000 calls: local socket %v, stand-in's relay %v, tunnel %v; tunnel / (local + relay's own) = %.2f\n",
		u.Round(time.Millisecond), r.Round(time.Millisecond), x.Round(time.Millisecond), float64(x)/float64(u+own))
}

func dialUnix(t testing.TB, path string) pb.ExporterServiceClient {
	cc, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return pb.NewExporterServiceClient(cc)
}

// relayed is a client of s through the router, with the plainest exporter's end
// that there can be: bytes are copied between the tunnel and the unix socket, as
// stock exporters do.
func (l *lab) relayed(t testing.TB, s *exporter.Session) pb.ExporterServiceClient {
	path, err := s.ServeUnix(filepath.Join(t.TempDir(), "r"))
	if err != nil {
		t.Fatal(err)
	}
	back, err := l.half(context.Background(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	l.await("the first half", func() bool { return l.waiting == 1 })
	front, err := l.half(context.Background(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	copyBytes := func(to, from net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				to.Close()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go copyBytes(socket, back)
	go copyBytes(back, socket)
	cc, err := grpc.NewClient("passthrough:///relay", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return front, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close(); socket.Close(); back.Close() })
	return pb.NewExporterServiceClient(cc)
}

// TestBenchLease prints how long a lab waits for an exporter.
func TestBenchLease(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench)")
	}
	lab := newLab(t)
	b := newBench(t, lab, "")
	b.rewrite(proxyExport(t, lab))
	began := time.Now()
	b.run(usualPace)
	lab.awaitStatus("AVAILABLE")
	fmt.Printf("start to available: %v\n", time.Since(began).Round(time.Millisecond))

	began = time.Now()
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	fmt.Printf("lease to first answer: %v\n", time.Since(began).Round(time.Millisecond))

	for _, away := range []time.Duration{2 * time.Second, 10 * time.Second} {
		lab.kill()
		lab.edit(func() { lab.listens = 0 })
		time.Sleep(away)
		lab.start()
		began = time.Now()
		lab.await("Listen", func() bool { return lab.listens > 0 && lab.listeners["one"] != nil })
		lab.mustClient("one").call(t)
		fmt.Printf("controller away for %v: a new call %v after its return\n", away, time.Since(began).Round(time.Millisecond))
	}

	lab.router.Stop()
	lab.startRouter()
	began = time.Now()
	lab.mustClient("one").call(t)
	fmt.Printf("router restarted: a new call after %v\n", time.Since(began).Round(time.Millisecond))
}
