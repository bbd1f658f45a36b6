package driver

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// networks returns the profiles in force, and checks that status has the same.
func (b *bench) networks() (list []string) {
	b.Helper()
	var rows []struct{ Host, Client, Title, From string }
	said := b.call("show_network")
	if err := json.Unmarshal([]byte(said), &rows); err != nil {
		b.Fatal(err)
	}
	told, err := json.Marshal(b.status()["network"])
	if err != nil {
		b.Fatal(err)
	}
	var one, other any
	json.Unmarshal([]byte(said), &one)
	json.Unmarshal(told, &other)
	if diff := cmp.Diff(one, other); diff != "" {
		b.Errorf("show_network, status:\n%s", diff)
	}
	for _, r := range rows {
		list = append(list, strings.Join(slices.DeleteFunc([]string{r.Host, r.Client, r.Title, r.From}, func(s string) bool { return s == "" }), " "))
	}
	return list
}

// Methods set networks above those of the scenario, until a reset.
func TestNetworks(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	want := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, b.networks()); diff != "" {
			t.Errorf("%s: want, got:\n%s", step, diff)
		}
	}
	want("at first")
	b.want("Network set for all connections: edge (down 473.6kbit, up 473.6kbit, latency 240ms, jitter 160ms)", "set_network", "edge")
	b.want("Network set for host *.test, client 10.0.0.0/8: latency 1000ms", "set_network", `{"latency": "1s"}`, "*.TEST", "10.0.0.0/8")
	want("set", "*.test 10.0.0.0/8 latency 1000ms method", "edge method")
	b.call("load_mock_scenario_content", "s.yaml", "network: [lte, {host: a.test, profile: gsm}]\nGET /: {body: 1}\n")
	want("loaded", "*.test 10.0.0.0/8 latency 1000ms method", "a.test gsm scenario", "edge method")
	b.want("Network profiles removed: 2", "clear_network", "*")
	want("cleared for all", "*.test 10.0.0.0/8 latency 1000ms method", "a.test gsm scenario")
	b.want("Network profiles removed: 2", "clear_network")
	want("cleared")
	b.call("reset_mocks")
	want("reset", "a.test gsm scenario", "lte scenario")
	b.call("clear_mocks")
	want("unloaded")
	b.want(`INVALID_ARGUMENT set_network: profile: got "edg"; did you mean "edge"?`, "set_network", "edg")
	b.want(`INVALID_ARGUMENT set_network: client: got "a", want an address such as 10.0.0.7 or a range such as 10.0.0.0/24`, "set_network", "edge", "", "a")
	b.want(`INVALID_ARGUMENT set_network: profile.json:1:10: profile.down: got "1bit", want at least 1kbit; the profile offline lets nothing pass`, "set_network", `{"down": "1bit"}`)
	if got := b.call("list_network_profiles"); !strings.Contains(got, `{"profile":"gsm","down":"14.4kbit","up":"14.4kbit","latency":"350ms","jitter":"200ms"}`) {
		t.Errorf("list_network_profiles: got %s", got)
	}
}

// A device's requests meet the network, also on a connection that is open, and outages
// follow the clock that tests turn.
func TestNetworkOfRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("set_mock", "GET", "/a", 200.0, "{}")
	proxy := b.start()
	ask := func() {
		t.Helper()
		if got := b.get(proxy, "http://nowhere.invalid/a"); !strings.HasPrefix(got, "200") {
			t.Errorf("got %s, want 200", got)
		}
	}
	b.call("set_network", `{"latency": 5, "outage": {"every": "1h", "for": "30m"}}`)
	ask()
	b.call("advance_clock", 45*60.0)
	if got := b.fate(proxy, "/stall"); got != "nothing" {
		t.Errorf("in the outage: got %s, want nothing", got)
	}
	b.call("advance_clock", 30*60.0)
	ask()
	// A fault comes behind the bytes that travel.
	b.call("set_mock_fault", "GET", "/r", `{"kind": "reset", "after": 4}`, `{"body": "12345678"}`)
	b.call("set_network", `{"latency": 100}`)
	if got := b.fate(proxy, "/r"); got != "200 1234, then reset" {
		t.Errorf("a reset: got %q, want it behind 4 bytes", got)
	}
	b.call("clear_network")
	ask()
	met := b.met()
	if got := met[0]; !strings.Contains(got, "network latency 5ms, outage every 1h0m0s for 30m0s") {
		t.Errorf("met: got %s", got)
	}
	if slices.ContainsFunc(met[len(met)-1:], func(s string) bool { return strings.Contains(s, "network") }) {
		t.Errorf("met after the clear: got %s", met)
	}
}
