package driver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"starproxy/driver/handshake"
	"starproxy/driver/hello"
)

// checked returns the findings about the only device, each as "kind: text".
func (b *bench) checked(began time.Time) string {
	b.Helper()
	r := b.d.checks.since(began, chosen{}, nil)
	if len(r.Devices) != 1 || r.Devices[0].Client != "127.0.0.1" {
		b.Fatalf("devices: got %+v, want 127.0.0.1", r.Devices)
	}
	var list []string
	for _, f := range r.Devices[0].Findings {
		list = append(list, string(f.Kind)+": "+f.Text)
	}
	return strings.Join(list, "\n")
}

// The doctor tells of devices that trust the CA, do not, pin a host, and have a wrong clock.
func TestDoctor(t *testing.T) {
	t.Parallel()
	roots := func(b *bench) *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(b.call("get_ca_cert")))
		return pool
	}
	ask := func(proxy *url.URL, cfg *tls.Config, host string) {
		c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: cfg, DisableKeepAlives: true}, Timeout: 10 * time.Second}
		if res, err := c.Get("https://" + host + "/"); err == nil {
			res.Body.Close()
		}
	}
	for name, tt := range map[string]struct {
		device     func(b *bench, proxy *url.URL)
		handshakes int
		want       string
	}{
		"trusts": {func(b *bench, proxy *url.URL) { ask(proxy, &tls.Config{RootCAs: roots(b)}, "a.test") }, 1,
			"reaches: reaches the proxy by regular: 1 request, 1 TLS handshake\ntrusts: trusts the CA: handshakes with 1 host came to requests"},
		"distrusts": {func(b *bench, proxy *url.URL) { ask(proxy, &tls.Config{RootCAs: x509.NewCertPool()}, "a.test") }, 1,
			"reaches: reaches the proxy by regular: 0 requests, 1 TLS handshake\ndistrusts: does not accept our certificate for a.test: "},
		"clock ahead": {func(b *bench, proxy *url.URL) {
			// As OpenSSL does. Go's own client says bad_certificate.
			b.d.life.handshakes.Settle(&handshake.Handshake{Start: time.Now(), Client: netip.MustParseAddrPort("127.0.0.1:9"), Host: "a.test", Port: 443, Shown: true},
				handshake.Verdict{Ending: handshake.Rejected, Alert: hello.CertificateExpired, Alerted: true, Reason: hello.CertificateExpired.Meaning()})
		}, 1, "reaches: reaches the proxy by regular: 0 requests, 1 TLS handshake\nwrong_time: calls the certificate of a.test expired, which is valid by our clock: its own clock is wrong"},
		"pins": {func(b *bench, proxy *url.URL) {
			ask(proxy, &tls.Config{RootCAs: roots(b)}, "a.test")
			ask(proxy, &tls.Config{RootCAs: x509.NewCertPool()}, "b.test")
		}, 2, "pins: refuses our certificates for b.test, and accepts them for others"},
		"dated": {func(b *bench, proxy *url.URL) {
			b.do(proxy, "GET", "http://a.test/", http.Header{"Date": {"Thu, 01 Jan 1970 00:00:10 GMT"}})
		}, 0, "wrong_time: its clock is "},
		"a fault of a test": {func(b *bench, proxy *url.URL) {
			b.call("set_tls_fault", "a.test", "expired")
			ask(proxy, &tls.Config{RootCAs: roots(b)}, "a.test")
		}, 1, "reaches: reaches the proxy by regular: 0 requests, 0 TLS handshakes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			proxy := b.start()
			b.call("set_mock", "GET", "/", 200, `"ok"`)
			began := time.Now()
			tt.device(b, proxy)
			b.awaitHandshakes(tt.handshakes)
			if got := b.checked(began); !strings.Contains(got, tt.want) {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A device that sends nothing is told of when it is asked for.
func TestDoctorOfASilentDevice(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.start()
	var r checkup
	if err := json.Unmarshal([]byte(b.call("doctor", "192.0.2.7", 0.01)), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Devices) != 1 || r.Devices[0].Client != "192.0.2.7" || r.Devices[0].Findings[0].Kind != "around" {
		t.Errorf("got %+v, want that 192.0.2.7 goes around us", r)
	}
	for _, args := range [][]any{{"nobody", 1}, {"", 0}, {"", -1}, {"", 1e9}} {
		if got := b.call("doctor", args...); !strings.Contains(got, "INVALID_ARGUMENT doctor: ") {
			t.Errorf("doctor%v: got %s", args, got)
		}
	}
}

// awaitHandshakes waits until n handshakes have ended.
func (b *bench) awaitHandshakes(n int) {
	b.Helper()
	if n == 0 {
		return
	}
	for range b.d.life.handshakes.Follow(b.Context(), 0) {
		if n--; n == 0 {
			return
		}
	}
}
