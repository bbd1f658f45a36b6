package interop

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/driver/exporter/labtest"
)

// lab is a stand-in for a controller with one exporter object named bench and
// the configuration of one client.
type lab struct {
	*labtest.Lab
	home   string
	client string // the client's configuration file
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l, err := labtest.Start(labtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.AddExporter("bench", map[string]string{"device": "dut"})
	home := tempDir(t)
	text, err := l.ClientFile("alice")
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(home, "client.yaml")
	write(t, client, text)
	return &lab{l, home, client}
}

// exporterFile writes an exporter's file with the drivers of export, which is
// indented YAML.
func (l *lab) exporterFile(t testing.TB, export string) string {
	t.Helper()
	head, err := l.ExporterFile("bench")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.home, "exporter.yaml")
	write(t, path, head+export)
	return path
}

// environ is for programs of the lab, with Python's in front.
func (l *lab) environ(t testing.TB) []string {
	t.Helper()
	return environ([]string{python(t)}, "HOME="+l.home, "XDG_RUNTIME_DIR="+l.home)
}

// shell leases the exporter with the stock client and runs a script.
func (l *lab) shell(t testing.TB, script string, args ...string) output {
	t.Helper()
	argv := append([]string{"jmp", "shell", "--client-config", l.client, "--selector", "device=dut"}, args...)
	return run(t, l.home, l.environ(t), append(argv, "--", "sh", "-c", script)...)
}

// available waits until the exporter has registered and can be leased.
func (l *lab) available(t testing.TB, skip int) {
	t.Helper()
	if err := l.AwaitStatus(within(t), "bench", "AVAILABLE", skip); err != nil {
		t.Fatal(err)
	}
}

// TestLabOfStock checks the stand-in with the stock exporter and client.
func TestLabOfStock(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	config := l.exporterFile(t, "export:\n  power: {type: jumpstarter_driver_power.driver.MockPower}\n")
	begun := time.Now()
	start(t, l.home, l.environ(t), []int{0, 143}, "jmp", "run", "--exporter-config", config)
	l.available(t, 0)
	t.Logf("available after %v", time.Since(begun))
	begun = time.Now()
	out := l.shell(t, "j power on && j power off")
	t.Logf("a shell with two j: %v", time.Since(begun))
	if out.code != 0 {
		t.Fatalf("jmp shell: %s\nexporter: %v", out, l.Exporter("bench").Reports)
	}
}

// TestLabOfStockLeases checks the leasing of the stand-in with the stock client:
// lists, leases that are made, changed, used and deleted, and one that begins
// later.
func TestLabOfStockLeases(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.AddExporter("away", map[string]string{"device": "other"})
	config := l.exporterFile(t, "export:\n  power: {type: jumpstarter_driver_power.driver.MockPower}\n")
	start(t, l.home, l.environ(t), []int{0, 143}, "jmp", "run", "--exporter-config", config)
	l.available(t, 0)
	jmp := func(args ...string) string {
		t.Helper()
		out := run(t, l.home, l.environ(t), append([]string{"jmp"}, args...)...)
		if out.code != 0 {
			t.Fatalf("jmp %v: %s", args, out)
		}
		return strings.TrimSpace(out.stdout)
	}
	as := []string{"--client-config", l.client, "-o", "name"}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("exporters", jmp(append([]string{"get", "exporters", "-l", "device=dut"}, as...)...), "bench")
	create := func(id string, args ...string) string {
		return jmp(append(append([]string{"create", "lease", "--lease-id", id, "--duration", "1h"}, args...), as...)...)
	}
	check("a lease", create("first", "-l", "device in (dut,spare)", "--tag", "build=42"), "first")
	begin := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z")
	check("a later lease", create("later", "-l", "device=dut", "--begin-time", begin), "later")
	check("leases", jmp(append([]string{"get", "leases"}, as...)...), "first\nlater")
	check("leases by tag", jmp(append([]string{"get", "leases", "--tag-filter", "build=42"}, as...)...), "first")
	if out := jmp("update", "lease", "first", "--duration", "2h", "--client-config", l.client, "-o", "json"); !strings.Contains(out, `"duration": 7200`) {
		t.Errorf("a lease that was made longer: %s", out)
	}
	if out := jmp("shell", "--client-config", l.client, "--lease", "first", "--", "sh", "-c", "j power on && echo done"); !strings.HasSuffix(out, "\ndone") {
		t.Errorf("a shell: %s", out)
	}
	jmp(append([]string{"delete", "leases", "first"}, as...)...)
	check("leases at the end", jmp(append([]string{"get", "leases"}, as...)...), "later")
}

// within is a context for one wait.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
