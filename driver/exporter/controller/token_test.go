package controller

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver/exporter"
)

// jwt makes a token without a signature.
func jwt(exp time.Time) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"ES256"}`) + "." + part(fmt.Sprintf(`{"exp":%d}`, exp.Unix())) + "." + part("signature")
}

// A token that Listen alone finds refused ends Status too.
func TestListenRefused(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.awaitStatus("AVAILABLE")
	lab.edit(func() { lab.listenErr = status.Error(codes.Unknown, "oidc: verify token: oidc: token is expired") })
	lab.setLease("one")
	b.awaitLog("the token of exporter default/bench expired")
	lab.edit(func() { lab.listenErr = nil })
	lab.mustClient("one").awaitStatus(t, statusReady)
}

// A file that is broken changes nothing.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := run(t, lab, "")
	lab.awaitStatus("AVAILABLE")
	b.write("", "")
	b.awaitLog("token: got nothing, want the token of exporter default/bench")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
	// Other drivers are told when the lease has ended.
	b.write("good", "description: another")
	b.awaitLog("exporter file reloaded")
	if lab.registers != 1 {
		t.Errorf("registered %d times during the lease", lab.registers)
	}
	lab.setLease("")
	lab.await("another registration", func() bool { return lab.registers == 2 })
}

// The file is reached through a link, as a deployment switches it.
func TestFileThroughLink(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := newBench(t, lab, "")
	dir := filepath.Dir(b.file)
	release := func(name, more string) {
		t.Helper()
		b.file = filepath.Join(dir, "releases", name, "etc", "bench.yaml")
		if err := os.MkdirAll(filepath.Dir(b.file), 0o755); err != nil {
			t.Fatal(err)
		}
		b.write("good", more)
	}
	lead := func(name string) {
		t.Helper()
		link := filepath.Join(dir, "current")
		if err := os.Symlink(filepath.Join("releases", name), link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	release("1", "")
	release("2", "description: another")
	lead("1")
	b.file = filepath.Join(dir, "current", "etc", "bench.yaml")
	b.run(quick)
	lab.awaitStatus("AVAILABLE")
	lead("2")
	b.awaitLog("exporter file reloaded")
}

func TestTokenExpiry(t *testing.T) {
	t.Parallel()
	at := time.Unix(1900000000, 0)
	if got, ok := tokenExpiry(jwt(at)); !ok || !got.Equal(at) {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, token := range []string{"", "a.b.c", "opaque", "a..c", jwt(time.Unix(0, 0)), "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":"x"}`)) + ".c"} {
		if got, ok := tokenExpiry(token); ok {
			t.Errorf("%q: got %v", token, got)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault{
		"Unknown: oidc: authenticator not initialized":                                                                              faultNotReady,
		"Unknown: failed to authenticate token":                                                                                     faultRefused,
		"Unknown: oidc: verify token: failed to verify signature: failed to verify id token signature":                              faultRefused,
		"Unknown: oidc: verify token: oidc: token is expired (Token Expiry: 2026)":                                                  faultExpired,
		"PermissionDenied: permission denied for exporter default/bench":                                                            faultRefused,
		"Unknown: exporter default/bench: exporters.jumpstarter.dev \"bench\" not found":                                            faultMissing,
		"Unknown: exporter default/bench: Get \"https://10.0.0.1\": dial tcp 10.0.0.1:443: connect: connection refused":             faultOther,
		"Unknown: leases.jumpstarter.dev \"one\" not found":                                                                         faultOther,
		"InvalidArgument: object kind mismatch":                                                                                     faultRefused,
		"InvalidArgument: malformed authorization header":                                                                           faultRefused,
		"Unauthenticated: missing authorization header":                                                                             faultRefused,
		"Internal: unable to update exporter: Exporter.jumpstarter.dev \"bench\" is invalid: metadata.labels: Invalid value: \"?\"": faultOther,
		"Unknown: watch channel closed":                                                                                             faultEnded,
		"Unknown: last seen time mismatch":                                                                                          faultEnded,
		"Unavailable: error reading from server: EOF":                                                                               faultLost,
	} {
		name, message, _ := strings.Cut(text, ": ")
		var code codes.Code
		for c := codes.OK; c <= codes.Unauthenticated; c++ {
			if c.String() == name {
				code = c
			}
		}
		if got := faultOf(status.Error(code, message)); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
	if faultOf(io.EOF) != faultEnded {
		t.Error("EOF")
	}
}

func TestDialing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options map[string]any
		ca      string
		err     string
		warning string
	}{
		{options: map[string]any{"grpc.keepalive_time_ms": 30000, "grpc.keepalive_timeout_ms": 5000.0, "grpc.keepalive_permit_without_calls": 1, "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": 1 << 20, "grpc.ssl_target_name_override": "lab", "grpc.enable_http_proxy": false}},
		{options: map[string]any{"grpc.lb_policy_name": "round_robin"}, warning: "f: grpcOptions: grpc.lb_policy_name has no effect in this exporter"},
		{options: map[string]any{"grpc.keepalive_time_ms": 5}, warning: "f: grpcOptions: grpc.keepalive_time_ms: got 5, used is 10000, the least"},
		{options: map[string]any{"grpc.keepalive_time_ms": "soon"}, err: "f: grpcOptions: grpc.keepalive_time_ms: got soon, want a positive number of milliseconds"},
		{options: map[string]any{"grpc.keepalive_permit_without_calls": 2}, err: "f: grpcOptions: grpc.keepalive_permit_without_calls: got 2, want 0 or 1"},
		{options: map[string]any{"grpc.max_send_message_length": 1.5}, err: "f: grpcOptions: grpc.max_send_message_length: got 1.5, want a number of bytes, or -1 for no limit"},
		{options: map[string]any{"grpc.primary_user_agent": 3}, err: "f: grpcOptions: grpc.primary_user_agent: got 3, want a text"},
		{ca: "?", err: "f: tls.ca: got text that is not base64 (illegal base64 data at input byte 0), want a PEM bundle in base64"},
		{ca: "aGVsbG8=", err: "f: tls.ca: got no certificate, want a PEM bundle in base64"},
	} {
		d, err := newDialing(&exporter.Config{Path: "f", GRPCOptions: tt.options, TLS: exporter.TLS{CA: tt.ca}})
		if got := fmt.Sprint(err); tt.err != "" && got != tt.err || tt.err == "" && err != nil {
			t.Errorf("%v: got error %v, want %q", tt.options, err, tt.err)
		}
		if err == nil && strings.Join(d.warnings, "; ") != tt.warning {
			t.Errorf("%v: got %q, want %q", tt.options, d.warnings, tt.warning)
		}
	}
}

// tls.insecure takes any certificate; without it and without tls.ca the lab's is
// refused.
func TestInsecure(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := newBench(t, lab, "")
	b.rewrite("tls: {insecure: false}\nexport: {group: {children: {}}}")
	b.run(quick)
	b.awaitLog("certificate signed by unknown authority")
	b.rewrite("tls: {insecure: true}\nexport: {group: {children: {}}}")
	lab.setLease("one")
	lab.mustClient("one").awaitStatus(t, statusReady)
}
