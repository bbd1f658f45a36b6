package driver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A test turns the clock past the waits of a scenario: what would happen after hours
// happens at once.
func TestClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.write("mock-responses/s.star", `
def wait(req):
    later(lambda: state.set("rang", now_epoch()), 600)
    return response(body = str(now_epoch()))

endpoints = {
    "GET /now": {"body_template": {"now": "{{now_epoch}}", "iso": "{{now_iso}}", "sprig": "{{sprig.date(\"2006-01-02\", time.now())}}"}},
    "GET /token": lambda req: response(body = "expired" if time.now() > time.parse_time("2030-01-02T00:00:00Z") else "valid"),
    "GET /wait": wait,
    "GET /steps": {"sequence": [{"body": "one"}, {"body": "two", "delay_ms": 600000}, {"body": "three", "delay_ms": 1200000}]},
}
`)
	if got := b.call("load_mock_scenario", "s.star"); !strings.HasPrefix(got, "Loaded 4") {
		t.Fatal(got)
	}
	b.want("Clock set: 2030-01-01T00:00:00Z (frozen)", "set_clock", "2030-01-01T00:00:00Z", true)
	const now = `{"now":1893456000,"iso":"2030-01-01T00:00:00.000000+00:00","sprig":"2030-01-01"}`
	for path, want := range map[string]string{"/now": now, "/token": "valid", "/wait": "1893456000", "/steps": "one"} {
		if got := strings.TrimPrefix(b.get(proxy, "http://car.test"+path), "200 "); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if date := b.dateOf(proxy); date != "Tue, 01 Jan 2030 00:00:00 GMT" {
		t.Errorf("Date of a mock: got %s", date)
	}
	b.want("null", "get_state", "rang")
	b.want("Clock advanced: 2030-01-02T00:00:01Z (frozen)", "advance_clock", 24*3600+1)
	for path, want := range map[string]string{"/token": "200 expired", "/steps": "200 three"} {
		if got := b.get(proxy, "http://car.test"+path); got != want {
			t.Errorf("%s a day later: got %s, want %s", path, got, want)
		}
	}
	for b.call("get_state", "rang") == "null" { // the function runs on its own
		time.Sleep(time.Millisecond)
	}
	var r clockReport
	json.Unmarshal([]byte(b.call("get_clock")), &r)
	if want := (clockReport{Now: "2030-01-02T00:00:01Z", Turned: true, Frozen: true, Offset: r.Offset}); !cmp.Equal(r, want) || r.Offset == 0 {
		t.Error(cmp.Diff(want, r))
	}
	if s := b.status()["clock"]; s == nil || s.(map[string]any)["now"] != r.Now {
		t.Errorf("status: got %v", s)
	}
	if events := b.events("~met '^clock frozen at 2030-01-02T00:00:01Z$'"); len(events) != 2 {
		t.Errorf("exchanges that met the clock: got %d, want 2", len(events))
	}
	b.call("reset_mocks")
	if s := b.status()["clock"]; s != nil {
		t.Errorf("status after reset_mocks: got %v", s)
	}
	if date, err := http.ParseTime(b.dateOf(proxy)); err != nil || time.Since(date).Abs() > time.Minute {
		t.Errorf("Date after reset_mocks: got %s", date)
	}
}

// dateOf returns the Date of a mock's answer.
func (b *bench) dateOf(proxy *url.URL) string {
	b.Helper()
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	res, err := c.Get("http://car.test/token")
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	return res.Header.Get("Date")
}

// A device meets certificates of the time that the clock shows, over HTTP/2 dated by it.
func TestClockOfCertificates(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.call("set_mock", "GET", "/", 200, `"ok"`)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(b.call("get_ca_cert")))
	sessions := tls.NewLRUClientSessionCache(4)
	ask := func() (leaf *x509.Certificate, date string, err error) {
		c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, ClientSessionCache: sessions}}}
		res, err := c.Get("https://car.test/")
		if err != nil {
			return nil, "", err
		}
		res.Body.Close()
		return res.TLS.PeerCertificates[0], res.Header.Get("Date"), nil
	}
	if _, _, err := ask(); err != nil {
		t.Fatal(err)
	}
	// The certificate is valid for 197 days from the clock's time: it expires tomorrow.
	b.call("set_clock", "-196d")
	leaf, date, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(leaf.NotAfter); left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("the certificate is valid until %s, want tomorrow", leaf.NotAfter)
	}
	if at, err := http.ParseTime(date); err != nil || time.Until(at.AddDate(0, 0, 196)).Abs() > time.Hour*2 {
		t.Errorf("Date: got %s, want 196 days ago", date)
	}
	for _, c := range []struct{ turn, want string }{{"-2d", "expired"}, {"+198d", ""}} { // each from the one before
		b.call("set_clock", c.turn)
		if _, _, err := ask(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("after %s: got %v, want %q", c.turn, err, c.want)
		}
	}
	b.call("set_clock", "+30d")
	if _, _, err := ask(); err == nil || !strings.Contains(err.Error(), "not yet valid") {
		t.Errorf("a month ahead: got %v, want a certificate that is not yet valid", err)
	}
	b.call("reset_clock")
	if _, _, err := ask(); err != nil {
		t.Error(err)
	}
}

// What can't be a time is refused with what was got and what is wanted.
func TestClockMistakes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, tt := range []struct {
		method string
		arg    any
		want   string
	}{
		{"set_clock", "tomorrow", `set_clock: argument time: got "tomorrow", want a time such as 2030-01-31T12:00:00Z, or a duration such as +36h or -2d`},
		{"set_clock", "+1y", `got "+1y"`},
		{"set_clock", "", `got ""`},
		{"set_clock", "+4000000d", "want at most 105850 days"},
		{"set_clock", "-40000d", "want a time from 1970 to 9999"},
		{"advance_clock", -1, "argument seconds: got -1, want 0 to"},
		{"advance_clock", 1e300, "argument seconds: got 1e+300"},
	} {
		if got := b.call(tt.method, tt.arg); !strings.Contains(got, tt.want) || !strings.Contains(got, "INVALID_ARGUMENT") {
			t.Errorf("%s %v: got %s, want %s", tt.method, tt.arg, got, tt.want)
		}
	}
	if b.status()["clock"] != nil {
		t.Error("a refused call has turned the clock")
	}
}
