package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/rpc"
	"starproxy/driver/tlsfault"
)

// tlsDevice is a client of a proxy that makes a connection for each request.
type tlsDevice struct {
	*http.Client
}

// device returns a client; a lax one verifies nothing, a strict one also looks at the
// length of keys and at the OCSP answer.
func (b *bench) device(proxy *url.URL, strict bool) tlsDevice {
	b.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(b.call("get_ca_cert"))) {
		b.Fatal("no CA certificate")
	}
	cfg := &tls.Config{RootCAs: roots, InsecureSkipVerify: !strict}
	if strict {
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			switch {
			case len(s.OCSPResponse) > 0:
				return errors.New("revoked")
			case s.PeerCertificates[0].PublicKeyAlgorithm == x509.RSA: // the only one with RSA is weak
				return errors.New("weak key")
			}
			return nil
		}
	}
	return tlsDevice{&http.Client{Timeout: 20 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: cfg, DisableKeepAlives: true}}}
}

// ask returns the status of a request, or the end of its error.
func (d tlsDevice) ask(host string) string {
	res, err := d.Get("https://" + host + "/")
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return fmt.Sprint(res.StatusCode)
}

// keepAsking has the device ask until the test ends or the returned function is called.
func (b *bench) keepAsking(d tlsDevice, host string) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	var over sync.WaitGroup
	over.Go(func() {
		for ctx.Err() == nil {
			d.ask(host)
		}
	})
	return sync.OnceFunc(func() { cancel(); over.Wait() })
}

// secure is a driver that has been started with GET / as its only mock.
func secure(t *testing.T) (*bench, *url.URL) {
	t.Helper()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.call("set_mock", "GET", "/", 200.0, "{}")
	return b, b.start()
}

func TestTLSFaultMethods(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	d := b.device(proxy, true)
	asked := func(host, want string) {
		t.Helper()
		if got := d.ask(host); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
	b.want("TLS fault set: expired for *.test (every handshake)", "set_tls_fault", "*.TEST", "expired")
	b.want("TLS fault set: alert unrecognized_name for a.test (the next 2 handshakes)", "set_tls_fault", "a.test", `{"kind": "alert", "alert": "unrecognized_name", "times": 2}`)
	asked("a.test", "unrecognized name")
	asked("a.test", "unrecognized name")
	asked("a.test", "expired")
	asked("b.other", "200")
	b.want(`[{"host":"*.test","kind":"expired","from":"method","met":1},{"host":"a.test","kind":"alert","times":2,"alert":"unrecognized_name","from":"method","met":2,"over":true}]`, "list_tls_faults")
	if got := len(b.status()["tls_faults"].([]any)); got != 2 {
		t.Errorf("status has %d faults, want 2", got)
	}
	b.want("TLS faults removed: 1", "clear_tls_faults", "*.test")
	asked("a.test", "200")
	b.want("TLS faults removed: 1", "clear_tls_faults")
	b.want("[]", "list_tls_faults")
	b.want("INVALID_ARGUMENT set_tls_fault: host: got \"\", want a name or an address; patterns are a host, *.domain or *", "set_tls_fault", "*.", "expired")
	b.want(`INVALID_ARGUMENT set_tls_fault: fault: got "expird"; did you mean "expired"?`, "set_tls_fault", "*", "expird")
	b.want(`INVALID_ARGUMENT set_tls_fault: fault.json:1:20: unknown key "ms" in fault; want one of kind, times`, "set_tls_fault", "*", `{"kind":"garbage", "ms":1}`)
}

// What a scenario sets is in force as long as the scenario is. What methods set lies above
// it until a reset.
func TestTLSFaultsOfScenario(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	d := b.device(proxy, true)
	now := func(want ...string) {
		t.Helper()
		var got []string
		for _, host := range []string{"a.test", "b.test"} {
			_, text, _ := strings.Cut(d.ask(host), "x509: certificate ")
			got = append(got, text[:min(len(text), 11)])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want, got:\n%s", diff)
		}
	}
	const expired, other, good = "has expired", "is valid fo", ""
	b.write("mock-responses/s.yaml", "tls: {a.test: expired}\nGET /: {body: 1}\n")
	b.call("load_mock_scenario", "s.yaml")
	now(expired, good)
	b.call("set_tls_fault", "*.test", "wrong_host")
	now(expired, other)
	b.write("mock-responses/s.yaml", "tls: {b.test: expired}\nGET /: {body: 1}\n")
	b.awaitLog("scenario reloaded")
	now(other, expired)
	b.call("clear_tls_faults")
	now(good, good)
	b.call("reset_mocks")
	now(good, expired)
	b.call("load_mock_scenario_content", "t.star", `tls = {"a.test": "wrong_host"}`)
	b.call("set_mock", "GET", "/", 200.0, "{}")
	now(other, good)
	b.call("clear_mocks")
	now(good, good)
	if got := b.call("load_mock_scenario_content", "t.yaml", "tls: {a.test: {kind: expird}}\nendpoints: {}\n"); !strings.Contains(got,
		`t.yaml:1:22: tls.a.test.kind: got "expird"; did you mean "expired"?`) {
		t.Errorf("a mistake: got %s", got)
	}
}

// audit collects the steps of an audit by their kinds, and its report.
func (b *bench) audit(ctx context.Context, args ...any) (verdicts map[string]string, r auditReport, err error) {
	b.Helper()
	seq, err := b.d.Values(ctx, "tls_audit", args)
	if err != nil {
		return nil, r, err
	}
	verdicts = map[string]string{}
	for item, err := range seq {
		if err != nil {
			return verdicts, r, err
		}
		switch item := item.(type) {
		case auditStep:
			key := item.Kind
			if key == controlKind {
				key = map[bool]string{true: "before", false: "after"}[item.Step == 1]
			}
			if item.Verdict != waiting {
				verdicts[key] = item.Verdict
			}
			if item.Doc == "" || item.Step < 1 || item.Step > item.Steps {
				b.Errorf("got the step %+v", item)
			}
		case auditReport:
			r = item
		}
	}
	return verdicts, r, nil
}

// refusable are the kinds that a good device refuses.
func refusable() (kinds []string) {
	for _, i := range tlsfault.Kinds() {
		if i.Device == tlsfault.Refuses {
			kinds = append(kinds, string(i.Kind))
		}
	}
	return kinds
}

// A device that verifies nothing accepts every flaw. A strict one accepts none. What was
// set before counts again afterwards.
func TestTLSAudit(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	b.call("set_tls_fault", "*.test", "garbage")
	for name, strict := range map[string]bool{"lax.test": false, "strict.test": true} {
		d := b.device(proxy, strict)
		stop := b.keepAsking(d, name)
		verdicts, report, err := b.audit(t.Context(), name)
		stop()
		if err != nil || verdicts["before"] != "accepted" || verdicts["after"] != "accepted" {
			t.Errorf("%s: %v, the verdicts are %v", name, err, verdicts)
		}
		kinds := refusable()
		want := auditReport{Done: true, Host: name, Accepted: []string{}, Refused: kinds, NeverMet: []string{}, Findings: []string{}}
		if !strict {
			flaws := kinds[:len(kinds)-1] // Go refuses TLS 1.1
			want.Accepted, want.Findings, want.Refused = flaws, flaws, kinds[len(kinds)-1:]
		}
		if diff := cmp.Diff(want, report); diff != "" {
			t.Errorf("%s: want, got:\n%s", name, diff)
		}
		for kind, verdict := range verdicts {
			if want := strict; kind != "before" && kind != "after" && (verdict == "refused") != want && kind != "max_version" {
				t.Errorf("%s: %s was %s", name, kind, verdict)
			}
		}
		if got := d.ask(name); !strings.Contains(got, "does not look like a TLS handshake") {
			t.Errorf("%s: got %s after the audit, want the fault that was set before", name, got)
		}
	}
}

// Faults that a good device may go on with are no findings.
func TestTLSAuditTolerates(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	defer b.keepAsking(b.device(proxy, true), "a.test")()
	_, report, err := b.audit(t.Context(), "*.test", "alpn,no_close_notify, expired")
	want := auditReport{Done: true, Host: "*.test", Accepted: []string{"alpn", "no_close_notify"}, Refused: []string{"expired"}, NeverMet: []string{}, Findings: []string{}}
	if diff := cmp.Diff(want, report); diff != "" || err != nil {
		t.Errorf("%v, want, got:\n%s", err, diff)
	}
}

// An audit that can tell nothing says why, and ends.
func TestTLSAuditWithoutControl(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	verdicts, report, err := b.audit(t.Context(), "nobody.test", "", 0.05)
	if err != nil || report.Problem != "the device made no request to nobody.test in time" || len(verdicts) != 1 || len(report.NeverMet) != len(refusable()) {
		t.Errorf("without a device: got %v, %+v, %v", verdicts, report, err)
	}
	pinned := b.device(proxy, true)
	pinned.Transport.(*http.Transport).TLSClientConfig.RootCAs = x509.NewCertPool()
	defer b.keepAsking(pinned, "pinned.test")()
	verdicts, report, err = b.audit(t.Context(), "pinned.test")
	if err != nil || !strings.HasPrefix(report.Problem, "the device refuses the good certificate, too") || len(verdicts) != 1 {
		t.Errorf("a device that does not trust the CA: got %v, %+v, %v", verdicts, report, err)
	}
}

// One audit of a host is under way at a time. One whose caller leaves ends.
func TestTLSAuditEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	b, _ := secure(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	seq, err := b.d.Stream(ctx, "tls_audit", []any{"a.test"})
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for item, err := range seq {
		var step auditStep
		switch {
		case errors.Is(err, context.Canceled):
			continue
		case err != nil:
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(item.(string)), &step); err != nil || step.Verdict != waiting || step.Kind != controlKind {
			t.Fatalf("got %v (%v), want that the control is waited for", item, err)
		}
		steps++
		if _, _, err := b.audit(t.Context(), "a.test"); err == nil || err.Error() != "tls_audit: an audit of a.test is under way" {
			t.Errorf("a second audit: got %v", err)
		}
		if _, _, err := b.audit(t.Context(), "b.test", "expired", 0.01); err != nil {
			t.Errorf("an audit of another host: got %v", err)
		}
		leave()
	}
	if steps != 1 || b.d.tlsFaults.table.InForce() {
		t.Errorf("got %d steps, and the audit is still in force: %t", steps, b.d.tlsFaults.table.InForce())
	}
}

func TestTLSAuditRefuses(t *testing.T) {
	t.Parallel()
	b, _ := secure(t)
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{"a b"}, `tls_audit: host: got "a b"`},
		{[]any{"a.test", "stall"}, `tls_audit: kinds: got "stall", want a fault after which a request can come`},
		{[]any{"a.test", "expird"}, `tls_audit: kinds: got "expird"; did you mean "expired"?`},
		{[]any{"a.test", "expired,expired"}, `tls_audit: kinds: got "expired" again, want each kind once`},
		{[]any{"a.test", "", 0.0}, "tls_audit: timeout: got 0, want seconds"},
	} {
		_, _, err := b.audit(t.Context(), c.args...)
		if r, ok := errors.AsType[*rpc.Refusal](err); !ok || r.Code != rpc.InvalidArgument || !strings.HasPrefix(r.Text, c.want) {
			t.Errorf("%v: got %v, want %s", c.args, err, c.want)
		}
	}
	b.call("stop")
	if _, _, err := b.audit(t.Context(), "a.test"); err == nil || err.Error() != "tls_audit: the proxy does not run" {
		t.Errorf("stopped: got %v", err)
	}
}
