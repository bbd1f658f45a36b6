package controller

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver/exporter"
	"starproxy/driver/exporter/labtest"
	"starproxy/driver/pb"
)

// standIn is a lab that behaves as the real one, with one exporter and one
// client. The tests of lease_test.go and fault_test.go use a lab that says what
// they want, in whatever order.
type standIn struct {
	*labtest.Lab
	t     testing.TB
	bench *bench
	alice *labtest.Client
	more  string // of the exporter file
}

func newStandIn(t testing.TB, o labtest.Options, more string) *standIn {
	t.Helper()
	l, err := labtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	s := &standIn{Lab: l, t: t, more: more}
	s.AddExporter("bench", map[string]string{"device": "x"})
	if s.alice, err = l.NewClient("alice"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.alice.Close)
	s.bench = &bench{t: t, file: filepath.Join(t.TempDir(), "bench.yaml"), log: &buffer{}, hangup: make(chan struct{})}
	s.write(time.Hour)
	return s
}

// write writes the exporter file with a token that lives for so long.
func (s *standIn) write(life time.Duration) {
	s.t.Helper()
	text, err := s.ExporterFile("bench")
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := s.Token("exporter", "bench", life)
	if err != nil {
		s.t.Fatal(err)
	}
	at := strings.Index(text, "token: ")
	text = text[:at] + "token: " + token + "\nexport: {group: {children: {}}}\n" + s.more + "\n"
	if err := os.WriteFile(s.bench.file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// patience is the time that a test waits for anything.
func (s *standIn) patience() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

// lease gets a lease of the exporter.
func (s *standIn) lease(d time.Duration) string {
	s.t.Helper()
	name, err := s.alice.Lease(s.patience(), "device=x", d)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.bench.log)
	}
	return name
}

// session dials until the exporter listens, as stock clients do.
func (s *standIn) session(lease string) *client {
	s.t.Helper()
	ctx := s.patience()
	for {
		cc, err := s.alice.Session(ctx, lease)
		if err == nil {
			s.t.Cleanup(func() { cc.Close() })
			return &client{ExporterServiceClient: pb.NewExporterServiceClient(cc), conn: cc}
		}
		// A controller that is away, or warms up, is tried again.
		if ctx.Err() != nil || !slices.Contains([]codes.Code{codes.Unavailable, codes.Unknown}, status.Code(err)) {
			s.t.Fatalf("%v\n%s", err, s.bench.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *standIn) awaitStatus(prefix string, skip int) {
	s.t.Helper()
	if err := s.AwaitStatus(s.patience(), "bench", prefix, skip); err != nil {
		s.t.Fatalf("%v\n%s", err, s.bench.log)
	}
}

// A controller that is killed in mid-lease costs no call of an open tunnel, and
// new calls succeed within three seconds of its being ready again.
func TestControllerRestart(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.bench.run(usualPace)
	name := s.lease(time.Hour)
	c := s.session(name)
	c.awaitStatus(t, statusReady)
	stop, calls := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; !closed(stop); n++ {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if _, err := c.GetStatus(ctx, &pb.GetStatusRequest{}); err != nil {
				t.Errorf("an open tunnel lost a call: %v", err)
			}
			cancel()
		}
		calls <- n
	}()
	s.Kill()
	s.bench.awaitLog("can't be reached")
	s.Fail(notReady)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	s.bench.awaitLog("is not ready")
	if st := c.call(t); st.GetStatus() != statusReady || !strings.Contains(st.GetMessage(), "Ready for commands (the controller at "+s.Endpoint()+" is not ready") {
		t.Errorf("status of the session: %v", st)
	}
	back := time.Now()
	s.Fail(nil)
	s.session(name).call(t)
	d := time.Since(back)
	t.Logf("a new call %v after the return", d.Round(time.Millisecond))
	if d > 3*time.Second {
		t.Errorf("a new call succeeded %v after the return", d)
	}
	close(stop)
	if n := <-calls; n < 100 {
		t.Errorf("only %d calls meanwhile", n)
	}
	s.bench.awaitLog("accepts exporter lab/bench again")
	if st := c.call(t); st.GetMessage() != textReady {
		t.Errorf("status of the session: %v", st)
	}
	s.bench.mu.Lock()
	defer s.bench.mu.Unlock()
	if s.bench.opened != 2 || len(s.bench.lost) != 2 {
		t.Errorf("%d sessions, want the one of the lease to go on; lost: %q", s.bench.opened, s.bench.lost)
	}
}

// A lease that expires gets its afterLease; one that waits comes after the
// session of the first is closed.
func TestExpiryAndQueue(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	s := newStandIn(t, labtest.Options{}, "hooks: {afterLease: {script: 'echo after $LEASE_NAME >>"+out+"'}}")
	s.bench.run(quick)
	one := s.lease(3 * time.Second)
	s.session(one).awaitStatus(t, statusReady)
	two := s.lease(time.Hour) // waits
	if got, _ := os.ReadFile(out); string(got) != "after "+one+"\n" {
		t.Errorf("the hook wrote %q", got)
	}
	s.bench.mu.Lock()
	open := s.bench.sessions
	s.bench.mu.Unlock()
	if open > 1 {
		t.Errorf("%d sessions at once", open)
	}
	s.session(two).awaitStatus(t, statusReady)
	if err := s.alice.Delete(s.patience(), two); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus("AVAILABLE Available", len(s.Exporter("bench").Reports))
}

// A network that loses connections in silence is found by pings.
func TestStalledNetwork(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "grpcOptions: {grpc.keepalive_time_ms: 10000, grpc.keepalive_timeout_ms: 500}")
	s.bench.run(quick)
	name := s.lease(time.Hour)
	s.session(name).awaitStatus(t, statusReady)
	s.Stall()
	s.bench.awaitLog("can't be reached")
	s.Resume()
	// Until then the controller gives tokens to the connection that is dead.
	s.bench.poll("another Listen", func() bool { return s.Exporter("bench").Listens >= 2 })
	s.session(name).call(t)
}

// An expired token does not end Status: the exporter has to leave it. A new one
// in the file is taken up at once.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.write(3 * time.Second)
	s.bench.run(quick)
	s.bench.awaitLog("expires at")
	s.awaitStatus("AVAILABLE", 0)
	s.bench.awaitLog("the token of exporter lab/bench expired at")
	s.bench.poll("the end of Status", func() bool { return !s.Exporter("bench").Online })
	s.write(365 * 24 * time.Hour)
	s.bench.awaitLog("accepts exporter lab/bench again")
	s.session(s.lease(time.Hour)).awaitStatus(t, statusReady)
	config, err := exporter.Load(s.bench.file)
	if err != nil || strings.Contains(s.bench.log.String(), config.Token) {
		t.Errorf("the log has the token, or %v", err)
	}
}

// An exporter object that is deleted and created again has another token.
func TestObjectRecreated(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.bench.run(quick)
	s.awaitStatus("AVAILABLE", 0)
	s.RemoveExporter("bench")
	s.EndStatus(status.Error(codes.Unknown, "last seen time mismatch"))
	s.bench.awaitLog("does not know exporter lab/bench: create it")
	s.AddExporter("bench", map[string]string{"device": "x"})
	s.bench.awaitLog("refuses the token of exporter lab/bench")
	s.write(time.Hour)
	s.bench.awaitLog("accepts exporter lab/bench again")
	s.session(s.lease(time.Hour)).awaitStatus(t, statusReady)
}

// A hundred clients at once: each that the controller lets through is served.
func TestManyDials(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.bench.run(quick)
	name := s.lease(time.Hour)
	s.session(name).awaitStatus(t, statusReady)
	var wg sync.WaitGroup
	var mu sync.Mutex
	through := 0
	for range 100 {
		wg.Go(func() {
			cc, err := s.alice.Session(s.patience(), name)
			if status.Code(err) == codes.ResourceExhausted {
				return // the controller's own bound
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer cc.Close()
			if _, err := pb.NewExporterServiceClient(cc).GetStatus(s.patience(), &pb.GetStatusRequest{}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			through++
			mu.Unlock()
		})
	}
	wg.Wait()
	t.Logf("%d of 100 came through", through)
	if through < 8 {
		t.Errorf("only %d came through", through)
	}
	s.bench.poll("one tunnel", func() bool { s.bench.mu.Lock(); defer s.bench.mu.Unlock(); return s.bench.tunnels == 1 })
}

// Tunnels that are cut cost no lease, and a client that is killed neither.
func TestTunnelsCut(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.bench.run(quick)
	name := s.lease(time.Hour)
	s.session(name).awaitStatus(t, statusReady)
	if n := s.CutTunnels(); n != 1 {
		t.Errorf("%d tunnels were cut", n)
	}
	s.bench.poll("no tunnel", func() bool { s.bench.mu.Lock(); defer s.bench.mu.Unlock(); return s.bench.tunnels == 0 })
	s.session(name).call(t)
	if n := s.Exporter("bench").Registers; n != 1 {
		t.Errorf("registered %d times", n)
	}
}

// A controller that hangs does not hold up the end.
func TestStopWhileStalled(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "")
	s.bench.run(quick)
	s.session(s.lease(time.Hour)).awaitStatus(t, statusReady)
	s.Stall()
	defer s.Resume()
	began := time.Now()
	s.bench.cancel()
	if err := s.bench.wait(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	s.bench.awaitLog("the controller was not told that the exporter stops")
}

// A failing beforeLease is told to a client that waits, and refused dials end.
func TestFailedLeaseIsReleased(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, labtest.Options{}, "hooks: {beforeLease: {script: exit 3, onFailure: endLease}}")
	s.bench.run(quick)
	s.lease(time.Hour)
	s.awaitStatus("BEFORE_LEASE_HOOK_FAILED beforeLease hook failed (on_failure=endLease)", 0)
	// Another lease can be had only when the first was given back.
	s.awaitStatus("AVAILABLE Available for new lease", 2)
	s.lease(time.Hour)
}
