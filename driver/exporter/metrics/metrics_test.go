package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/driver"
	"starproxy/driver/pb"
)

// caller is a proxy that answers with a function.
type caller func(ctx context.Context) (driver.Metrics, error)

func (c caller) Call(ctx context.Context, method string, _ ...any) (any, error) {
	if method != "get_metrics" {
		return nil, fmt.Errorf("method %s not found on driver", method)
	}
	m, err := c(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	return string(text), err
}

// mocked is a proxy that has answered n requests by mocks.
func mocked(source string, n uint64) caller {
	return func(context.Context) (driver.Metrics, error) {
		return driver.Metrics{Source: source, Mode: "mock", Requests: map[string]uint64{"mocked": n}, Refused: 4, Dials: map[string]uint64{"failed": 2},
			TLSFailures: map[string]map[string]uint64{"device": {"alert_bad_certificate": 1}}}, nil
	}
}

// serve serves m, and gives what a GET of a path answers.
func serve(t *testing.T, m *Metrics, health func(context.Context) error) (*Server, func(path string) (int, string)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := m.Serve(ln, health)
	t.Cleanup(func() { s.Close() })
	return s, func(path string) (int, string) {
		t.Helper()
		res, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
}

func healthy(context.Context) error { return nil }

// lines checks that a text has whole lines, and has not those that begin with "!".
func lines(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		line, not := strings.CutPrefix(w, "!")
		if strings.Contains("\n"+text, "\n"+line+"\n") == not {
			t.Errorf("line %q: there is %v, want %v", line, not, !not)
		}
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	m := New(Options{Version: "v1", Commit: "abc", ScrapeTime: bound})
	m.SetProxies(map[string]Caller{
		"proxy": mocked("a", 3),
		"rack.broken": caller(func(context.Context) (driver.Metrics, error) {
			return driver.Metrics{}, errors.New("the child is gone")
		}),
		"rack.slow": caller(func(ctx context.Context) (driver.Metrics, error) {
			<-ctx.Done()
			return driver.Metrics{}, ctx.Err()
		}),
	})
	_, get := serve(t, m, healthy)
	start := time.Now()
	status, text := get("/metrics")
	if took := time.Since(start); status != 200 || took < bound || took > 2*scrapeTime {
		t.Errorf("status %d after %v", status, took)
	}
	lines(t, text,
		`starproxy_proxy_up{export="proxy"} 1`, `starproxy_proxy_up{export="rack.broken"} 0`, `starproxy_proxy_up{export="rack.slow"} 0`,
		`starproxy_requests_total{export="proxy",outcome="mocked"} 3`, `starproxy_dials_total{export="proxy",result="failed"} 2`,
		`starproxy_tls_failures_total{export="proxy",peer="device",reason="alert_bad_certificate"} 1`,
		`starproxy_refused_requests_total{export="proxy"} 4`, `starproxy_proxy_mode{export="proxy",mode="mock"} 1`)
	if !strings.Contains(text, `starproxy_build_info{commit="abc",go_version="go1.`) || !strings.Contains(text, "\ngo_goroutines ") {
		t.Errorf("no build or no Go in\n%s", text)
	}
	if strings.Contains(text, "controller") {
		t.Error("an exporter without a controller tells of one")
	}
}

// TestCountersGoOn checks that counters never go back: not when a proxy begins
// anew, not while it does not answer, not when it is gone.
func TestCountersGoOn(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	_, get := serve(t, m, healthy)
	var n atomic.Uint64
	failing := errors.New("no")
	first := caller(func(ctx context.Context) (driver.Metrics, error) { return mocked("a", n.Load())(ctx) })
	line := func(n int) string {
		return fmt.Sprintf(`starproxy_requests_total{export="proxy",outcome="mocked"} %d`, n)
	}
	for _, step := range []struct {
		name string
		to   caller // nil for none
		want []string
	}{
		{"counts", first, []string{line(5), `starproxy_dials_total{export="proxy",result="failed"} 2`}},
		{"is replaced by another", mocked("b", 1), []string{line(8), `starproxy_dials_total{export="proxy",result="failed"} 4`, `starproxy_refused_requests_total{export="proxy"} 8`}},
		{"fails", func(context.Context) (driver.Metrics, error) { return driver.Metrics{}, failing }, []string{line(8), `starproxy_proxy_up{export="proxy"} 0`}},
		{"comes back", mocked("b", 2), []string{line(9), `starproxy_proxy_up{export="proxy"} 1`}},
		{"is gone", nil, []string{line(9), `!starproxy_proxy_up{export="proxy"} 0`, `!starproxy_proxy_up{export="proxy"} 1`}},
	} {
		var proxies map[string]Caller
		if step.to != nil {
			proxies = map[string]Caller{"proxy": step.to}
		}
		n.Store(7) // the last word of the first proxy, when it is replaced
		m.SetProxies(proxies)
		n.Store(5)
		_, text := get("/metrics")
		t.Log(step.name)
		lines(t, text, step.want...)
	}
}

func TestController(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	_, get := serve(t, m, healthy)
	var none *Controller
	none.SetConnected(true)
	none.SetStatus(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE, "")
	none.LeaseBegan()
	none.LeaseEnded()
	c := m.Controller()
	c.SetConnected(true)
	c.SetConnected(true)
	c.SetConnected(false)
	c.SetConnected(true)
	c.LeaseBegan()
	m.Controller().SetStatus(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY, "")
	_, text := get("/metrics")
	lines(t, text, "starproxy_controller_connected 1", "starproxy_controller_reconnects_total 1", "starproxy_leases_total 1", "starproxy_lease_active 1",
		`starproxy_exporter_status{status="lease_ready"} 1`, `starproxy_exporter_status{status="available"} 0`)
	c.LeaseEnded()
	c.SetConnected(false)
	_, text = get("/metrics")
	lines(t, text, "starproxy_controller_connected 0", "starproxy_controller_reconnects_total 1", "starproxy_leases_total 1", "starproxy_lease_active 0")
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var fault atomic.Pointer[error]
	s, get := serve(t, New(Options{}), func(context.Context) error {
		if err := fault.Load(); err != nil {
			return *err
		}
		return nil
	})
	want := func(path string, status int, text string) {
		t.Helper()
		if gotStatus, got := get(path); gotStatus != status || !strings.Contains(got, text) {
			t.Errorf("%s: got %d %q, want %d %q", path, gotStatus, got, status, text)
		}
	}
	want("/healthz", 200, "ok")
	want("/readyz", 503, "starting")
	s.SetReady(true)
	want("/readyz", 200, "ok")
	err := errors.New("the session does not answer")
	fault.Store(&err)
	want("/healthz", 503, "the session does not answer")
	want("/readyz", 503, "the session does not answer")
	want("/", 404, "")
}
