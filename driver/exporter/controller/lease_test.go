package controller

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// quick are times that a test can wait for.
var quick = pace{
	first: 20 * time.Millisecond, most: 200 * time.Millisecond, leased: 100 * time.Millisecond, refused: 100 * time.Millisecond,
	steady: 10 * time.Second, shown: 200 * time.Millisecond, deleted: 500 * time.Millisecond, silent: 5 * time.Second,
}

// bench is an exporter that runs in this process.
type bench struct {
	t      testing.TB
	lab    *lab
	file   string
	log    *buffer
	cancel context.CancelFunc
	hangup chan struct{}
	ended  *ended // of the newest run

	mu       sync.Mutex
	sessions int // open ones
	opened   int // of all times
	openErr  error
	slow     chan struct{} // what opening waits for
	// slowFirst says that opening for the report waits too.
	slowFirst bool
	tunnels   int
	lost      []string
}

// ended is the end of one run.
type ended struct {
	done chan struct{}
	err  error // valid once done is closed
}

// buffer is a log that can be read while it grows.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// counted is a session that tells of its end.
type counted struct {
	*exporter.Session
	done func()
}

func (c *counted) Close() error {
	c.done()
	return c.Session.Close()
}

// write writes the exporter file with a token and more lines.
func (b *bench) write(token, more string) {
	b.t.Helper()
	text := fmt.Sprintf("metadata: {namespace: default, name: bench}\nendpoint: %s\ntoken: %s\ntls: {ca: %s}\nexport: {group: {children: {}}}\n%s\n", b.lab.addr, token, b.lab.caPEM, more)
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func newBench(t testing.TB, lab *lab, more string) *bench {
	t.Helper()
	b := &bench{t: t, lab: lab, file: filepath.Join(t.TempDir(), "bench.yaml"), log: &buffer{}, hangup: make(chan struct{})}
	b.write("good", more)
	return b
}

// run starts an exporter.
func run(t testing.TB, lab *lab, more string) *bench {
	b := newBench(t, lab, more)
	b.run(quick)
	return b
}

func (b *bench) run(pace pace) {
	b.t.Helper()
	config, err := exporter.Load(b.file)
	if err != nil {
		b.t.Fatal(err)
	}
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	o := Options{
		Config: config, Load: func() (*exporter.Config, error) { return exporter.Load(b.file) }, Open: b.open,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), AfterLease: b.hangup, pace: &pace,
	}
	o.Events.Tunnels = func(n int) { b.mu.Lock(); b.tunnels = n; b.mu.Unlock() }
	o.Events.Lost = func(text string) { b.mu.Lock(); b.lost = append(b.lost, text); b.mu.Unlock() }
	end := &ended{done: make(chan struct{})}
	b.ended = end
	go func() { end.err = Run(ctx, o); close(end.done) }()
	cancel := b.cancel
	b.t.Cleanup(func() {
		cancel()
		select {
		case <-end.done:
		case <-time.After(10 * time.Second):
			b.t.Error("the exporter did not stop within 10 s")
		}
		if b.t.Failed() {
			b.t.Log(b.log.String())
		}
	})
}

func (b *bench) open(_ context.Context, c *exporter.Config, l *driver.Lease, end func() (bool, string)) (Session, error) {
	if b.slow != nil && (l != nil || b.slowFirst) {
		<-b.slow
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened++
	if b.openErr != nil && l != nil {
		return nil, b.openErr
	}
	s, err := exporter.Open(c, exporter.Options{Lease: l, EndSession: end, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	if err != nil {
		return nil, err
	}
	b.sessions++
	return &counted{s, func() { b.mu.Lock(); b.sessions--; b.mu.Unlock() }}, nil
}

// wait returns what Run returned.
func (b *bench) wait() error {
	b.t.Helper()
	select {
	case <-b.ended.done:
		return b.ended.err
	case <-time.After(10 * time.Second):
		b.t.Fatalf("the exporter did not end\n%s", b.log)
		return nil
	}
}

// awaitLog waits for a text in the log.
func (b *bench) awaitLog(text string) {
	b.t.Helper()
	b.poll("the log "+text, func() bool { return strings.Contains(b.log.String(), text) })
}

func (b *bench) poll(what string, cond func() bool) {
	b.t.Helper()
	for end := time.Now().Add(15 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s\n%s", what, b.log)
		}
	}
}

// call makes one call through a tunnel.
func (c *client) call(t testing.TB) *pb.GetStatusResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := c.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// awaitStatus waits until GetStatus tells a status.
func (c *client) awaitStatus(t testing.TB, want pb.ExporterStatus) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s := c.call(t)
		if s.GetStatus() == want {
			return s.GetMessage()
		}
		if time.Now().After(end) {
			t.Fatalf("status %v %q, want %v", s.GetStatus(), s.GetMessage(), want)
		}
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "motd: hello")
	lab.awaitStatus("AVAILABLE Exporter registered and available")
	lab.setLease("one")
	lab.awaitStatus("LEASE_READY Ready for commands")
	c := lab.mustClient("one")
	if s := c.call(t); s.GetStatus() != statusReady || s.GetMessage() != textReady {
		t.Errorf("status %v", s)
	}
	report, err := c.GetReport(t.Context(), &emptypb.Empty{})
	if err != nil || report.GetMotd() != "hello" || len(report.GetReports()) != 2 {
		t.Errorf("report %v, %v", report, err)
	}
	end, err := c.EndSession(t.Context(), &pb.EndSessionRequest{})
	if err != nil || !end.GetSuccess() || end.GetMessage() != textEnded {
		t.Errorf("EndSession: %v, %v", end, err)
	}
	if text := c.awaitStatus(t, statusAvailable); text != textAvailable {
		t.Errorf("message %q", text)
	}
	// The controller hears of it only after the session is gone.
	lab.mu.Lock()
	last := lab.statuses[len(lab.statuses)-1]
	lab.mu.Unlock()
	if last != "LEASE_READY Ready for commands" {
		t.Errorf("the controller has %q before the tear-down", last)
	}
	lab.setLease("")
	lab.awaitStatus("AVAILABLE Available for new lease")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions != 0 || b.opened != 2 {
		t.Errorf("%d sessions open of %d", b.sessions, b.opened)
	}
	if len(lab.released) != 0 {
		t.Errorf("released %v", lab.released)
	}
}

// A client that ends its session and does not delete its lease blocks no bench.
func TestLeaseThatNobodyDeletes(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	lab.awaitStatus("LEASE_READY")
	c.EndSession(t.Context(), &pb.EndSessionRequest{})
	lab.await("release", func() bool { return len(lab.released) == 1 })
	lab.awaitStatus("AVAILABLE Available for new lease")
}

// One lease that follows another, with and without the gap between them.
func TestLeaseAfterLease(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	one := lab.mustClient("one")
	one.awaitStatus(t, statusReady)
	lab.setLease("two")
	two := lab.mustClient("two")
	two.awaitStatus(t, statusReady)
	lab.setLease("")
	lab.setLease("three")
	three := lab.mustClient("three")
	three.awaitStatus(t, statusReady)
	// A name that comes again is another lease.
	for range 3 {
		b.mu.Lock()
		opened := b.opened
		b.mu.Unlock()
		lab.setLease("")
		lab.awaitStatus("AVAILABLE")
		lab.setLease("three")
		lab.mustClient("three").awaitStatus(t, statusReady)
		b.mu.Lock()
		if b.opened != opened+1 {
			t.Errorf("%d sessions for one lease", b.opened-opened)
		}
		b.mu.Unlock()
	}
	lab.setLease("")
	lab.awaitStatus("AVAILABLE")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions != 0 {
		t.Errorf("%d sessions are open", b.sessions)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	b.cancel()
	if err := b.wait(); err != nil {
		t.Error(err)
	}
	lab.mu.Lock()
	defer lab.mu.Unlock()
	got := strings.Join(lab.statuses[max(0, len(lab.statuses)-2):], "; ")
	if want := "OFFLINE Exporter shutting down; UNREGISTERED with 0 streams"; got != want {
		t.Errorf("at the end %q, want %q", got, want)
	}
	if len(lab.released) > 0 {
		t.Error("the lease was given back: the next process could not take it up")
	}
}

func TestStopAfterLease(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	c.awaitStatus(t, statusReady)
	close(b.hangup)
	c.call(t)
	lab.setLease("")
	if err := b.wait(); err != nil || !lab.left {
		t.Errorf("%v, left %v", err, lab.left)
	}
}

func TestExitOnLeaseEnd(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "exitOnLeaseEnd: true")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	lab.setLease("")
	if err := b.wait(); err != nil || !lab.left {
		t.Errorf("%v, left %v", err, lab.left)
	}
}

// The gates of the session hold in a lease as well.
func TestCallsNeedALease(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	c.awaitStatus(t, statusReady)
	c.EndSession(t.Context(), &pb.EndSessionRequest{})
	c.awaitStatus(t, statusAvailable)
	if _, err := c.DriverCall(t.Context(), &pb.DriverCallRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a call after EndSession: %v", err)
	}
}
