package scenario

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/network"
	"starproxy/script"
)

// Networks are the same in each form of a document, and the schema accepts them.
func TestNetworksOfDocuments(t *testing.T) {
	t.Parallel()
	host, schema := script.New(script.Options{}), compileSchema(t)
	defer host.Close()
	for name, doc := range map[string]string{
		"wrapped.yaml": "network:\n- 4g\n- {$comment: the lab, host: '*.A.test', profile: edge, latency: 100}\nendpoints:\n  GET /a: {body: 1}\n",
		"bare.yaml":    "GET /a: {body: 1}\nnetwork: [4g, {host: '*.a.test', profile: edge, latency: 100ms, x-why: late}]\n",
		"a.json":       `{"network": ["4g", {"host": "*.a.test", "profile": "edge", "latency": "0.1s"}], "mocks": {"GET /a": {"body": 1}}}`,
		"a.star":       "network = [\"4g\", {\"host\": \"*.a.test\", \"profile\": \"edge\", \"latency\": 100}]\nendpoints = {\"GET /a\": {\"body\": 1}}\n",
	} {
		s, err := Parse(name, []byte(doc), Env{FilesDir: t.TempDir(), Script: host})
		if err != nil || len(s.Endpoints) != 1 {
			t.Errorf("%s: got %+v and %v, want GET /a", name, s, err)
			continue
		}
		var got []string
		for _, n := range s.Adversity.Network {
			got = append(got, n.Key.String()+": "+n.Profile.Title())
		}
		want := []string{"all connections: 4g", "host *.a.test: down 473.6kbit, up 473.6kbit, latency 100ms, jitter 100ms"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want, got:\n%s", name, diff)
		}
		if name != "a.star" {
			if err := schema.Validate(asJSON(t, name, []byte(doc))); err != nil {
				t.Errorf("%s: the schema refuses it: %v", name, err)
			}
		}
	}
	for doc, want := range map[string]string{
		"network: edg\nendpoints: {}":                               `m.yaml:1:10: network: got "edg"; did you mean "edge"?`,
		"network: [{profile: edge, donw: 1Mbit}]\nendpoints: {}":    `m.yaml:1:27: unknown key "donw" in network[0]; did you mean "down"?`,
		"network: {down: fast}\nendpoints: {}":                      `m.yaml:1:17: network.down: got "fast", want a rate such as 240kbit`,
		"# star\nnetwork = {\"down\": \"1Mbit\", \"loss\": 101}":    `m.star:2:37: network.loss: got "101", want a percentage from 0 to 100`,
		"network: {down: 1Mbit, client: 10.0.0.1/8}\nendpoints: {}": `m.yaml:1:32: network: client: got 10.0.0.1/8, want 10.0.0.0/8 for the range`,
	} {
		file := "m.yaml"
		if strings.HasPrefix(doc, "# star") {
			file = "m.star"
		}
		if _, err := Parse(file, []byte(doc), Env{FilesDir: t.TempDir(), Script: host}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", doc, err, want)
		}
	}
	var s struct {
		Defs struct {
			Name struct{ Enum []string } `json:"networkName"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(network.PresetNames(), s.Defs.Name.Enum); diff != "" {
		t.Errorf("names in the schema: want, got:\n%s", diff)
	}
}
