package compare

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/flow"
)

// said returns findings as lines: kind, place, field.
func said(r *Report) []string {
	lines := []string{}
	for _, f := range r.Findings {
		where := "everywhere"
		if !f.Everywhere {
			where = fmt.Sprint(f.Endpoints, f.Hosts)
		}
		line := string(f.Kind) + " " + where
		if f.Field != "" {
			line += " " + f.Field
		}
		lines = append(lines, line+": "+f.Text)
	}
	return lines
}

// TestSame compares sessions of one device, each with other ids, times, readings and
// pauses. Nothing differs.
func TestSame(t *testing.T) {
	t.Parallel()
	old := newDevice().record(1)
	for seed := range uint64(20) {
		r := Compare(read(t, "old", old), read(t, "new", newDevice().record(seed+2)), nil)
		if diff := cmp.Diff([]string{}, said(r)); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed+2, diff)
		}
	}
}

// TestSameElsewhere compares sessions in which the device does the same, but not the
// world around it, and sessions in other files. Nothing differs.
func TestSameElsewhere(t *testing.T) {
	t.Parallel()
	with := func(change func(*device)) []*flow.Flow {
		d := newDevice()
		change(d)
		return d.record(7)
	}
	for name, flows := range map[string][]*flow.Flow{
		"a longer session":   with(func(d *device) { d.length = 5 * time.Minute }),
		"a shorter session":  with(func(d *device) { d.length = time.Minute }),
		"no outage":          with(func(d *device) { d.outage = 0 }),
		"a short outage":     with(func(d *device) { d.outage = 1 }),
		"no fingerprints":    with(func(d *device) { d.ja3, d.ja4 = "", "" }),
		"a HAR document":     through(t, newDevice().record(7), func(w io.Writer, f iter.Seq2[*flow.Flow, error]) error { return flow.WriteHAR(w, f, "") }),
		"a flow file":        through(t, newDevice().record(7), flow.WriteFlows),
		"a golden file":      through(t, all(t, Golden(each(newDevice().record(7)))), flow.WriteFlows),
		"a golden HAR":       through(t, all(t, Golden(each(newDevice().record(7)))), func(w io.Writer, f iter.Seq2[*flow.Flow, error]) error { return flow.WriteHAR(w, f, "") }),
		"a slow server":      with(func(d *device) { d.latency = 2 * time.Second }),
		"another connection": with(func(d *device) { d.perRequest = true }),
	} {
		for seed := range uint64(2) {
			old, now := newDevice().record(seed+10), flows
			for range 2 {
				r := Compare(read(t, "old", old), read(t, "new", now), nil)
				if diff := cmp.Diff([]string{}, said(r)); diff != "" {
					t.Errorf("%s, seed %d (-want +got):\n%s", name, seed, diff)
				}
				old, now = now, old
			}
		}
	}
}

// each yields flows.
func each(flows []*flow.Flow) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		for _, f := range flows {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func all(t *testing.T, flows iter.Seq2[*flow.Flow, error]) (list []*flow.Flow) {
	t.Helper()
	for f, err := range flows {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// through writes flows to a file and reads them back.
func through(t *testing.T, flows []*flow.Flow, write func(io.Writer, iter.Seq2[*flow.Flow, error]) error) []*flow.Flow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := write(out, each(flows)); err != nil {
		t.Fatal(err)
	}
	in, err := flow.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return all(t, in.Flows())
}

// TestOneChange changes one thing of the device's behaviour at a time, and expects that
// one finding.
func TestOneChange(t *testing.T) {
	t.Parallel()
	api := `api\.example\.com/v2`
	telemetry := `\[POST ` + api + `/vehicles/\{serial\}/telemetry\] \[\]`
	cases := []struct {
		name   string
		change func(*device)
		want   string // a regular expression
	}{
		{"added host", func(d *device) { d.extraHost = "ads.example.net" },
			`added-host \[\] \[ads\.example\.net\]: is new: GET ads\.example\.net/beacon`},
		{"gone host", func(d *device) { d.noTime = true },
			`gone-host \[\] \[time\.example\.com\]: is gone: GET time\.example\.com/now`},
		{"added endpoint", func(d *device) { d.extraPath = "/v2/features" },
			`added-endpoint \[GET ` + api + `/features\] \[\]: is new: 1 request`},
		{"gone endpoint", func(d *device) { d.noLogs = true },
			`gone-endpoint \[PUT ` + api + `/vehicles/\{serial\}/logs/\{number\}\.txt\] \[\]: is gone: 1 request`},
		{"more calls", func(d *device) { d.updates = 3 },
			`count \[GET ` + api + `/updates/\{uuid\}\] \[\]: called 3 times, was 2`},
		{"fewer calls", func(d *device) { d.updates = 1 },
			`count \[GET ` + api + `/updates/\{uuid\}\] \[\]: called 1 time, was 2`},
		{"faster polls", func(d *device) { d.poll = 4 * time.Second },
			`interval ` + telemetry + `: polled every (4|3\.[89]\d?|4\.[01]\d?) s, was every (5|4\.[89]\d?|5\.[01]\d?) s`},
		{"slower polls", func(d *device) { d.poll = 10 * time.Second },
			`interval ` + telemetry + `: polled every (9\.\d+|10\.?\d*) s, was every (5|4\.[89]\d?|5\.[01]\d?) s`},
		{"fewer retries", func(d *device) { d.retries = 1 },
			`retry \[POST ` + api + `/events\] \[\]: gives up after 1 retry; was: up to 3 retries, and did not give up`},
		{"steady retries", func(d *device) { d.backoff = 1 },
			`retry \[POST ` + api + `/events\] \[\]: waits \S+ s, \S+ s, \S+ s before the retries, was \S+ s, (2|1\.\d+|2\.\d+) s, (4|[34]\.\d+) s`},
		{"order", func(d *device) { d.swapBoot = true },
			`order \[GET time\.example\.com/now\] \[\]: comes after POST ` + api + `/login, came before POST ` + api + `/login`},
		{"slow boot", func(d *device) { d.updatePause = 8 * time.Second },
			`timing \[GET ` + api + `/updates/\{uuid\}\] \[\]: comes [89]\.?\d* s after GET ` + api + `/config, came after 0\.\d+ s`},
		{"user agent", func(d *device) { d.agent = "acme-tcu/1.5.0 (linux; armv7)" },
			`user-agent everywhere User-Agent: is "acme-tcu/1\.5\.0 \(linux; armv7\)", was "acme-tcu/1\.4\.2 \(linux; armv7\)"`},
		{"value of a header", func(d *device) { d.accept = "*/*" },
			`header everywhere Accept: is "\*/\*", was "application/json"`},
		{"added header", func(d *device) { d.header = [2]string{"X-Debug", "1"} }, `header everywhere X-Debug: is new: "1"`},
		{"gone header", func(d *device) { d.dropHeader = "Accept" }, `header everywhere Accept: is gone, was "application/json"`},
		{"order of headers", func(d *device) { d.shuffleHeaders = true },
			`header-order everywhere: the order is x-request-id, accept; was accept, x-request-id`},
		{"authorization", func(d *device) { d.bearer = "Basic " },
			`header everywhere Authorization: is "Basic \{secret\}", was "Bearer \{secret\}"`},
		{"fingerprint", func(d *device) {
			d.ja4, d.ja3 = "t12d1109h1_c9eaec7dbab4_9b887d9acb53", "771c93a02bb801fbdbb13b73bcba0d6b"
		},
			`tls everywhere JA4: is t12d1109h1_c9eaec7dbab4_9b887d9acb53, was t13d1516h2_8daaf6152771_02713d6af862 ` +
				`\(version 1\.2, was 1\.3; cipher suites 11, was 15; extensions 9, was 16; ALPN h1, was h2\)`},
		{"order of suites", func(d *device) { d.ja3 = "771c93a02bb801fbdbb13b73bcba0d6b" },
			`tls everywhere JA3: is 771c93a02bb801fbdbb13b73bcba0d6b, was e7d705a3286e19ea42f587b344ee6865 \(.*\)`},
		{"HTTP/2", func(d *device) { d.proto = "HTTP/2.0" }, `protocol everywhere: the version is "HTTP/2\.0", was "HTTP/1\.1"`},
		{"plain HTTP", func(d *device) { d.scheme, d.ja3, d.ja4, d.tlsVersion = "http", "", "", "" },
			`scheme everywhere: the scheme is "http", was "https"`},
		{"parameter", func(d *device) { d.region = "us" }, `query \[GET ` + api + `/config\] \[\] region: is "us", was "eu"`},
		{"gone parameter", func(d *device) { d.region = "" }, `query \[GET ` + api + `/config\] \[\] region: is gone, was "eu"`},
		{"added field", func(d *device) { d.telemetry = func(m map[string]any) { m["odometer"] = 1 } },
			`schema ` + telemetry + ` odometer: is new: number`},
		{"gone field", func(d *device) { d.telemetry = func(m map[string]any) { delete(m, "uptime") } },
			`schema ` + telemetry + ` uptime: is gone, was number`},
		{"type of a field", func(d *device) { d.telemetry = func(m map[string]any) { m["uptime"] = "12" } },
			`schema ` + telemetry + ` uptime: is string, was number`},
		{"field in a list", func(d *device) { d.telemetry = withHeading }, `schema ` + telemetry + ` tracks\[\]\.heading: is new: number`},
		{"null", func(d *device) { d.telemetry = func(m map[string]any) { m["battery"] = nil } },
			`schema ` + telemetry + ` battery: is null, was object`},
		{"optional field", func(d *device) { d.telemetry = everySecond("uptime") },
			`schema ` + telemetry + ` uptime: is in \d+ of \d+, was in (\d+) of (\d+)`},
		{"form of bodies", func(d *device) { d.formLogin = true },
			`schema \[POST ` + api + `/login\] \[\]: the form of body is form, was JSON`},
		{"value of a field", func(d *device) { d.mode = "boost" }, `value ` + telemetry + ` mode: is "boost", was "eco"`},
		{"size", func(d *device) { d.logBytes = 9000 },
			`size \[PUT ` + api + `/vehicles/\{serial\}/logs/\{number\}\.txt\] \[\]: bodies have 9\d\d\d bytes on average, had 2\d\d\d bytes`},
		{"messages", func(d *device) { d.socketField = "compressed" },
			`schema \[WEBSOCKET ` + api + `/live\] \[\] message compressed: is new: bool`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDevice()
			c.change(d)
			for _, seeds := range [][2]uint64{{1, 2}, {5, 6}} {
				r := Compare(read(t, "old", newDevice().record(seeds[0])), read(t, "new", d.record(seeds[1])), nil)
				if got := said(r); len(got) != 1 || !regexp.MustCompile(`\A`+c.want+`\z`).MatchString(got[0]) {
					t.Errorf("seeds %d: got\n%s\nwant\n%s", seeds, strings.Join(got, "\n"), c.want)
				}
			}
		})
	}
}

// TestLike names the endpoint that a new one may stand for, and tells where a session ended
// too early.
func TestLike(t *testing.T) {
	t.Parallel()
	d := newDevice()
	d.configPath = "/v3/config"
	d.length = 20 * time.Second
	got := said(Compare(read(t, "old", newDevice().record(1)), read(t, "new", d.record(2)), nil))
	want := []string{
		"added-endpoint [GET api.example.com/v3/config] []: is new: 1 request; it is like GET api.example.com/v2/config, which only the other session has",
		"gone-endpoint [GET api.example.com/v2/config] []: is gone: 1 request; it is like GET api.example.com/v3/config, which only the other session has",
		"gone-endpoint [GET api.example.com/v2/status] []: is gone: 5 requests (the first after 37.3 s; the other session lasted 17.3 s)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// withHeading gives each track a field more.
func withHeading(m map[string]any) {
	for _, e := range m["tracks"].([]any) {
		e.(map[string]any)["heading"] = 1.5
	}
}

// everySecond takes a field from every second body.
func everySecond(name string) func(map[string]any) {
	n := 0
	return func(m map[string]any) {
		if n++; n%2 == 0 {
			delete(m, name)
		}
	}
}
