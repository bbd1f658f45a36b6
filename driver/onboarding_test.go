package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOnboarding checks that the steps of a device are told as it does them: it reaches the
// proxy, refuses the CA, trusts it, and is answered by a mock.
func TestOnboarding(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want("Mock set: GET /mocked → 200", "set_mock", "GET", "/mocked", 200, `{}`)
	var guide struct {
		Addresses []struct{ Address, URL, QR string }
		Guides    []struct{ Name string }
	}
	if b.decoded(&guide, "get_onboarding"); len(guide.Addresses) != 0 || len(guide.Guides) < 8 {
		t.Errorf("of a proxy that is stopped: %+v", guide)
	}
	proxy := b.start()
	b.decoded(&guide, "get_onboarding")
	if len(guide.Addresses) != 1 || guide.Addresses[0].Address != proxy.Host || !strings.HasPrefix(guide.Addresses[0].QR, "data:image/svg+xml;base64,") {
		t.Fatalf("got %+v", guide.Addresses)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seq, err := b.d.Values(ctx, "watch_onboarding", nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan []onboarded, 100)
	go func() {
		defer close(told)
		for item, err := range seq {
			if err != nil {
				return
			}
			told <- item.([]onboarded)
		}
	}()
	await := func(what string, is func(onboarded) bool) onboarded {
		t.Helper()
		for list := range told {
			if len(list) > 0 && is(list[0]) {
				return list[0]
			}
		}
		t.Fatalf("nothing tells that the device %s", what)
		return onboarded{}
	}

	// The link of the QR code opens without using the proxy, also with unmatched: reject.
	res, err := http.Get(guide.Addresses[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 || !strings.Contains(string(page), "http_proxy=http://"+proxy.Host) {
		t.Errorf("the page at the address of the proxy: got %s %.200s", res.Status, page)
	}
	d := await("reached the proxy", func(d onboarded) bool { return d.Reached != nil })
	if d.Client != "127.0.0.1" || d.Reached.Seq != 1 || d.Trusts != nil || d.Mocked != nil {
		t.Errorf("got %+v", d)
	}
	pem := b.call("get_ca_cert")
	get := func(url string, roots *x509.CertPool) error {
		tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get(url)
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return err
	}
	if get("https://car.test/mocked", x509.NewCertPool()) == nil {
		t.Error("a client without the CA trusts it")
	}
	await("does not trust the CA", func(d onboarded) bool { return d.Problem != "" && d.Trusts == nil })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(pem))
	if err := get("https://car.test/mocked", roots); err != nil {
		t.Error(err)
	}
	d = await("is set up", func(d onboarded) bool { return d.Trusts != nil && d.Mocked != nil })
	if d.Problem != "" || d.Trusts.About != "car.test" || d.Mocked.About != "GET /mocked" || d.Mocked.Seq == 0 {
		t.Errorf("got %+v, %+v, %+v", d, d.Trusts, d.Mocked)
	}
}

// TestOnboardingDirect checks which requests to the proxy itself get the page for devices.
func TestOnboardingDirect(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.want("Mock set: GET / → 200", "set_mock", "GET", "/", 200, `{"mock": true}`)
	proxy := b.start()
	for path, want := range map[string]string{
		"/mitm.it": "200 <!doctype html>", "/mitm.it/": "200 <!doctype html>", "/mitm.it/cert/pem": "200 -----BEGIN CERTIFICATE-----",
		"/mitm.it/nope": "404 not found", "/": `200 {"mock":`, "/mitm.items": "501 ",
	} {
		res, err := http.Get(proxy.String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := res.Status[:3] + " " + string(body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %.80q, want %q", path, got, want)
		}
	}
	// A server elsewhere may have such a path.
	real := server(t)
	b2 := newBench(t, nil)
	if got := b2.get(b2.start(), real.URL+"/mitm.it"); !strings.HasPrefix(got, "200 real /mitm.it") {
		t.Errorf("a real server with the path: got %.80s", got)
	}
}
