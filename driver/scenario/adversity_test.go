package scenario

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/tlsfault"
	"starproxy/script"
)

// The faults of TLS are the same in each form of a document.
func TestTLSFaultsOfDocuments(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	for name, doc := range map[string]string{
		"wrapped.yaml": "tls:\n  $comment: all of them\n  \"*.a.test\": {kind: slow, bytes: 7, x-why: small}\n  B.test: expired\nendpoints:\n  GET /a: {body: 1}\n",
		"bare.yaml":    "GET /a: {body: 1}\ntls: {\"*.a.test\": {kind: slow, bytes: 7}, b.test: expired}\n",
		"a.json":       `{"tls": {"*.a.test": {"kind": "slow", "bytes": 7}, "b.test": "expired"}, "mocks": {"GET /a": {"body": 1}}}`,
		"a.star":       "tls = {\"*.a.test\": {\"kind\": \"slow\", \"bytes\": 7}, \"b.test\": \"expired\"}\nendpoints = {\"GET /a\": {\"body\": 1}}\n",
	} {
		s, err := Parse(name, []byte(doc), Env{FilesDir: t.TempDir(), Script: host})
		if err != nil || len(s.Endpoints) != 1 {
			t.Errorf("%s: got %+v and %v, want GET /a", name, s, err)
			continue
		}
		for i := range s.Adversity.TLS {
			s.Adversity.TLS[i].Line = 0
		}
		want := Adversity{TLS: []tlsfault.Setting{
			{Host: "*.a.test", Fault: tlsfault.Fault{Kind: tlsfault.Slow, Bytes: 7, Millis: 50}}, {Host: "b.test", Fault: tlsfault.Fault{Kind: tlsfault.Expired}},
		}}
		if diff := cmp.Diff(want, s.Adversity); diff != "" {
			t.Errorf("%s: want, got:\n%s", name, diff)
		}
	}
	for name, want := range map[string]string{
		"tls: {a.test: expird}\nendpoints: {}":                        `m.yaml:1:15: tls.a.test: got "expird"; did you mean "expired"?`,
		"tls: expired\nendpoints: {}":                                 "m.yaml:1:6: tls: got the text \"expired\", want a map from hosts to TLS faults",
		"tsl: {a.test: expired}\nGET /a: {body: 1}":                   `m.yaml:1:1: unknown key "tsl"; did you mean "tls"?`,
		"# star\ntls = {\"a.test\": {\"kind\": \"slow\", \"ms\": 0}}": "m.star:2:41: tls.a.test.ms: got the number 0, want a whole number from 1 to 60000",
		"# star\ntls = [1]":                                           "m.star:2:7: tls: got a list, want a map",
	} {
		doc, file := name, "m.yaml"
		if strings.HasPrefix(doc, "# star") {
			file = "m.star"
		}
		if _, err := Parse(file, []byte(doc), Env{FilesDir: t.TempDir(), Script: host}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", doc, err, want)
		}
	}
	if s, err := Parse("only.star", []byte(`tls = {"*": "stall"}`), Env{Script: host}); err != nil || len(s.Adversity.TLS) != 1 {
		t.Errorf("a script without endpoints: got %+v and %v, want its fault", s, err)
	}
}

// The schema knows the kinds of TLS faults and their parameters.
func TestTLSFaultsOfSchema(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs struct {
			Kind  struct{ Enum []string } `json:"tlsFaultKind"`
			Fault struct {
				AnyOf []struct{ Properties map[string]any } `json:"anyOf"`
			} `json:"tlsFault"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	params := map[string]bool{"$comment": true, "kind": true, "times": true}
	for _, i := range tlsfault.Kinds() {
		kinds = append(kinds, string(i.Kind))
		for _, p := range i.Params {
			params[p] = true
		}
	}
	if diff := cmp.Diff(kinds, doc.Defs.Kind.Enum); diff != "" {
		t.Errorf("kinds: want, got:\n%s", diff)
	}
	for p := range doc.Defs.Fault.AnyOf[1].Properties {
		if !params[p] {
			t.Errorf("got the parameter %s, which no kind has", p)
		}
		delete(params, p)
	}
	if len(params) > 0 {
		t.Errorf("the schema lacks the parameters %v", params)
	}
}
