package interop

import (
	"encoding/xml"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// h2specVersion is the last one that installs as a Go tool: later ones have no
// version that fits their go.mod.
const h2specVersion = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// h2spec builds the conformance test of HTTP/2, or skips where it can't be had.
func h2spec(t testing.TB) string {
	dir := tempDir(t)
	cmd := exec.CommandContext(t.Context(), toolchain("go")(t), "install", h2specVersion)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s can't be installed: %v\n%s", h2specVersion, err, out)
	}
	return filepath.Join(dir, "h2spec")
}

// specReport is what h2spec found out about a server.
type specReport struct {
	summary string
	failed  []string
}

// specOf runs h2spec against a port of this machine.
func specOf(t testing.TB, program string, port int) (r specReport) {
	t.Helper()
	dir := tempDir(t)
	out := run(t, dir, environ(nil), program, "-t", "-k", "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-o", "2", "-j", "report.xml")
	for line := range strings.Lines(out.stdout) {
		if strings.Contains(line, " tests, ") {
			r.summary = strings.TrimSpace(line)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.xml"))
	if err != nil || r.summary == "" {
		t.Fatalf("h2spec: %v\n%s", err, out)
	}
	var report struct {
		Suites []struct {
			Cases []struct {
				Section string `xml:"package,attr"`
				Name    string `xml:"classname,attr"`
				Failure *struct {
					Text string `xml:",chardata"`
				} `xml:"failure"`
				Error *struct {
					Text string `xml:",chardata"`
				} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			if n++; c.Failure != nil || c.Error != nil {
				r.failed = append(r.failed, c.Section+": "+c.Name)
			}
		}
	}
	if n < 100 {
		t.Fatalf("h2spec tried %d cases, want over 100:\n%s", n, data)
	}
	return r
}

// A mocked host fails no case of h2spec that net/http's own server does not fail.
func TestH2Spec(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	program := h2spec(t)
	body := strings.Repeat("x", 2000)
	bare := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(body))
	}))
	bare.EnableHTTP2 = true
	bare.Config.ErrorLog = log.New(io.Discard, "", 0)
	bare.StartTLS()
	defer bare.Close()
	mock := "{status: 200, content_type: text/plain, body: " + body + "}"
	b := ours(t, "      mocks:\n        GET /*: "+mock+"\n        POST /*: "+mock+"\n        HEAD /*: "+mock+"\n", "--start", "mock")

	than := specOf(t, program, bare.Listener.Addr().(*net.TCPAddr).Port)
	t.Logf("net/http:  %s: %q", than.summary, than.failed)
	var worse []string
	for i := range 3 { // some cases of h2spec fail now and then, at any server
		got := specOf(t, program, b.forwarder(t, "spec.test:443"))
		t.Logf("starproxy: %s: %q", got.summary, got.failed)
		got.failed = slices.DeleteFunc(got.failed, func(name string) bool {
			return slices.Contains(than.failed, name) || i > 0 && !slices.Contains(worse, name)
		})
		if worse = got.failed; len(worse) == 0 {
			break
		}
	}
	for _, name := range worse {
		t.Errorf("fails here and not at net/http: %s", name)
	}
	if passed := b.mustJ(t, b.dir, "proxy", "capture", "list"); !strings.Contains(passed, "REFUSED") {
		t.Errorf("no refusal was captured:\n%.2000s", passed)
	}
}
