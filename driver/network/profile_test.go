package network

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"starproxy/driver/document"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"edge":                          "edge",
		`"edge"`:                        "edge",
		`{"profile": "edge"}`:           "edge",
		`{"down": "240kbit"}`:           "down 240kbit",
		`{"down": 240000, "up": "0"}`:   "down 240kbit",
		`{"up": "1.6 Mbit/s"}`:          "up 1.6Mbit",
		`{"up": "50Mbps"}`:              "up 50Mbit",
		`{"latency": 150, "jitter": 5}`: "latency 150ms, jitter 5ms",
		`{"latency": "1s", "loss": 1}`:  "latency 1000ms, loss 1%",
		`{"loss": "2.5%"}`:              "loss 2.5%",
		`{"profile": "edge", "latency": 100, "up": "unlimited"}`:  "down 473.6kbit, latency 100ms, jitter 100ms",
		`{"outage": {"every": "60s", "for": "10s"}, "up": "1mb"}`: "up 1Mbit, outage every 1m0s for 10s",
		`{"offline": true}`: "offline",
	} {
		p, err := Parse(text)
		if err != nil || p.Title() != want {
			t.Errorf("%s: got %q, %v, want %q", text, p.Title(), err, want)
		}
	}
	for text, want := range map[string]string{
		"edg":                              `profile: got "edg"; did you mean "edge"?`,
		"":                                 `profile: got ""; want one of slow-3g, fast-3g, 4g, gsm,`,
		`{}`:                               `profile: got no value, want some of profile, down,`,
		`{"down": "fast"}`:                 `profile.down: got "fast", want a rate such as 240kbit`,
		`{"down": "10bit"}`:                `profile.down: got "10bit", want at least 1kbit`,
		`{"donw": "1Mbit"}`:                `unknown key "donw" in profile; did you mean "down"?`,
		`{"latency": "5"`:                  `not a JSON document`,
		`{"latency": "2m"}`:                `profile.latency: got "2m", want a time such as 150ms`,
		`{"latency": 10, "jitter": 20}`:    `profile.jitter: got 20ms, want at most the latency, which is 10ms`,
		`{"loss": 101}`:                    `profile.loss: got "101", want a percentage from 0 to 100`,
		`{"loss": "NaN"}`:                  `profile.loss: got "NaN", want a percentage`,
		`{"outage": {"every": "60"}}`:      `profile.outage.every: got "60", want a time with its unit such as 60s`,
		`{"outage": {"every": "60s"}}`:     `profile.outage: got every 1m0s for 0s, want both`,
		`{"profile": "3g", "up": "1Mbit"}`: `profile.profile: got "3g"`,
		`[1]`:                              `profile: got a list, want the name of a network profile or a map`,
		`{"down": "NaN"}`:                  `profile.down: got "NaN"`,
		`{"offline": "yes"}`:               `profile.offline: got the text "yes", want true or false`,
		`{"down": "1000000Gbit"}`:          `at most 100Gbit`,
	} {
		if p, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v, want an error with %s", text, p, err, want)
		}
	}
}

// Each preset is read back from its JSON as the same one.
func TestPresets(t *testing.T) {
	t.Parallel()
	for _, p := range Presets() {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(string(b)); err != nil || again != p {
			t.Errorf("%s: got %+v, %v, want %+v", b, again, err, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"profile": "edge", "latency": "5ms", "outage": {"every": "1m", "for": "2s"}}`)
	f.Add(`{"down": 1e9, "loss": "3%"}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(string(b)); err != nil || again.Values() != p.Values() {
			t.Errorf("%q is %s, which is read as %+v, %v", text, b, again, err)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"edge":                                   "all connections: edge",
		"{down: 1Mbit, host: a.test}":            "host a.test: down 1Mbit",
		"[{profile: edge, client: 10.0.0.0/8}]":  "client 10.0.0.0/8: edge",
		"[4g, {host: '*.A.test', profile: gsm}]": "all connections: 4g; host *.a.test: gsm",
		"null":                                   "",
	} {
		n, err := document.Read("a.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		list, err := Settings(n, "network")
		var got []string
		for _, s := range list {
			got = append(got, s.Key.String()+": "+s.Profile.Title())
		}
		if err != nil || strings.Join(got, "; ") != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"[edge, gsm]":                         `network[1]: got all connections again, want each once (line 1)`,
		"[{profile: edge, host: 'a b'}]":      `network[0]: host: got "a b"`,
		"{profile: edge, client: 10.0.0.1/8}": `network: client: got 10.0.0.1/8, want 10.0.0.0/8`,
		"{host: a.test}":                      `network: got no value, want some of profile`,
		"{host: a.test, dwn: 1Mbit}":          `unknown key "dwn" in network; did you mean "down"?`,
		"5":                                   `network: got the number 5, want the name of a network profile`,
	} {
		n, err := document.Read("a.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if list, err := Settings(n, "network"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v, want an error with %s", text, list, err, want)
		}
	}
}

func TestClosestCounts(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	key := func(host, client string) Key {
		k, _, err := ParseKey(host, client)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	at := func(client, host string) string {
		r := table.now.Load().find(netip.MustParseAddr(client), host)
		if r == nil {
			return ""
		}
		return r.Profile.Title()
	}
	var settings []Setting
	for i, k := range []Key{
		key("*", ""), key("*.test", ""), key("a.test", ""), key("", "10.0.0.0/8"), key("", "10.0.0.7"),
		key("*.test", "10.0.0.0/8"),
	} {
		settings = append(settings, Setting{Key: k, Profile: Profile{Latency: time.Duration(i+1) * time.Millisecond}})
	}
	table.Load(settings)
	for _, tt := range []struct{ client, host, want string }{
		{"192.0.2.1", "", "latency 1ms"},
		{"192.0.2.1", "b.test", "latency 2ms"},
		{"192.0.2.1", "a.test", "latency 3ms"},
		{"10.0.0.1", "", "latency 4ms"},
		{"10.0.0.7", "example.com", "latency 5ms"},
		{"10.0.0.7", "a.test", "latency 6ms"},
	} {
		if got := at(tt.client, tt.host); got != tt.want {
			t.Errorf("client %s, host %q: got %q, want %q", tt.client, tt.host, got, tt.want)
		}
	}
	table.Set(key("*", ""), Profile{Offline: true})
	if got := at("192.0.2.1", ""); got != "offline" {
		t.Errorf("set by a method: got %q, want offline", got)
	}
	if n := table.Clear(ptr(key("a.test", ""))); n != 1 || at("192.0.2.1", "a.test") != "latency 2ms" {
		t.Errorf("cleared %d of the scenario, now %q, want 1 and that of *.test", n, at("192.0.2.1", "a.test"))
	}
	if n := len(table.List()); n != 5 {
		t.Errorf("list: got %d settings, want 5", n)
	}
	table.Reset()
	if at("192.0.2.1", "") != "latency 1ms" || at("192.0.2.1", "a.test") != "latency 3ms" {
		t.Error("reset does not return to the settings of the scenario")
	}
	if table.Clear(nil); table.Active() {
		t.Error("all cleared, but the table is active")
	}
}

func ptr[T any](v T) *T { return &v }
