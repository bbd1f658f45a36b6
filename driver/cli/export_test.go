package cli

import (
	"strings"
	"testing"

	"starproxy/driver/client"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	const composite = "jumpstarter_driver_composite.client.CompositeClient"
	root := &export{class: composite, children: []*export{
		{name: "proxy", class: client.ProxyClass},
		{name: "bench", class: composite, children: []*export{
			{name: "mock", class: client.ProxyClass},
			{name: "serial", class: "jumpstarter_driver_pyserial.client.PySerialClient"},
		}},
	}}
	const all = "proxy (MitmproxyClient), bench mock (MitmproxyClient), bench serial (PySerialClient)"
	for _, test := range []struct{ args, path, rest, err string }{
		{"proxy status", "proxy", "status", ""},
		{"proxy", "proxy", "", ""},
		{"bench mock mock list", "bench mock", "mock list", ""},
		{"other status", "", "", `no export "other": the exporter has ` + all},
		{"bench other", "", "", `no export "bench other": the exporter has ` + all},
		{"bench", "", "", `export "bench" is no proxy but a ` + composite + `: the exporter has ` + all},
		{"bench serial start", "", "", `export "bench serial" is no proxy but a jumpstarter_driver_pyserial.client.PySerialClient: the exporter has ` + all},
	} {
		_, path, rest, err := locate(root, strings.Fields(test.args))
		message := ""
		if err != nil {
			message = err.Error()
		}
		if strings.Join(path, " ") != test.path || strings.Join(rest, " ") != test.rest || message != test.err {
			t.Errorf("%s: path %q, rest %q, error %q", test.args, path, rest, message)
		}
	}
	// An exporter can be a proxy as a whole.
	at, path, rest, err := locate(&export{class: client.ProxyClass}, []string{"status"})
	if err != nil || at == nil || len(path) != 0 || len(rest) != 1 {
		t.Errorf("bare proxy: path %q, rest %q, error %v", path, rest, err)
	}
}

func TestSplitAtCommand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, path, rest string }{
		{"proxy --help", "proxy", "--help"},
		{"bench proxy mock load --help", "bench proxy", "mock load --help"},
		{"mock start -h", "mock", "start -h"},
		{"proxy", "proxy", ""},
	} {
		path, rest := splitAtCommand(strings.Fields(test.args))
		if strings.Join(path, " ") != test.path || strings.Join(rest, " ") != test.rest {
			t.Errorf("%s: path %q, rest %q", test.args, path, rest)
		}
	}
}
