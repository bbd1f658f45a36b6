package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/exporter/hook"
)

// The schema names exactly the keys that the exporter reads.
func TestExporterSchemaKeys(t *testing.T) {
	t.Parallel()
	var doc map[string]any
	if err := json.Unmarshal([]byte(exporterSchema), &doc); err != nil {
		t.Fatal(err)
	}
	defs := doc["$defs"].(map[string]any)
	doc["properties"].(map[string]any)["export"] = nil // read apart from the struct
	compareKeys(t, "", append(yamlKeys(reflect.TypeFor[exporter.Config]()), "export"), doc)
	compareKeys(t, "hooks", yamlKeys(reflect.TypeFor[hook.Hook]()), defs["hook"].(map[string]any))
	config := defs["config"].(map[string]any)
	compareKeys(t, "config", yamlKeys(reflect.TypeFor[driver.Config]()), config)
	for name, sub := range map[string]reflect.Type{
		"listen": reflect.TypeFor[driver.Listen](), "web": reflect.TypeFor[driver.Web](),
		"directories": reflect.TypeFor[driver.Directories](), "capture": reflect.TypeFor[driver.Capture](),
		"scripts": reflect.TypeFor[driver.Scripts](), "tls": reflect.TypeFor[driver.TLS](), "webhooks": reflect.TypeFor[driver.Webhooks](),
	} {
		compareKeys(t, "config."+name, yamlKeys(sub), config["properties"].(map[string]any)[name].(map[string]any))
	}
}

// The defaults that the schema tells are those that hold.
func TestExporterSchemaDefaults(t *testing.T) {
	t.Parallel()
	var doc map[string]any
	if err := json.Unmarshal([]byte(exporterSchema), &doc); err != nil {
		t.Fatal(err)
	}
	d := driver.DefaultConfig()
	for path, want := range map[string]any{
		"listen.host": d.Listen.Host, "listen.port": float64(d.Listen.Port), "listen.idle_timeout": d.Listen.IdleTimeout, "listen.tunnel_idle_timeout": d.Listen.TunnelIdleTimeout, "web.host": d.Web.Host, "web.port": float64(d.Web.Port),
		"ssl_insecure": d.SSLInsecure, "tls.min_version": string(d.TLS.MinVersion), "mock_scenario": d.MockScenario, "unmatched": string(d.Unmatched),
		"capture.max_bytes": float64(d.Capture.MaxBytes), "capture.max_spool_bytes": float64(d.Capture.MaxSpoolBytes), "capture.inline_bytes": float64(d.Capture.InlineBytes),
		"webhooks.send": string(d.Webhooks.Send), "webhooks.timeout": d.Webhooks.Timeout,
		"scripts.max_steps": float64(d.Scripts.MaxSteps), "scripts.max_time": d.Scripts.MaxTime, "scripts.max_body": float64(d.Scripts.MaxBody), "scripts.max_memory": float64(d.Scripts.MaxMemory),
	} {
		at := doc["$defs"].(map[string]any)["config"].(map[string]any)
		for _, key := range strings.Split(path, ".") {
			at = at["properties"].(map[string]any)[key].(map[string]any)
		}
		if at["default"] != want {
			t.Errorf("config.%s: the schema's default is %v, in force is %v", path, at["default"], want)
		}
	}
}

// The shipped examples are valid, a misspelt key is not.
func TestExporterSchemaValidates(t *testing.T) {
	t.Parallel()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(exporterSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("exporter.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("exporter.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exporter.yaml", "container.yaml", "devices/exporter.yaml"} {
		path := filepath.Join("..", "..", "examples", name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var example any
		if err := yaml.Unmarshal(text, &example); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(example); err != nil {
			t.Errorf("examples/%s: %v", name, err)
		}
		if _, err := exporter.Load(path); err != nil {
			t.Errorf("examples/%s: %v", name, err)
		}
	}
	var wrong any
	if err := yaml.Unmarshal([]byte("export: {proxy: {type: starproxy.MitmproxyDriver, config: {lisen: {port: 1}}}}"), &wrong); err != nil {
		t.Fatal(err)
	}
	if schema.Validate(wrong) == nil {
		t.Error("config.lisen is accepted")
	}
}

// yamlKeys is the keys of a struct that YAML fills.
func yamlKeys(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "" && name != "-" {
			keys = append(keys, name)
		}
	}
	return keys
}

func compareKeys(t *testing.T, path string, want []string, schema map[string]any) {
	t.Helper()
	var got []string
	for key := range schema["properties"].(map[string]any) {
		got = append(got, key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the schema has %v, the exporter reads %v", path, got, want)
	}
}
