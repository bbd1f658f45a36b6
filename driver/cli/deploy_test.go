package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/exporter"
	"starproxy/driver/scenario"
)

// deploy reads a file of the examples for services.
func deploy(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../examples/deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// understood checks that a command line is one of ours.
func understood(t *testing.T, args []string) {
	t.Helper()
	var p program
	app, _, err := (&System{Name: "starproxy", Stdout: io.Discard, Stderr: io.Discard}).parser(context.Background(), "starproxy", &p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.Parse(args); err != nil {
		t.Errorf("%s: %v", strings.Join(args, " "), err)
	}
	if p.Run.Metrics == nil {
		t.Errorf("%s: no metrics", strings.Join(args, " "))
	}
}

// TestDeploySystemd checks the unit, by systemd where it is there.
func TestDeploySystemd(t *testing.T) {
	t.Parallel()
	const name = "starproxy@.service"
	unit := deploy(t, name)
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.*)$`).FindStringSubmatch(unit)
	if start == nil {
		t.Fatal("no ExecStart")
	}
	understood(t, strings.Fields(strings.ReplaceAll(start[2], "%i", "bench1")))
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tempDir(t), "starproxy@bench1.service")
	if err := os.WriteFile(path, []byte(strings.Replace(unit, start[1], self, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// 0 is safe, 100 is unsafe; a unit that says nothing has 96.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=25", "--no-pager", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// TestDeployQuadlet checks the sections and keys of the quadlet, as
// podman-systemd.unit(5) has them.
func TestDeployQuadlet(t *testing.T) {
	t.Parallel()
	known := map[string]string{
		"Unit":      "Description Wants After",
		"Container": "Image ContainerName PublishPort Volume ReadOnly Tmpfs DropCapability NoNewPrivileges Notify HealthCmd HealthInterval HealthTimeout HealthRetries HealthStartPeriod HealthOnFailure",
		"Service":   "Restart RestartSec TimeoutStartSec",
		"Install":   "WantedBy",
	}
	section := ""
	for line := range strings.Lines(deploy(t, "starproxy.container")) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		if !ok || !strings.Contains(" "+known[section]+" ", " "+key+" ") {
			t.Errorf("section %q: line %q", section, line)
		}
	}
}

// object is what the test looks at in an object of Kubernetes.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	Spec       struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Args  []string
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					Startup      probe                   `yaml:"startupProbe"`
					Readiness    probe                   `yaml:"readinessProbe"`
					Liveness     probe                   `yaml:"livenessProbe"`
					VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
				}
				Volumes []struct{ Name string }
			}
		}
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// TestDeployKubernetes checks that the example is whole: what it names it has,
// and we understand what it gives us.
func TestDeployKubernetes(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	d := yaml.NewDecoder(strings.NewReader(deploy(t, "kubernetes.yaml")))
	for {
		var o object
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind]++
		if o.APIVersion == "" || o.Metadata.Name == "" {
			t.Errorf("%s: apiVersion or name is missing", o.Kind)
		}
		for name, text := range o.Data {
			switch name {
			case "bench1.yaml":
				c, err := exporter.Parse(name, []byte(text))
				if err != nil || len(c.Warnings) > 0 || len(proxyNodes(c.Export)) != 1 {
					t.Errorf("%s: %v, %v", name, c, err)
				}
			case "scenario.yaml":
				if s, err := scenario.Parse(name, []byte(text), scenario.Env{}); err != nil || len(s.Endpoints) != 1 {
					t.Errorf("%s: %v, %v", name, s, err)
				}
			default:
				t.Errorf("ConfigMap %s: key %s", o.Metadata.Name, name)
			}
		}
		for _, c := range o.Spec.Template.Spec.Containers {
			understood(t, c.Args)
			ports, volumes := "", ""
			for _, p := range c.Ports {
				ports += " " + p.Name
			}
			for _, v := range o.Spec.Template.Spec.Volumes {
				volumes += " " + v.Name
			}
			for _, m := range c.VolumeMounts {
				if !strings.Contains(volumes+" ", " "+m.Name+" ") {
					t.Errorf("no volume %s", m.Name)
				}
			}
			for path, p := range map[string]probe{"/readyz": c.Readiness, "/healthz": c.Liveness} {
				if p.HTTPGet.Path != path || p.HTTPGet.Port != "metrics" {
					t.Errorf("probe %+v, want %s of the metrics", p, path)
				}
			}
			if ports != " proxy web exporter metrics" {
				t.Errorf("ports%s", ports)
			}
		}
	}
	for kind, want := range map[string]int{"ConfigMap": 2, "PersistentVolumeClaim": 1, "Deployment": 1, "Service": 1} {
		if kinds[kind] != want {
			t.Errorf("%d %s, want %d", kinds[kind], kind, want)
		}
	}
}
