package h1

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mitmproxyVersion is that of the table in testdata.
const mitmproxyVersion = "11.0.2"

// TestMitmproxy holds what the HTTP/1 layers of mitmproxy read in another way, and
// sees that they read what we forward as we do, or refuse it. Other versions may
// have other differences: of them only what we forward counts.
func TestMitmproxy(t *testing.T) {
	t.Parallel()
	all, passed := corpus(t), forwarded(t)
	version, readings := readByMitmproxy(t, slices.Concat(all, passed))
	compareForwarded(t, passed, readings[len(all):])
	if version != mitmproxyVersion {
		t.Skipf("mitmproxy is %s, and the table is of %s", version, mitmproxyVersion)
	}
	byName := map[string]reading{}
	for i, m := range all {
		byName[m.name] = readings[i]
	}
	compare(t, "testdata/mitmproxy.txt", "mitmproxy", func(m message) reading { return byName[m.name] })
}

// readByMitmproxy returns the messages as the HTTP/1 layers of mitmproxy
// understand them. Plain "go test" skips the test.
func readByMitmproxy(t *testing.T, all []message) (version string, readings []reading) {
	t.Helper()
	python, err := filepath.Abs("../../../.venv-mitmproxy/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("STARPROXY_INTEROP") == "" && os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip(`it takes long: "make test" runs it, or go test with STARPROXY_INTEROP=1`)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatal(err)
	}
	var in, out, errs bytes.Buffer
	for _, m := range all {
		line, err := json.Marshal(map[string]string{"method": m.method, "text": widen(m.text)})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/readers.py")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	dec := json.NewDecoder(&out)
	var head struct{ Version string }
	if err := dec.Decode(&head); err != nil {
		t.Fatal(err)
	}
	for range all {
		var r reading
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		readings = append(readings, r.narrow())
	}
	return head.Version, readings
}

// widen makes each byte a character with the same number, as JSON can have it.
func widen(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// narrow takes that back.
func (r reading) narrow() reading {
	narrow := func(s string) string {
		var b strings.Builder
		for _, c := range s {
			b.WriteByte(byte(c))
		}
		return b.String()
	}
	r.Line = slices.Clone(r.Line)
	for i := range r.Line {
		r.Line[i] = narrow(r.Line[i])
	}
	for _, fields := range [][][2]string{r.Header, r.Trailer} {
		for i, f := range fields {
			fields[i] = [2]string{narrow(f[0]), narrow(f[1])}
		}
	}
	r.Host, r.Body, r.Rest = narrow(r.Host), narrow(r.Body), narrow(r.Rest)
	return r
}
