package controller

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

func TestHooks(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	// Each hook waits until the controller has been told of it: statuses that
	// follow each other at once are reported as one.
	waits := func(name string) string { return "until test -e " + dir + "/" + name + "; do sleep 0.01; done" }
	goOn := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, lab, `motd: hello
hooks:
  beforeLease: {script: '`+waits("before")+`; echo preparing; echo "welcome $CLIENT_NAME" >$JMP_MOTD_FILE; echo "before $LEASE_NAME $CLIENT_NAME $(test -S $JUMPSTARTER_HOST && echo socket)" >>`+out+`'}
  afterLease: {script: '`+waits("after")+`; echo "after $LEASE_NAME $CLIENT_NAME" >>`+out+`; echo tidying'}
`)
	lab.setLease("one")
	c := lab.mustClient("one")
	lab.awaitStatus("BEFORE_LEASE_HOOK Running beforeLease hook")
	goOn("before")
	c.awaitStatus(t, statusReady)
	lab.awaitStatus("LEASE_READY Ready for commands")
	if report, err := c.GetReport(t.Context(), &emptypb.Empty{}); err != nil || report.GetMotd() != "hello\nwelcome alice" {
		t.Errorf("motd %q, %v", report.GetMotd(), err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.EndSession(t.Context(), &pb.EndSessionRequest{})
		ended <- err
	}()
	lab.awaitStatus("AFTER_LEASE_HOOK Running afterLease hooks")
	goOn("after")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := c.awaitStatus(t, statusAvailable); text != textAvailable {
		t.Errorf("message %q", text)
	}
	if got, _ := os.ReadFile(out); string(got) != "before one alice socket\nafter one alice\n" {
		t.Errorf("the hooks wrote %q", got)
	}
	stream, err := c.LogStream(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]pb.LogSource{}
	for len(seen) < 2 {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.GetMessage() == "preparing" || r.GetMessage() == "tidying" {
			seen[r.GetMessage()] = r.GetSource()
		}
	}
	if seen["preparing"] != pb.LogSource_LOG_SOURCE_BEFORE_LEASE_HOOK || seen["tidying"] != pb.LogSource_LOG_SOURCE_AFTER_LEASE_HOOK {
		t.Errorf("sources %v", seen)
	}
	lab.setLease("")
	lab.awaitStatus("AVAILABLE Available for new lease")

	// A lease that ends without EndSession gets its afterLease too.
	lab.setLease("two")
	lab.mustClient("two").awaitStatus(t, statusReady)
	lab.setLease("")
	lab.awaitStatus("AVAILABLE")
	if got, _ := os.ReadFile(out); !strings.HasSuffix(string(got), "before two alice socket\nafter two alice\n") {
		t.Errorf("the hooks wrote %q", got)
	}
}

// A client that comes while beforeLease runs is let in after it, and an end of
// the lease meanwhile does not break the hook off.
func TestClientsWaitForBeforeLease(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	dir := t.TempDir()
	run(t, lab, "hooks: {beforeLease: {script: 'until test -e "+dir+"/go; do sleep 0.01; done; touch "+dir+"/done'}, afterLease: {script: 'test -e "+dir+"/done && touch "+dir+"/after'}}")
	lab.setLease("one")
	lab.awaitStatus("BEFORE_LEASE_HOOK")
	c := lab.mustClient("one")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.GetStatus(ctx, &pb.GetStatusRequest{}); err == nil {
		t.Error("a client is served during beforeLease")
	}
	lab.setLease("")
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lab.awaitStatus("AVAILABLE Available")
	if _, err := os.Stat(filepath.Join(dir, "after")); err != nil {
		t.Error(err)
	}
}

func TestHookFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, hook, onFailure string
		client                pb.ExporterStatus
		text                  string   // of the client
		statuses              []string // in this order at the controller
		released              bool
		exit                  bool
	}{
		{"before warn", "beforeLease", "warn", statusReady, "[HOOK_WARNING] beforeLease hook warning: Hook failed with exit code 3",
			[]string{"LEASE_READY [HOOK_WARNING] beforeLease hook warning: Hook failed with exit code 3"}, false, false},
		{"before endLease", "beforeLease", "endLease", statusBeforeFailed, "beforeLease hook failed (on_failure=endLease): Hook failed with exit code 3",
			[]string{"BEFORE_LEASE_HOOK_FAILED beforeLease hook failed (on_failure=endLease): Hook failed with exit code 3", "AVAILABLE Available for new lease"}, true, false},
		{"before exit", "beforeLease", "exit", statusBeforeFailed, "beforeLease hook failed (on_failure=exit): Hook failed with exit code 3",
			[]string{"BEFORE_LEASE_HOOK_FAILED", "OFFLINE Exporter shutting down due to beforeLease hook failure", "UNREGISTERED"}, true, true},
		{"after warn", "afterLease", "warn", statusAvailable, "[HOOK_WARNING] afterLease hook warning: Hook failed with exit code 3",
			[]string{"AFTER_LEASE_HOOK Running afterLease hooks", "AVAILABLE [HOOK_WARNING] afterLease hook warning: Hook failed with exit code 3"}, true, false},
		{"after endLease", "afterLease", "endLease", statusAfterFailed, "afterLease hook failed (on_failure=endLease): Hook failed with exit code 3",
			[]string{"AFTER_LEASE_HOOK_FAILED afterLease hook failed (on_failure=endLease): Hook failed with exit code 3", "AVAILABLE Available for new lease"}, true, false},
		{"after exit", "afterLease", "exit", statusAfterFailed, "afterLease hook failed (on_failure=exit): Hook failed with exit code 3",
			[]string{"AFTER_LEASE_HOOK_FAILED", "OFFLINE Exporter shutting down due to afterLease hook failure", "UNREGISTERED"}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t)
			// Old controllers are told by status.
			lab.noRelease = tt.hook == "beforeLease"
			b := run(t, lab, "hooks: {"+tt.hook+": {script: exit 3, onFailure: "+tt.onFailure+"}}")
			lab.setLease("one")
			lab.await("a Listen", func() bool { return lab.listeners["one"] != nil })
			c, err := lab.client("one")
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if tt.hook == "afterLease" {
				c.awaitStatus(t, statusReady)
				c.EndSession(t.Context(), &pb.EndSessionRequest{})
			}
			if text := c.awaitStatus(t, tt.client); text != tt.text {
				t.Errorf("the client is told %q", text)
			}
			if tt.released {
				lab.await("release", func() bool { return len(lab.released) == 1 })
			} else {
				lab.setLease("")
			}
			lab.await(strings.Join(tt.statuses, ", "), func() bool {
				at := 0
				for _, s := range lab.statuses {
					if at < len(tt.statuses) && strings.HasPrefix(s, tt.statuses[at]) {
						at++
					}
				}
				return at == len(tt.statuses)
			})
			var failure *HookError
			if tt.exit {
				if err := b.wait(); !errors.As(err, &failure) || failure.Name != tt.hook {
					t.Errorf("Run returned %v", err)
				}
				return
			}
			// The bench is not lost.
			lab.awaitStatus("AVAILABLE")
			lab.setLease("two")
			lab.await("the next lease", func() bool { return lab.listeners["two"] != nil })
		})
	}
}

// An exporter that is told to stop runs its afterLease, for four seconds.
func TestStopWithHook(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	out := filepath.Join(t.TempDir(), "out")
	b := run(t, lab, "hooks: {afterLease: {script: 'echo begun >"+out+"; trap \"\" TERM; sleep 60'}}")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	began := time.Now()
	b.cancel()
	if err := b.wait(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 9*time.Second {
		t.Errorf("it took %v", d)
	}
	if got, _ := os.ReadFile(out); string(got) != "begun\n" {
		t.Errorf("the hook wrote %q", got)
	}
}

func TestStandalone(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	out := filepath.Join(t.TempDir(), "out")
	b := newBench(t, lab, "hooks: {beforeLease: {script: 'echo before $LEASE_NAME >>"+out+"'}, afterLease: {script: 'echo after >>"+out+"; exit 2', onFailure: exit}}")
	config, err := exporter.Load(b.file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := exporter.Open(config, exporter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := NewStandalone(s, config)
	if err == nil {
		err = h.Begin(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var failure *HookError
	if err := h.End(t.Context()); !errors.As(err, &failure) || failure.Name != "afterLease" {
		t.Errorf("End: %v", err)
	}
	if got, _ := os.ReadFile(out); string(got) != "before standalone\nafter\n" {
		t.Errorf("the hooks wrote %q", got)
	}
}
