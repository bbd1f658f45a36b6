//go:build unix

package interop

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// What the Containerfile relies on: the Go release of go.mod, a static binary,
// an exporter file that loads, a health check that the binary can do itself.
func TestContainerfile(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root(t), "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	mod, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	release := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	if !strings.Contains(text, "golang:"+release+" AS build") {
		t.Errorf("the build stage has not the Go %s of go.mod", release)
	}
	for _, want := range []string{"\nUSER 65532:0\n", "\nHEALTHCHECK ", "\nFROM scratch\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Containerfile has no line %q", strings.TrimSpace(want))
		}
	}

	t.Run("static", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS != "linux" {
			t.Skip("the image has a binary for Linux")
		}
		path := compile(t)
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Error("the binary is linked dynamically")
			}
		}
		zones(t, filepath.Dir(path))
	})

	t.Run("any user", func(t *testing.T) {
		t.Parallel()
		anyUser(t)
	})

	t.Run("runs as written", func(t *testing.T) {
		t.Parallel()
		cmdline := regexp.MustCompile(`(?m)^CMD \["run", (.*)\]$`).FindStringSubmatch(text)
		health := regexp.MustCompile(`CMD \["/bin/starproxy", "j", (.*)\]`).FindStringSubmatch(text)
		if cmdline == nil || health == nil {
			t.Fatal("no CMD, or no HEALTHCHECK by the program itself")
		}
		dir := tempDir(t)
		config, err := os.ReadFile(filepath.Join(root(t), "examples", "container.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, ".config", "jumpstarter", "exporters", "container.yaml")
		write(t, file, strings.NewReplacer("0.0.0.0", "127.0.0.1", "/data", dir+"/data",
			" /scenarios", " "+filepath.Join(root(t), "examples", "scenarios")).Replace(string(config)))
		replacePorts(t, file, freePort(t), freePort(t))
		socket := filepath.Join(dir, "s")
		args := words(cmdline[1])
		for i, arg := range args {
			switch {
			case strings.HasSuffix(arg, ".sock"):
				args[i] = socket
			case arg == "0.0.0.0:1234", arg == "0.0.0.0:9464":
				args[i] = fmt.Sprint("127.0.0.1:", freePort(t))
			}
		}
		p := start(t, dir, environ(nil, "HOME="+dir), []int{0}, append([]string{filepath.Join(bin, "starproxy"), "run"}, args...)...)
		p.await(t, "JUMPSTARTER_HOST=")
		out := run(t, dir, environ([]string{bin}, "JUMPSTARTER_HOST="+socket), append([]string{"starproxy", "j"}, words(health[1])...)...)
		if out.code != 0 || !strings.Contains(out.stdout, "Proxy is running") {
			t.Errorf("health check: %s", out)
		}
		// It is about the proxy, not about the exporter.
		stopped := environ([]string{bin}, "JUMPSTARTER_HOST="+socket)
		run(t, dir, stopped, "starproxy", "j", "proxy", "stop")
		if out := run(t, dir, stopped, append([]string{"starproxy", "j"}, words(health[1])...)...); out.code != 1 {
			t.Errorf("health check without a proxy: %s", out)
		}
	})
}

// zones asks the program in dir for time zones where there is no other file.
func zones(t *testing.T, dir string) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	write(t, filepath.Join(dir, "zones_test.star"), `
def test_zones():
    assert.eq(time.time(2026, 7, 1, 12, location = "Europe/Berlin").unix, 1782900000)
    assert.eq(sprig.dateInZone("15:04", 0, "Asia/Tokyo"), "09:00")
`)
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/starproxy", "script", "test", "/zones_test.star")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	cmd.Dir, cmd.Env = "/", []string{"TZ=Asia/Tokyo"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// anyUser runs the program as a user and a group that no file knows and that may
// write to the volume and to /tmp alone.
func anyUser(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("only root can become another user, by setpriv")
	}
	dir := tempDir(t)
	for path, mode := range map[string]os.FileMode{".": 0o755, "data": 0o777 | os.ModeSticky, "tmp": 0o777 | os.ModeSticky} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(filepath.Join(bin, "starproxy"))
	if err != nil {
		t.Fatal(err)
	}
	path, data := filepath.Join(dir, "starproxy"), filepath.Join(dir, "data")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	env := environ(nil, "HOME="+data, "TMPDIR="+filepath.Join(dir, "tmp"))
	p := start(t, data, env, []int{0}, setpriv, "--reuid=1000650000", "--regid=1000650001", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
		path, "run", "--port", fmt.Sprint(freePort(t)), "--socket", filepath.Join(dir, "tmp", "s"))
	p.await(t, "JUMPSTARTER_HOST=")
	for _, made := range []string{".local/share/starproxy/conf/mitmproxy-ca-cert.pem", ".local/share/starproxy/quickstart/scenario.yaml"} {
		info, err := os.Stat(filepath.Join(data, made))
		if err != nil {
			t.Error(err)
			continue
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 1000650000 || st.Gid != 1000650001 {
			t.Errorf("%s belongs to %d:%d", made, st.Uid, st.Gid)
		}
	}
}

// words are the strings of a JSON list without its brackets.
func words(list string) []string {
	var w []string
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(list, -1) {
		w = append(w, m[1])
	}
	return w
}
