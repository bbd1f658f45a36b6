package interop

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verdicts is the part of pytest's JUnit file that we read.
type verdicts struct {
	Cases []struct {
		Class   string `xml:"classname,attr"`
		Name    string `xml:"name,attr"`
		Failure *trace `xml:"failure"`
		Error   *trace `xml:"error"`
		Skipped *struct {
			Message string `xml:"message,attr"`
		} `xml:"skipped"`
	} `xml:"testsuite>testcase"`
}

type trace struct {
	Text string `xml:",chardata"`
}

// pytest runs a suite and reports each of its tests as a subtest. At least
// want tests must have run; none may have been skipped.
func pytest(t *testing.T, env []string, dir string, want int, args ...string) {
	t.Helper()
	report := filepath.Join(tempDir(t), "report.xml")
	argv := append([]string{"pytest", "-q", "-p", "no:cacheprovider", "-c", os.DevNull, "--rootdir", dir,
		"-o", "asyncio_default_fixture_loop_scope=function", "--tb=short", "--junit-xml", report}, args...)
	out := run(t, dir, env, argv...)
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("pytest left no report: %s", out)
	}
	var v verdicts
	if err := xml.Unmarshal(data, &v); err != nil {
		t.Fatalf("pytest's report: %v", err)
	}
	if len(v.Cases) < want {
		t.Errorf("%d tests ran, at least %d should have: %s", len(v.Cases), want, out)
	}
	for _, c := range v.Cases {
		class := c.Class[strings.LastIndexByte(c.Class, '.')+1:]
		t.Run(class+"/"+c.Name, func(t *testing.T) {
			switch {
			case c.Failure != nil:
				t.Error(c.Failure.Text)
			case c.Error != nil:
				t.Error(c.Error.Text)
			case c.Skipped != nil:
				missing(t, c.Skipped.Message)
			}
		})
	}
	if out.code != 0 && !t.Failed() {
		t.Errorf("pytest: %s", out)
	}
}

// The driver package's own integration tests, which it ships with its wheel,
// describe what its users expect. They run unmodified against our exporter.
func TestUpstreamSuite(t *testing.T) {
	t.Parallel()
	py := python(t)
	plugin, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	home := tempDir(t)
	env := environ([]string{py}, "PYTHONPATH="+plugin, "HOME="+home, "STARPROXY="+filepath.Join(bin, "starproxy"))
	pytest(t, env, home, 26, "-p", "starproxy_upstream",
		"--pyargs", "jumpstarter_driver_mitmproxy.driver_integration_test")
}
