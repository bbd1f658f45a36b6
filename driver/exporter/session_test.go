package exporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/driver"
	"starproxy/driver/client"
)

func TestRealDrivers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, err := Parse("bench.yaml", fmt.Appendf(nil, `
export:
  proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}
  lab: {children: {second: {type: starproxy.MitmproxyDriver, config: {directories: {data: %q}}}}}
  alias: {ref: lab.second}
`, filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := strings.Join(e.Proxies(), " "); got != "proxy lab.second" {
		t.Errorf("proxies: %s", got)
	}
	if driverAt(e, "proxy") == nil || driverAt(e, "lab.second") == nil || driverAt(e, "alias") != driverAt(e, "lab.second") {
		t.Error("a driver is missing or doubled")
	}
	for _, path := range []string{"", "lab", "nothing"} {
		if driverAt(e, path) != nil {
			t.Errorf("%q is a driver", path)
		}
	}
	socket, err := e.ServeUnix(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := find(t, dial(t, socket, client.Options{}), "proxy")
	if v, err := proxy.Call(t.Context(), "is_running"); v != false || err != nil {
		t.Errorf("is_running is %v, %v", v, err)
	}
}

// An inline mock that can't be is found in the exporter's file.
func TestInlineMockError(t *testing.T) {
	t.Parallel()
	config, err := Parse("bench.yaml", fmt.Appendf(nil, `
export:
  proxy:
    type: starproxy.MitmproxyDriver
    config:
      listen: {host: 127.0.0.1, port: 0}
      directories: {data: %q}
      mocks:
        GET /a: {statsu: 200}
`, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if text := call(t, driverAt(e, "proxy"), "start"); !strings.HasPrefix(text, "Failed to initialize mock mode: bench.yaml:9:18: ") {
		t.Error(text)
	}
}

func TestNewFailsWhole(t *testing.T) {
	t.Parallel()
	config, err := Parse("bench.yaml", []byte("export:\n  a: {type: starproxy.MitmproxyDriver}\n  b: {type: starproxy.MitmproxyDriver}\n"))
	if err != nil {
		t.Fatal(err)
	}
	first := new(fake)
	n := 0
	_, err = Open(config, Options{open: func(driver.Config, driver.Options) (instance, error) {
		if n++; n == 1 {
			return first, nil
		}
		return nil, errors.New("listen.port: too high")
	}})
	if err == nil || err.Error() != "bench.yaml:3:3: export.b: listen.port: too high" {
		t.Errorf("error %v", err)
	}
	if first.closed.Load() != 1 {
		t.Error("the driver that was made is not closed")
	}
}
