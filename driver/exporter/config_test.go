package exporter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const benchFile = `apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: bench}
endpoint: grpc.example.com:443
tls: {ca: "", insecure: false}
token: secret
grpcOptions: {grpc.keepalive_time_ms: 20000}
description: The bench
motd: Mind the gap
hooks:
  beforeLease: {script: echo hello, onFailure: endLease}
  afterLease: {script: echo bye, exec: /bin/bash, timeout: 5}
failureDetection: {maxRapidFailures: 3}
exitOnLeaseEnd: true
export:
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    description: The device's proxy
    methods_description: {start-cmd: Go}
    config: {listen: {host: 127.0.0.1, port: 9090}, ssl_insecure: false}
  second:
    type: starproxy.MitmproxyDriver
  lab:
    children:
      inner: {ref: proxy}
      deep:
        type: jumpstarter_driver_composite.driver.Composite
        children:
          third: {type: starproxy.MitmproxyDriver}
  shortcut: {ref: lab.deep}
`

func TestParse(t *testing.T) {
	t.Parallel()
	c, err := Parse("bench.yaml", []byte(benchFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	if c.Metadata.Name != "bench" || c.Endpoint != "grpc.example.com:443" || c.Token != "secret" || c.MOTD != "Mind the gap" || !c.ExitOnLeaseEnd {
		t.Errorf("top level: %+v", c)
	}
	if h := c.Hooks.BeforeLease; h == nil || h.Timeout != 120 || h.OnFailure != "endLease" {
		t.Errorf("beforeLease: %+v", h)
	}
	if h := c.Hooks.AfterLease; h == nil || h.Timeout != 5 || h.OnFailure != "warn" || h.Exec != "/bin/bash" {
		t.Errorf("afterLease: %+v", h)
	}
	if c.FailureDetection != (FailureDetection{MaxRapidFailures: 3, RapidFailureWindow: 60}) {
		t.Errorf("failureDetection: %+v", c.FailureDetection)
	}
	proxy := c.Export[0].Driver
	if proxy == nil || proxy.Listen.Port != 9090 || proxy.SSLInsecure || proxy.Web.Port != 8081 {
		t.Errorf("proxy: %+v", proxy)
	}
	items, err := unfold(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range items {
		got = append(got, it.path)
	}
	want := " proxy second lab lab.inner lab.deep lab.deep.third shortcut shortcut.third"
	if strings.Join(got, " ") != want {
		t.Errorf("tree is %q, want %q", strings.Join(got, " "), want)
	}
	if items[4].node != items[1].node || items[8].node != items[6].node {
		t.Error("a ref is not the node it names")
	}
}

func TestParseWarns(t *testing.T) {
	t.Parallel()
	c, err := Parse("x.yaml", []byte(`
grpcConfig: {a: 1}
tls: {ciphers: all}
export:
  proxy: {type: starproxy.MitmproxyDriver, color: red}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`x.yaml:2:1: unknown key "grpcConfig" is ignored`,
		`x.yaml:3:7: unknown key "tls.ciphers" is ignored`,
		`x.yaml:5:44: unknown key "export.proxy.color" is ignored`,
	}
	if strings.Join(c.Warnings, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s\nwant:\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", "x.yaml: the exporter file is empty"},
		{"not a map", "[1]", "expected a map with the key export"},
		{"kind", "kind: ClientConfig", `kind "ClientConfig" is not supported`},
		{"version", "apiVersion: v2", `apiVersion "v2" is not supported`},
		{"unknown type", "export:\n  power:\n    type: MockPower",
			`x.yaml:3:5: export.power: driver type "MockPower" is not known: expected jumpstarter_driver_mitmproxy.driver.MitmproxyDriver, or the class of a Python driver`},
		{"class alone", "export:\n  p: {type: MitmProxyDriver}", `x.yaml:2:13: export.p: driver type "MitmProxyDriver" is not known; did you mean "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver"?`},
		{"misspelt class of ours", "export:\n  p: {type: starproxy.MitmProxyDrivr}", `did you mean "starproxy.MitmproxyDriver"?`},
		{"misspelt class", "export:\n  p: {type: jumpstarter_driver_mitmproxy.driver.MitmProxyDriver}", `did you mean "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver"?`},
		{"misspelt module", "export:\n  p: {type: jumpstarter_driver_mitm_proxy.driver.MitmproxyDriver}", `did you mean "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver"?`},
		{"misspelt group", "export:\n  p: {type: jumpstarter_driver_composite.driver.composite}", `did you mean "jumpstarter_driver_composite.driver.Composite"?`},
		{"proxy below Python", "export:\n  p:\n    type: a.B\n    children: {x: {type: starproxy.MitmproxyDriver}}",
			"x.yaml:4:19: export.p.children.x: a proxy cannot be the child of a driver that Python hosts"},
		{"ref of Python to a proxy", "export:\n  q: {type: starproxy.MitmproxyDriver}\n  p:\n    type: a.B\n    children: {x: {children: {y: {ref: q}}}}",
			`export.p.children.x.children.y: ref "q" names a proxy, which a driver that Python hosts cannot have`},
		{"ref of Python to a group with a proxy", "export:\n  g: {children: {h: {children: {q: {type: starproxy.MitmproxyDriver}}}}}\n  p: {type: a.B, children: {x: {ref: g}}}",
			`export.p.children.x: ref "g" names a group with the proxy g.h.q, which a driver that Python hosts cannot have`},
		{"ref of Python to nothing", "export: {p: {type: a.B, children: {x: {ref: g}}}}", `: export.p.children.x: ref "g": there is no driver "g"`},
		{"nothing", "export:\n  p: {description: x}", "x.yaml:2:3: export.p: expected one of the keys type, ref and children"},
		{"scalar node", "export: {p: 1}", "export.p: expected a map"},
		{"scalar export", "export: 1", "export: expected a map"},
		{"driver key", "export:\n  p:\n    type: starproxy.MitmproxyDriver\n    config: {lisen: {port: 1}}", `x.yaml:4:14: unknown key "lisen"; did you mean "listen"?`},
		{"driver value", "export: {p: {type: starproxy.MitmproxyDriver, config: {listen: {port: soon}}}}", "listen.port: got the text \"soon\", want a whole number"},
		{"composite config", "export: {p: {type: jumpstarter_driver_composite.driver.Composite, config: {a: 1}}}", "a group of drivers takes no config"},
		{"unknown ref", "export:\n  p: {ref: lab.x}\n  lab: {children: {}}", `x.yaml:2:3: export.p: ref "lab.x": there is no driver "x"`},
		{"ref to itself", "export: {p: {ref: p}}", `export.p: ref "p" leads back to itself`},
		{"refs in a circle", "export: {a: {ref: b}, b: {ref: a}}", "leads back to itself"},
		{"ref to an ancestor", "export: {lab: {children: {me: {ref: lab}}}}", `export.lab.me: ref "lab" contains the ref itself`},
		{"refs across", "export: {a: {children: {x: {ref: b}}}, b: {children: {y: {ref: a}}}}", "contains the ref itself"},
		{"dotted name", "export: {a.b: {children: {}}}", `the name "a.b" is not valid`},
		{"hook policy", "hooks: {afterLease: {script: x, onFailure: panic}}", "expected warn, endLease or exit"},
		{"hook without script", "hooks: {afterLease: {timeout: 1}}", "script is missing"},
		{"clients of two", "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, clients: [10.0.0.0/8]}}}\n  b: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, clients: [fd00::1, 10.1.2.3]}}}\n", `x.yaml:3:3: export.b: listen.clients: got 10.1.2.3, want no address that export.a has too: 10.0.0.0/8 (both listen at 0.0.0.0:9)`},
		{"users of two", "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, users: [x, y]}}}\n  lab:\n    children:\n      b: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, host: \"::\", users: [y]}}}\n", `x.yaml:5:7: export.lab.b: listen.users: got "y", want no user that export.a has too`},
		{"rest twice", "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9}}}\n  b: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, users: [x]}}}\n  c: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9}}}\n", `x.yaml:4:3: export.c: listen: got no clients and no users, want some: export.a has none either`},
		{"bad client", "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: {port: 9, clients: [dut]}}}\n", `x.yaml:2:77: listen.clients[0]: got "dut", want an address such as 10.0.0.7`},
		{"wrong type", "metadata: 3", "metadata: got the number 3, want a map"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("x.yaml", []byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestParseBoundsTheTree(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("export:\n  n0: {children: {}}\n")
	for _, step := range []string{"n1:n0", "n2:n1", "n3:n2", "n4:n3", "n5:n4", "n6:n5", "n7:n6", "n8:n7", "n9:n8", "n10:n9", "n11:n10"} {
		name, below, _ := strings.Cut(step, ":")
		b.WriteString("  " + name + ": {children: {a: {ref: " + below + "}, b: {ref: " + below + "}}}\n")
	}
	if _, err := Parse("x.yaml", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "more than 1000 drivers") {
		t.Errorf("error %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	user, system := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(user, "both.yaml"), filepath.Join(system, "both.yaml"), filepath.Join(system, "one.yaml")} {
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ name, want, wrong string }{
		{"both", filepath.Join(user, "both.yaml"), ""},
		{"one", filepath.Join(system, "one.yaml"), ""},
		{"none", "", `exporter "none" not found: neither ` + filepath.Join(user, "none.yaml") + " nor "},
		{"../etc", "", "not valid"},
		{"", "", "not valid"},
		{"..", "", "not valid"},
	}
	for _, tt := range tests {
		got, err := findIn(tt.name, user, system)
		if got != tt.want || (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("findIn(%q) is %q, %v", tt.name, got, err)
		}
	}
}

func TestFindUsesTheEnvironment(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, "exporters", "bench.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(benchFile), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JMP_CLIENT_CONFIG_HOME", home)
	if got, err := Find("bench"); got != path || err != nil {
		t.Errorf("Find is %q, %v", got, err)
	}
	t.Setenv("JMP_CLIENT_CONFIG_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", filepath.Dir(home))
	if _, err := Find("bench"); err == nil || !strings.Contains(err.Error(), "jumpstarter/exporters/bench.yaml") {
		t.Errorf("error %v", err)
	}
	t.Setenv("JMP_NAME", "from-env")
	c, err := Parse("x.yaml", []byte("export: {}"))
	if err != nil || c.Metadata.Name != "from-env" {
		t.Errorf("metadata %+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(benchFile))
	f.Add([]byte("export: {a: {ref: b}, b: {ref: a}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("x.yaml", data)
		if err != nil {
			return
		}
		if _, err := unfold(c); err != nil {
			t.Errorf("a file that parsed does not unfold: %v", err)
		}
	})
}

// A scenario in the place of an exporter file is told apart.
func TestParseScenario(t *testing.T) {
	t.Parallel()
	_, err := Parse("sc.yaml", []byte("endpoints:\n  GET /a: {status: 200}\n"))
	if err == nil || !strings.Contains(err.Error(), "sc.yaml:1:1") || !strings.Contains(err.Error(), "this is a scenario, not an exporter file") {
		t.Error(err)
	}
}

// Types of others that look a little like ours stay Python's.
func TestOwnTypeNear(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"my_lab.driver.MitmproxyDriver", "jumpstarter_driver_power.driver.MockPower", "jumpstarter_driver_pyserial.driver.PySerial",
		"jumpstarter_driver_starproxy.driver.StarproxyDriver", "lab.Composite2", "jumpstarter_driver_corellium.driver.Corellium"} {
		if near := ownTypeNear(kind); near != "" {
			t.Errorf("%s: got %s, want none", kind, near)
		}
	}
}
