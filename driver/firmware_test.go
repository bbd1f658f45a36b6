package driver

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"starproxy/driver/compare"
	"starproxy/driver/flow"
)

// firmware is what a device does over real connections.
type firmware struct {
	agent   string
	body    string // the format of a report: a number, a UUID
	header  string
	version uint16 // the newest of TLS that it offers
	extra   string // a URL that is asked for, too
	updates string // the path of updates
}

// session boots a device with the firmware, and returns its traffic from the captures.
func (b *bench) session(proxy *url.URL, f firmware) *compare.Session {
	b.Helper()
	b.call("clear_captured_requests")
	d := b.device(proxy, false)
	d.transport().TLSClientConfig.MaxVersion = f.version
	send := func(method, target, body string) {
		r, err := http.NewRequestWithContext(b.Context(), method, target, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("User-Agent", f.agent)
		r.Header.Set("X-Request-Id", uuid.NewString())
		if f.header != "" {
			r.Header.Set("X-Debug", f.header)
		}
		res, err := d.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
	}
	const api = "https://api.example.test"
	send("GET", api+f.updates+uuid.NewString(), "")
	for range 3 {
		send("POST", api+"/report", fmt.Sprintf(f.body, rand.IntN(100), uuid.NewString()))
	}
	send("GET", "https://time.example.test/now?t="+fmt.Sprint(1_795_000_000+rand.IntN(1000)), "")
	if f.extra != "" {
		send("GET", f.extra, "")
	}
	file, err := flow.Open(b.write("session.bin", b.collect("export_captures", "flow")))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	s, err := compare.Read("session", file.Flows())
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// TestFirmwareCompared compares what devices do over real connections.
func TestFirmwareCompared(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	usual := firmware{agent: "tcu/1", body: `{"level": %d, "id": "%s"}`, version: tls.VersionTLS13, updates: "/updates/"}
	old := b.session(proxy, usual)
	for _, test := range []struct {
		name   string
		change func(*firmware)
		want   string
	}{
		{"the same", func(*firmware) {}, ""},
		{"the same again", func(*firmware) {}, ""},
		{"user agent", func(f *firmware) { f.agent = "tcu/2" }, `user-agent User-Agent is "tcu/2", was "tcu/1"`},
		{"header", func(f *firmware) { f.header = "on" }, `header X-Debug is new: "on"`},
		{"schema", func(f *firmware) { f.body = `{"level": "%d", "id": "%s"}` }, "schema level is string, was number"},
		{"host", func(f *firmware) { f.extra = "https://ads.example.net/beacon" }, "added-host  is new: GET ads.example.net/beacon"},
		{"endpoint", func(f *firmware) { f.extra = "https://api.example.test/beacon" }, "added-endpoint  is new: 1 request"},
		{"TLS", func(f *firmware) { f.version = tls.VersionTLS12 }, "tls JA4 is t12"},
	} {
		changed := usual
		test.change(&changed)
		r := compare.Compare(old, b.session(proxy, changed), nil)
		var got []string
		for _, f := range r.Findings {
			switch f.Kind {
			case compare.Interval, compare.Retry, compare.Timing:
				continue // this machine may be slow
			}
			got = append(got, string(f.Kind)+" "+f.Field+" "+f.Text)
		}
		if test.want == "" && got != nil || test.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], test.want)) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestFingerprintsRecorded finds the fingerprint of a device in the captures and in a
// recording.
func TestFingerprintsRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SSLInsecure = true })
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, recording, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	d := b.device(&url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}, false)
	res, err := d.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	b.call("stop")
	var prints []flow.Fingerprint
	for _, path := range []string{b.write("captures.bin", b.collect("export_captures", "flow")), recording} {
		file, err := flow.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for f, err := range file.Flows() {
			if err != nil {
				t.Fatal(err)
			}
			prints = append(prints, f.Fingerprint())
		}
	}
	if len(prints) != 2 || !strings.HasPrefix(prints[0].JA4, "t13") || len(prints[0].JA3) != 32 || cmp.Diff(prints[0], prints[1]) != "" {
		t.Errorf("got %+v, want the same fingerprint twice", prints)
	}
}
