package controller

import (
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// notReady is what the controller says for ten seconds after its start.
var notReady = status.Error(codes.Unknown, "oidc: authenticator not initialized")

// A lease that ended while the controller was away ends when it is back.
func TestLeaseEndsWhileAway(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	lab.kill()
	b.awaitLog("can't be reached")
	lab.setLease("two")
	lab.start()
	lab.mustClient("two").awaitStatus(t, statusReady)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions != 1 {
		t.Errorf("%d sessions", b.sessions)
	}
}

// A lease that another process of this exporter has begun is taken up.
func TestLeaseSurvivesUs(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	b.cancel()
	b.wait()
	b.run(quick)
	lab.mustClient("one").awaitStatus(t, statusReady)
}

// The controller need not be there at the start.
func TestControllerComesLater(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	lab.kill()
	b := run(t, lab, "")
	b.awaitLog("can't be reached")
	lab.start()
	lab.awaitStatus("AVAILABLE")
	b.awaitLog("again")
	if n := strings.Count(b.log.String(), "can't be reached"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestRouterRestart(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	c.awaitStatus(t, statusReady)
	lab.router.Stop()
	b.poll("the end of the tunnel", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.tunnels == 0 })
	lab.startRouter()
	lab.mustClient("one").call(t)
	if lab.registers != 1 {
		t.Errorf("registered %d times", lab.registers)
	}
}

// Streams of an API server that is restarted end, and answers are errors.
func TestAPIErrors(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	c.awaitStatus(t, statusReady)
	lab.edit(func() { lab.fault = status.Error(codes.Unknown, "watch channel closed") })
	lab.await("the end of Status", func() bool { return lab.streams == 0 })
	lab.edit(func() {
		lab.fault = status.Error(codes.Unknown, `exporter default/bench: Get "https://x": dial tcp: connect: connection refused`)
	})
	b.awaitLog("answers with an error")
	c.call(t)
	lab.edit(func() { lab.fault = nil })
	b.awaitLog("again")
	lab.mustClient("one").call(t)

	// An end alone is no news.
	said := b.log.String()
	lab.edit(func() { lab.fault = status.Error(codes.Unknown, "watch channel closed") })
	lab.await("the end of Status", func() bool { return lab.streams == 0 })
	lab.edit(func() { lab.fault = nil })
	lab.await("Status", func() bool { return lab.streams == 1 })
	if news := strings.TrimPrefix(b.log.String(), said); strings.Contains(news, "level=WARN") || strings.Contains(news, "level=ERROR") {
		t.Errorf("an ordinary end of a stream was told: %s", news)
	}
}

func TestSlowStatus(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	lab.slowStatus = 300 * time.Millisecond
	lab.setLease("one")
	b := run(t, lab, "")
	lab.mustClient("one").awaitStatus(t, statusReady)

	// One that never speaks is given up.
	lab.edit(func() { lab.slowStatus = time.Second })
	b.cancel()
	b.wait()
	pace := quick
	pace.silent = 50 * time.Millisecond
	b.run(pace)
	b.awaitLog("Status says nothing for 50ms")
	lab.edit(func() { lab.slowStatus = 0 })
	b.awaitLog("again")
}

// Two processes with one identity end each other's Listen: they slow down.
func TestTwoIdentities(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	a, b := run(t, lab, ""), run(t, lab, "")
	lab.setLease("one")
	a.awaitLog("another process listens as exporter default/bench")
	b.awaitLog("another process listens as exporter default/bench")
	// By then the pauses have grown to the longest.
	lab.await("more Listens", func() bool { return lab.listens >= 20 })
	before, began := 0, time.Now()
	lab.edit(func() { before = lab.listens })
	lab.await("more Listens", func() bool { return lab.listens >= before+8 })
	// Two processes, pauses of at least three quarters of the longest.
	if d, least := time.Since(began), 3*quick.most*3/4; d < least {
		t.Errorf("8 Listens in %v, want them in no less than %v", d, least)
	}
	a.cancel()
	a.wait()
	lab.mustClient("one").call(t)
}

// Tunnels without a client, and with one that says nothing, cost nothing and end
// with the lease.
func TestDeadTunnels(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.setLease("one")
	c := lab.mustClient("one")
	c.awaitStatus(t, statusReady)
	for range 5 {
		if _, err := lab.dial("one"); err != nil { // nobody comes for it
			t.Fatal(err)
		}
	}
	lab.await("orphans", func() bool { return lab.waiting == 5 })
	token, err := lab.dial("one")
	if err != nil {
		t.Fatal(err)
	}
	empty, err := lab.half(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	empty.CloseWrite() // GOAWAY without an HTTP/2 preface
	if got, err := io.ReadAll(empty); err != nil || len(got) == 0 {
		t.Errorf("an empty tunnel: %q, %v", got, err)
	}
	empty.Close()
	// Another has half a preface.
	token, err = lab.dial("one")
	if err != nil {
		t.Fatal(err)
	}
	half, err := lab.half(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	half.Write([]byte("PRI * HTTP"))
	c.call(t)
	b.poll("seven tunnels", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.tunnels == 7 })
	lab.setLease("")
	lab.awaitStatus("AVAILABLE")
	lab.await("no orphans", func() bool { return lab.waiting == 0 })
	half.Close()
}
