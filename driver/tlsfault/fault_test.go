package tlsfault

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/document"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fault{
		"expired":                                    {Kind: Expired},
		` "unknown_ca" `:                             {Kind: UnknownCA},
		`{"kind": "no_san", "times": 3}`:             {Kind: NoSAN, Times: 3},
		`{"kind": "max_version", "version": 1.0}`:    {Kind: MaxVersion, Version: "1.0"},
		`{"kind": "max_version", "version": "1.2"}`:  {Kind: MaxVersion, Version: "1.2"},
		"max_version":                                {Kind: MaxVersion, Version: "1.1"},
		"min_version":                                {Kind: MinVersion, Version: "1.3"},
		"alpn":                                       {Kind: ALPN},
		`{"kind": "alpn", "protocol": "spdy/1"}`:     {Kind: ALPN, Protocol: "spdy/1"},
		`{"kind": "alert", "alert": "close_notify"}`: {Kind: Alerted, Alert: "close_notify"},
		"alert": {Kind: Alerted, Alert: "handshake_failure"},
		"abort": {Kind: Abort, After: ClientHello, How: Reset},
		`{"kind":"abort","after":"certificate","how":"fin"}`: {Kind: Abort, After: Certificate, How: Close},
		`{"kind":"stall","after":"server_hello"}`:            {Kind: Stall, After: ServerHello},
		`{"kind":"slow","bytes":1}`:                          {Kind: Slow, Bytes: 1, Millis: 50},
		"slow":                                               {Kind: Slow, Bytes: 32, Millis: 50},
	} {
		got, err := Parse(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, want, got:\n%s", text, err, diff)
		}
		if again, err := Parse(got.JSON()); err != nil || again != got {
			t.Errorf("%s: got %v and %v for its JSON %s", text, again, err, got.JSON())
		}
	}
	for text, want := range map[string]string{
		"":                                     `fault: got "", want one of expired, `,
		"expird":                               `fault: got "expird"; did you mean "expired"?`,
		`{"kind": "expird"}`:                   `fault.json:1:10: fault.kind: got "expird"; did you mean "expired"?`,
		`{"kid": "expired"}`:                   `fault.json:1:1: fault: got no key kind, want one`,
		`{"kind": "expired", "version": "1"}`:  `unknown key "version" in fault; want one of kind, times`,
		`{"kind": "max_version", "vers": "1"}`: `unknown key "vers" in fault; want one of kind, times, version`,
		`{"kind": "max_version", "version": "1.4"}`:                        `fault.version: got "1.4", want 1.0, 1.1, 1.2 or 1.3`,
		`{"kind": "alert", "alert": "bad_cert"}`:                           `fault.alert: got "bad_cert", want one of close_notify, `,
		`{"kind": "alert", "alert": "unknown-ca"}`:                         `did you mean "unknown_ca"?`,
		`{"kind": "abort", "after": "finished"}`:                           `fault.after: got "finished", want one of client_hello, server_hello, certificate`,
		`{"kind": "abort", "how": "drop"}`:                                 `fault.how: got "drop", want one of rst, fin`,
		`{"kind": "expired", "times": 0}`:                                  `fault.times: got the number 0, want a whole number from 1 to 1000000`,
		`{"kind": "slow", "ms": "fast"}`:                                   `fault.ms: got the text "fast", want a whole number`,
		`{"kind": "alpn", "protocol": "` + strings.Repeat("x", 256) + `"}`: `fault.protocol: got the text`,
		`["expired"]`:        `want the kind of a TLS fault or a map with kind`,
		`{"kind": "expired"`: `not a JSON document`,
		`{"kind": null}`:     `fault: got no key kind, want one`,
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v and %v, want %s", text, got, err, want)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, i := range Kinds() {
		f, err := Parse(string(i.Kind))
		if err != nil || i.Doc == "" || !strings.HasPrefix(f.Met(), "tls fault "+string(i.Kind)) {
			t.Errorf("%s: got %v, %q, %q", i.Kind, err, i.Doc, f.Met())
		}
		var keys map[string]any
		if err := json.Unmarshal([]byte(f.JSON()), &keys); err != nil {
			t.Error(err)
		}
		for k := range keys {
			if k != "kind" && !strings.Contains(strings.Join(i.Params, " "), k) {
				t.Errorf("%s: got a default for %s, want one of %q", i.Kind, k, i.Params)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	read := func(text string) ([]Setting, error) {
		n, err := document.Read("s.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Settings(n, "tls")
		return s, document.InFile("s.yaml", err)
	}
	got, err := read("API.test: expired\n'*.test':\n  kind: max_version\n  version: 1.0\n'*': {kind: alert, alert: unknown_ca, times: 2}\n")
	want := []Setting{
		{"api.test", Fault{Kind: Expired}, 1}, {"*.test", Fault{Kind: MaxVersion, Version: "1.0"}, 2},
		{"*", Fault{Kind: Alerted, Alert: "unknown_ca", Times: 2}, 5},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, want, got:\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"a b: expired":                      "s.yaml:1:1: tls: host: got",
		"api.test: expird":                  `s.yaml:1:11: tls.api.test: got "expird"; did you mean "expired"?`,
		"api.test: {kind: slow, byte: 1}":   `s.yaml:1:24: unknown key "byte" in tls.api.test; did you mean "bytes"?`,
		"api.test: expired\nAPI.test: slow": "s.yaml:2:1: tls: got api.test again, want each host once (line 1)",
		"api.test: 1":                       "s.yaml:1:11: tls.api.test: got the number 1, want the kind",
		"[expired]":                         "s.yaml:1:1: tls: got a list, want a map from hosts to TLS faults",
	} {
		if got, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v and %v, want %s", text, got, err, want)
		}
	}
	if got, err := read("null"); got != nil || err != nil {
		t.Errorf("null: got %v and %v, want no settings", got, err)
	}
}

// FuzzParse checks that a fault which is taken is the same when its JSON is read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"expired", `{"kind":"slow","bytes":1,"ms":2,"times":3}`, `{"kind":"alert","alert":"x"}`, `"`, `[]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(got.JSON()); err != nil || again != got {
			t.Errorf("%q: got %v, then %v and %v", text, got, again, err)
		}
	})
}
