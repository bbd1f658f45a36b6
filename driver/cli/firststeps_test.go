package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The first steps of --help work as they are given, wherever the directory is
// that the exporter file is named from.
func TestFirstSteps(t *testing.T) {
	t.Chdir("../..")
	home := "XDG_DATA_HOME=" + t.TempDir()
	t.Setenv("XDG_DATA_HOME", strings.TrimPrefix(home, "XDG_DATA_HOME="))
	steps := regexp.MustCompile(`(?m)^    starproxy (.*?)(?: +#.*)?$`).FindAllStringSubmatch(program{}.Help(), -1)
	if len(steps) < 3 {
		t.Fatalf("%d first steps in %s", len(steps), program{}.Help())
	}
	for _, step := range steps {
		args := strings.Fields(step[1])
		if args[0] != "run" {
			continue
		}
		r := startRun(t, "Try:", []string{home}, append(args[1:], "--listen", "127.0.0.1:0")...)
		if mocks := r.find(t, `, (\d+) mock endpoint`); mocks == "0" {
			t.Errorf("%s: no mocks in\n%s", step[1], r.greeting)
		}
		r.cancel()
		if code := <-r.ended; code != 0 {
			t.Errorf("%s: exit code %d: %s", step[1], code, r.stderr.String())
		}
	}
}

// Every exporter file of the examples is all right from any directory.
func TestExampleExporters(t *testing.T) {
	for _, dir := range []string{".", "../..", "../../examples"} {
		t.Run(dir, func(t *testing.T) {
			at, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_DATA_HOME", t.TempDir())
			t.Chdir(dir)
			for _, file := range []string{"exporter.yaml", "devices/exporter.yaml"} {
				c := newConsole()
				c.Name = "starproxy"
				if code := c.run(t.Context(), []string{"check", at + "/../../examples/" + file}); code != 0 {
					t.Errorf("%s: exit code %d: %s%s", file, code, c.stdout.String(), c.stderr.String())
				}
			}
		})
	}
}
