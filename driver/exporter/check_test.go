package exporter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// token makes one that says of itself what is wanted.
func token(t *testing.T, sub string, exp time.Time) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"sub": sub, "exp": exp.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2lnbmF0dXJl"
}

// authorities makes tls.ca of a certificate that is valid until a time.
func authorities(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "controller"}, NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// python is an interpreter with a package dummy_driver, or skips the test.
func python(t *testing.T) string {
	t.Helper()
	real, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "dummy_driver/__init__.py"), "")
	put(t, filepath.Join(dir, "dummy_driver/driver.py"), "raise SystemExit('imported')\nclass Power:\n    pass\n")
	path := filepath.Join(dir, "python")
	put(t, path, fmt.Sprintf("#!/bin/sh\nPYTHONPATH=%s exec %s \"$@\"\n", dir, real))
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checked gives the findings about a text, with DIR standing for a directory
// with files, and file names without it.
func checked(t *testing.T, text string, files map[string]string, o CheckOptions) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	path := filepath.Join(dir, "x.yaml")
	put(t, path, strings.ReplaceAll(text, "DIR", dir))
	before := tree(t, dir)
	findings, err := Check(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("something was written: before\n%safter\n%s", before, after)
	}
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintln(&b, strings.ReplaceAll(f.String(), dir+"/", ""))
	}
	return b.String()
}

// tree lists the files below dir.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const oneProxy = `
export:
  proxy:
    type: starproxy.MitmproxyDriver
    config:
      directories: {data: DIR/data}
`

// TestCheck looks at files with one mistake each. What is wanted are beginnings
// of the lines that come.
func TestCheck(t *testing.T) {
	t.Parallel()
	leased := func(key, value string) string {
		lines := map[string]string{
			"endpoint": "grpc.example:443", "token": token(t, "exporter:lab:bench:uid", time.Now().Add(1000*time.Hour)),
			"tls": "{}", "metadata": "{namespace: lab, name: bench}", "hooks": "{}",
		}
		lines[key] = value
		text := ""
		for _, key := range []string{"metadata", "endpoint", "tls", "token", "hooks"} {
			text += key + ": " + lines[key] + "\n"
		}
		return text + oneProxy[1:]
	}
	good := "x.yaml:4:8: note: token: it expires on 20"
	for _, test := range []struct {
		name, text string
		files      map[string]string
		want       []string
	}{
		{name: "a local one", text: oneProxy, want: nil},
		{name: "a leased one", text: leased("", ""), want: []string{good}},
		{name: "no yaml", text: "export: {\n", want: []string{"x.yaml:1:9: error: not a YAML document"}},
		{name: "a scenario", text: "endpoints: {}", want: []string{"x.yaml:1:1: error: this is a scenario"}},
		{name: "no driver", text: "export: {}", want: []string{"x.yaml:1:1: warning: export: no driver at all"}},
		{name: "unknown keys", text: "tokn: x\n" + oneProxy, want: []string{`x.yaml:1:1: warning: unknown key "tokn" is ignored`}},
		{name: "another version", text: "apiVersion: v2\n" + oneProxy, want: []string{"x.yaml:1:1: error: apiVersion"}},

		{name: "endpoint: URL", text: leased("endpoint", "https://grpc.example"), want: []string{`x.yaml:2:11: error: endpoint: got the URL "https://grpc.example", want host:port`, good}},
		{name: "endpoint: no port", text: leased("endpoint", "grpc.example"), want: []string{`x.yaml:2:11: error: endpoint: got "grpc.example", want host:port`, good}},
		{name: "endpoint: none", text: leased("endpoint", `""`), want: []string{"x.yaml:4:8: warning: endpoint: got none", good}},
		{name: "token: none", text: leased("token", `""`), want: []string{"x.yaml:2:11: error: token: got none"}},
		{name: "token: text", text: leased("token", "secret"), want: []string{"x.yaml:4:8: error: token: got a text of 1 part(s), want a JSON Web Token"}},
		{name: "token: damaged", text: leased("token", "a.%%.c"), want: []string{"x.yaml:4:8: error: token: got what can't be decoded"}},
		{name: "token: expired", text: leased("token", token(t, "exporter:lab:bench:uid", time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))),
			want: []string{"x.yaml:4:8: error: token: it expired on 2020-01-02 03:04:05 UTC"}},
		{name: "token: another's", text: leased("token", token(t, "client:lab:bench:uid", time.Unix(0, 0))),
			want: []string{"x.yaml:4:8: note: token: it does not expire", `x.yaml:4:8: warning: token: got that of "client:lab:bench:uid", want that of exporter:lab:bench:`}},
		{name: "metadata: none", text: leased("metadata", "{namespace: lab}"), want: []string{"x.yaml:1:11: error: metadata.name: got none", good, "x.yaml:4:8: warning"}},
		{name: "tls.ca: good", text: leased("tls", "{ca: "+authorities(t, time.Now().Add(time.Hour))+"}"), want: []string{good}},
		{name: "tls.ca: expired", text: leased("tls", "{ca: "+authorities(t, time.Now().Add(-time.Hour))+"}"), want: []string{"x.yaml:3:11: error: tls.ca: the certificate of CN=controller expired on ", good}},
		{name: "tls.ca: no base64", text: leased("tls", "{ca: '---'}"), want: []string{"x.yaml:3:11: error: tls.ca: got what is no base64", good}},
		{name: "tls.ca: no PEM", text: leased("tls", "{ca: aGVsbG8=}"), want: []string{"x.yaml:3:11: error: tls.ca: got no certificate in PEM", good}},
		{name: "tls.ca: unused", text: leased("tls", "{insecure: true, ca: "+authorities(t, time.Now().Add(time.Hour))+"}"), want: []string{"x.yaml:3:27: note: tls.ca: not used", good}},
		{name: "hooks: good", text: leased("hooks", "{beforeLease: {script: j proxy start}, afterLease: {script: DIR/h.sh, exec: sh -e}}"), files: map[string]string{"h.sh": ""}, want: []string{good}},
		{name: "hooks: no program", text: leased("hooks", "{beforeLease: {script: x, exec: no-such-shell -e}}"), want: []string{good, `x.yaml:5:22: error: hooks.beforeLease: exec: exec: "no-such-shell": executable file not found`}},
		{name: "hooks: no script", text: leased("hooks", "{afterLease: {script: DIR/gone.sh}}"), want: []string{good, "x.yaml:5:21: error: hooks.afterLease: script: stat gone.sh: no such file"}},
		{name: "hooks: no such word", text: leased("hooks", "{afterLease: {script: x, onFailure: maybe}}"), want: []string{"x.yaml:1:1: error: hooks.afterLease: onFailure"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			compare(t, checked(t, test.text, test.files, CheckOptions{Python: "/nowhere/python"}), test.want)
		})
	}
}

// compare compares the beginnings of lines.
func compare(t *testing.T, got string, want []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if got == "" {
		lines = nil
	}
	ok := len(lines) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.HasPrefix(lines[i], want[i])
	}
	if !ok {
		t.Errorf("got\n%swant\n%s", got, strings.Join(want, "\n"))
	}
	if strings.Contains(got, "c2lnbmF0dXJl") || strings.Contains(got, "secret") {
		t.Errorf("a token is told:\n%s", got)
	}
}

// TestCheckProxies looks at what proxies name; all that is wrong is told at
// once.
func TestCheckProxies(t *testing.T) {
	t.Parallel()
	text := `export:
  first:
    type: starproxy.MitmproxyDriver
    config:
      listen: {port: 70000}
  second:
    type: starproxy.MitmproxyDriver
    config:
      lisen: {}
  bench:
    children:
      third:
        type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
        config:
          directories:
            conf: DIR/conf
            data: DIR/file
            mocks: DIR/mocks
            addons: DIR/addons
            files: DIR/files
            flows: DIR/flows
          mock_scenario: broken.yaml
          mocks:
            GET /a: {status: 99999}
            GET /b: {stats: 200}
      fourth:
        type: starproxy.MitmproxyDriver
        config: {mock_scenario: gone.yaml, directories: {data: DIR/four}}
  again: {ref: bench.thrid}
`
	got := checked(t, text, map[string]string{
		"file": "", "conf/mitmproxy-ca.pem": "no PEM", "addons/a.star": "def handle(req):\n    return nothing\n", "files/there.bin": "", "addons/_lib.star": "x = ",
		"mocks/broken.yaml": "endpoints:\n  GET /ok: {status: 200}\n  GET /file: {file: gone.bin}\n  GET /x: {status: many}\n",
	}, CheckOptions{})
	for _, want := range []string{
		"x.yaml:9:7: error: export.second: ",
		"x.yaml:5:22: error: export.first: listen.port: got 70000, want a port from 0 to 65535",
		"x.yaml:17:19: warning: export.bench.third: directories.data: no files can be put there: file: got a file, want a directory",
		"x.yaml:16:19: error: export.bench.third: certificate authority conf/mitmproxy-ca.pem: private key: got none, want one",
		`mocks/broken.yaml:3:21: warning: export.bench.third: endpoint "GET /file": no file "gone.bin" in files`, "mocks/broken.yaml:4:", "x.yaml:24:", "x.yaml:25:", "addons/a.star:2:12: warning: export.bench.third: addon addons/a.star",
		"x.yaml:28:33: warning: export.bench.fourth: mock_scenario four/mock-responses/gone.yaml: no such scenario",
		`x.yaml:29:3: error: export.again: ref "bench.thrid": there is no driver "thrid"`,
	} {
		if !strings.Contains("\n"+got, "\n"+want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

// TestCheckForeign looks for drivers of Python, without importing them.
func TestCheckForeign(t *testing.T) {
	t.Parallel()
	text := `export:
  power: {type: dummy_driver.driver.Power}
  bench:
    type: jumpstarter_driver_composite.driver.Composite
    children:
      serial: {type: dummy_driver.driver.Serial}
      camera: {type: nobody_has_this.driver.Camera}
`
	path := python(t)
	compare(t, checked(t, text, nil, CheckOptions{Python: path}), []string{
		"x.yaml:2:17: note: export.power: dummy_driver.driver.Power is hosted by Python (",
		"x.yaml:6:22: error: export.bench.serial: dummy_driver.driver.Serial is hosted by Python: module dummy_driver.driver has no class Serial",
		"x.yaml:7:22: error: export.bench.camera: nobody_has_this.driver.Camera is hosted by Python: no module nobody_has_this: pip install nobody-has-this",
	})
	compare(t, checked(t, text[:strings.Index(text, "  bench")], nil, CheckOptions{Python: "/nowhere/python"}), []string{
		"x.yaml:2:17: note: export.power: dummy_driver.driver.Power is hosted by Python, not looked for: --python: exec: \"/nowhere/python\"",
	})
}

func TestCheckEndpoint(t *testing.T) {
	t.Parallel()
	for endpoint, good := range map[string]bool{"": true, "a:1": true, "10.0.0.1:443": true, "[::1]:443": true, "a": false, "a:": false, ":1": false, "a:0": false, "a:99999": false, "a b:1": false, "::1:443": false} {
		if err := checkEndpoint(endpoint); (err == nil) != good {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
