package labtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"starproxy/driver/pb"
	"starproxy/driver/pb/leasing"
)

// world is a lab with the exporter bench, which is online and available, and the
// client alice.
type world struct {
	*Lab
	t      *testing.T
	ctx    context.Context
	bench  pb.ControllerServiceClient
	status pb.ControllerService_StatusClient
	alice  *Client
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	l := newLab(t, o)
	l.AddExporter("bench", map[string]string{"device": "x"})
	w := &world{Lab: l, t: t, ctx: patience(t), bench: exporter(t, l, asBench(t, l))}
	w.report(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE)
	var err error
	if w.status, err = w.bench.Status(w.ctx, &pb.StatusRequest{}); err != nil {
		t.Fatal(err)
	}
	w.told("")
	if w.alice, err = l.NewClient("alice"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.alice.Close)
	return w
}

func (w *world) report(s pb.ExporterStatus) {
	w.t.Helper()
	if _, err := w.bench.ReportStatus(w.ctx, &pb.ReportStatusRequest{Status: s}); err != nil {
		w.t.Fatal(err)
	}
}

// told checks the next message of Status.
func (w *world) told(lease string) {
	w.t.Helper()
	if r, err := w.status.Recv(); err != nil || r.GetLeaseName() != lease || r.GetLeased() != (lease != "") {
		w.t.Fatalf("Status says %v, %v, want lease %q", r, err, lease)
	}
}

func (w *world) create(selector, exporter string, d time.Duration) string {
	w.t.Helper()
	ask := &leasing.Lease{Selector: selector, Duration: durationpb.New(d)}
	if exporter != "" {
		ask.ExporterName = &exporter
	}
	made, err := w.alice.leases.CreateLease(w.ctx, &leasing.CreateLeaseRequest{Lease: ask})
	if err != nil {
		w.t.Fatal(err)
	}
	return short(made.GetName())
}

// condition is the condition of a lease that holds, and its reason.
func (w *world) condition(lease string) string {
	w.t.Helper()
	s, err := w.alice.leases.GetLease(w.ctx, &leasing.GetLeaseRequest{Name: resource("leases", lease)})
	if err != nil {
		w.t.Fatal(err)
	}
	last := s.GetConditions()[len(s.GetConditions())-1]
	for _, c := range s.GetConditions() {
		if c.GetStatus() == "True" {
			last = c
		}
	}
	return last.GetType() + " " + last.GetStatus() + " " + last.GetReason()
}

func (w *world) refused(err error, code codes.Code, text string) {
	w.t.Helper()
	if s := status.Convert(err); s.Code() != code || !strings.HasPrefix(s.Message(), text) {
		w.t.Errorf("got %v, want %s %s", err, code, text)
	}
}

// TestConditions follows leases by what a client is told of them.
func TestConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.AddExporter("away", map[string]string{"device": "y"})
	check := func(lease, want string) {
		t.Helper()
		if got := w.condition(lease); got != want {
			t.Errorf("lease is %q, want %q", got, want)
		}
	}
	check(w.create("device=z", "", time.Hour), "Pending True NotAvailable")
	check(w.create("", "away", time.Hour), "Pending True Offline")
	one := w.create("device in (x,y)", "", time.Hour)
	check(one, "Ready True Ready")
	two := w.create("", "bench", time.Hour)
	check(two, "Pending True NotAvailable")
	w.told(one)
	w.report(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY)
	if err := w.alice.Delete(w.ctx, one); err != nil {
		t.Fatal(err)
	}
	w.told("")
	check(one, "Ready False Released")
	check(two, "Pending True NotReady")
	w.report(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE)
	w.told(two)
	check(two, "Ready True Ready")
	// The next lease comes at once, and the exporter is told of the end between.
	three := w.create("", "bench", time.Hour)
	if err := w.alice.Delete(w.ctx, two); err != nil {
		t.Fatal(err)
	}
	w.told("")
	w.told(three)
	list, err := w.alice.leases.ListLeases(w.ctx, &leasing.ListLeasesRequest{OnlyActive: new(true)})
	if err != nil || len(list.GetLeases()) != 3 {
		t.Errorf("active leases: %v, %v, want 3", list, err)
	}
	for selector, want := range map[string][]string{"": {"away", "bench"}, "device=x": {"bench"}} {
		list, err := w.alice.leases.ListExporters(w.ctx, &leasing.ListExportersRequest{Filter: selector})
		var got []string
		for _, e := range list.GetExporters() {
			got = append(got, short(e.GetName()))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("exporters of %q: %v, %v, want %v", selector, got, err, want)
		}
	}
	for _, ask := range []*leasing.Lease{{}, {Selector: "device in"}, {Selector: "device=x", Duration: durationpb.New(-1)}} {
		if _, err := w.alice.leases.CreateLease(w.ctx, &leasing.CreateLeaseRequest{Lease: ask}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("lease %v: %v", ask, err)
		}
	}
}

// TestExpiry holds that a lease begins with a whole second, ends after its
// duration, and can be made longer.
func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	lease := w.create("device=x", "", time.Second)
	w.told(lease)
	longer := &leasing.Lease{Name: resource("leases", lease), Duration: durationpb.New(2 * time.Second)}
	s, err := w.alice.leases.UpdateLease(w.ctx, &leasing.UpdateLeaseRequest{Lease: longer})
	if err != nil {
		t.Fatal(err)
	}
	begin := s.GetEffectiveBeginTime().AsTime()
	if begin.Nanosecond() != 0 {
		t.Errorf("the lease begins at %v, want a whole second", begin)
	}
	w.told("")
	if d := time.Since(begin); d < 2*time.Second || d > 4*time.Second {
		t.Errorf("the lease ended %v after its begin, want 2 s", d)
	}
}

// TestUpdate brings a lease that begins later forward, gives it to another
// client, and refuses what cannot be changed.
func TestUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	ask := &leasing.Lease{Selector: "device=x", Duration: durationpb.New(time.Hour), BeginTime: timestamppb.New(time.Now().Add(time.Hour))}
	made, err := w.alice.leases.CreateLease(w.ctx, &leasing.CreateLeaseRequest{Lease: ask})
	if err != nil {
		t.Fatal(err)
	}
	lease := short(made.GetName())
	if got, want := w.condition(lease), "Pending True Scheduled"; got != want {
		t.Errorf("lease is %q, want %q", got, want)
	}
	change := func(ask *leasing.Lease, mask ...string) error {
		ask.Name = made.GetName()
		_, err := w.alice.leases.UpdateLease(w.ctx, &leasing.UpdateLeaseRequest{Lease: ask, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask}})
		return err
	}
	w.refused(change(&leasing.Lease{Selector: "device=y"}, "selector"), codes.InvalidArgument, "update_mask: got selector")
	soon := time.Now().Add(100 * time.Millisecond)
	if err := change(&leasing.Lease{BeginTime: timestamppb.New(soon)}, "begin_time"); err != nil {
		t.Fatal(err)
	}
	w.told(lease)
	if time.Now().Before(soon) {
		t.Error("the lease began too early")
	}
	bob := "namespaces/lab/clients/bob"
	if err := change(&leasing.Lease{Client: &bob}, "client"); err != nil {
		t.Fatal(err)
	}
	w.refused(w.alice.Delete(w.ctx, lease), codes.PermissionDenied, "permission denied")
	other, err := w.NewClient("bob")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if err := other.Delete(w.ctx, lease); err != nil {
		t.Error(err)
	}
	w.told("")
}

// TestExporterCalls holds what an exporter is answered about leases.
func TestExporterCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	lease := w.create("device=x", "", time.Hour)
	pending := w.create("device=x", "", time.Hour)
	w.told(lease)
	release := func(name string) error {
		_, err := w.bench.ReleaseLease(w.ctx, &pb.ReleaseLeaseRequest{Name: name})
		return err
	}
	w.refused(release("none"), codes.NotFound, "")
	w.refused(release(pending), codes.FailedPrecondition, "lease "+pending+" is not held by exporter bench")
	for name, text := range map[string]string{"": "empty lease name", "none": `leases.jumpstarter.dev "none" not found`, pending: "permission denied"} {
		stream, err := w.bench.Listen(w.ctx, &pb.ListenRequest{LeaseName: name})
		if err == nil {
			_, err = stream.Recv()
		}
		w.refused(err, codes.Unknown, text)
	}
	w.report(99)
	if got := w.Exporter("bench"); got.Status != pb.ExporterStatus_EXPORTER_STATUS_UNSPECIFIED {
		t.Errorf("a status that is unknown is kept as %v", got.Status)
	}
	_, err := w.bench.Register(w.ctx, &pb.RegisterRequest{Labels: map[string]string{"jumpstarter.dev/a b": "c"}})
	w.refused(err, codes.Internal, "unable to update exporter: ")
	_, err = w.bench.Register(metadata.AppendToOutgoingContext(w.ctx, "jumpstarter-kind", "Exporter"), &pb.RegisterRequest{})
	w.refused(err, codes.InvalidArgument, "multiple metadata: jumpstarter-kind")
	w.report(pb.ExporterStatus_EXPORTER_STATUS_BEFORE_LEASE_HOOK)
	if err := release(lease); err != nil {
		t.Error(err)
	}
	if err := release(lease); err != nil {
		t.Errorf("again: %v", err)
	}
	w.told("")
	// A lease that has ended can be listened to, and even dialled.
	tokens, err := w.bench.Listen(w.ctx, &pb.ListenRequest{LeaseName: lease})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitListen(lease)
	if err := tunnel(w.ctx, w.Lab, w.alice, lease, tokens); err != nil {
		t.Error(err)
	}
}

func (w *world) awaitListen(lease string) {
	w.t.Helper()
	if err := w.Await(w.ctx, "Listen", func() bool { return w.listeners[lease] != nil }); err != nil {
		w.t.Fatal(err)
	}
}

// TestDial holds what a client is answered, by the status of the exporter.
func TestDial(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{DialWait: 20 * time.Millisecond})
	lease := w.create("device=x", "", time.Hour)
	for s, want := range map[pb.ExporterStatus]struct {
		code codes.Code
		text string
	}{
		0: {codes.Unavailable, "exporter is not listening on lease " + lease},
		1: {codes.FailedPrecondition, "exporter is offline"},
		2: {codes.FailedPrecondition, "exporter is not ready (status: Available)"},
		3: {codes.Unavailable, "exporter is not listening on lease " + lease},
		4: {codes.Unavailable, "exporter is not listening on lease " + lease},
		5: {codes.Unavailable, "exporter is not listening on lease " + lease},
		6: {codes.FailedPrecondition, "exporter beforeLease hook failed"},
		7: {codes.FailedPrecondition, "exporter afterLease hook failed"},
	} {
		w.report(s)
		_, err := w.alice.Token(w.ctx, lease)
		w.refused(err, want.code, want.text)
	}
	w.report(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY)
	bob, err := w.NewClient("bob")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bob.Close)
	_, err = bob.Token(w.ctx, lease)
	w.refused(err, codes.Unknown, "permission denied")
}

// TestTokens expires the tokens that are out, and makes others.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	if err := w.ExpireTokens("exporter", "bench"); err != nil {
		t.Fatal(err)
	}
	_, err := w.bench.Register(w.ctx, &pb.RegisterRequest{})
	w.refused(err, codes.Unknown, "oidc: verify token: oidc: token is expired (Token Expiry: ")
	w.told(w.create("device=x", "", time.Hour)) // Status goes on
	if _, err := exporter(t, w.Lab, asBench(t, w.Lab)).Register(w.ctx, &pb.RegisterRequest{}); err != nil {
		t.Errorf("a new token: %v", err)
	}
	made, err := w.alice.leases.RotateToken(w.ctx, &leasing.RotateTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if subject, err := w.verify(made.GetToken(), objectIssuer, objectAudience); subject != "client:lab:alice:" || err != nil {
		t.Errorf("the rotated token is of %q, %v", subject, err)
	}
}
