package driver

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// foreign is in files that no client may read, needle the part of them that
	// would show.
	foreign = "root:needle:0:0\nGET /x: {body: needle}\n- [needle\n"
	needle  = "needle"
)

// outsider has a bench whose driver's directories lie in "data", a directory
// with foreign files beside it, and links from each directory to there.
func outsider(t *testing.T, change func(*Config)) (b *bench, secret string) {
	t.Helper()
	root := t.TempDir()
	secret = filepath.Join(root, "secret")
	if err := os.Mkdir(secret, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shadow", "x.yaml", "x.star", "x.bin", "scenario.yaml"} {
		if err := os.WriteFile(filepath.Join(secret, name), []byte(foreign), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	addon := "def handle(req, config):\n    return response(body = \"needle\")\n"
	if err := os.WriteFile(filepath.Join(secret, "spy.star"), []byte(addon), 0o644); err != nil {
		t.Fatal(err)
	}
	b = newBench(t, func(c *Config) {
		c.Directories.Data = filepath.Join(root, "data")
		if change != nil {
			change(c)
		}
	})
	b.dir = filepath.Join(root, "data")
	for _, dir := range []string{"mock-files", "mock-responses", "flows", "addons"} {
		b.write(dir+"/keep", "")
		if err := os.Symlink(secret, filepath.Join(b.dir, dir, "link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../secret/x.bin", filepath.Join(b.dir, dir, "spy.bin")); err != nil {
			t.Fatal(err)
		}
	}
	return b, secret
}

// A client names a file of somebody else: it learns neither what is in it nor
// whether it is there.
func TestForeignFilesAreNamed(t *testing.T) {
	t.Parallel()
	b, secret := outsider(t, nil)
	rel := func(dir string) string { return "../" + dir + "/../../secret/" }
	for _, c := range []struct {
		method string
		args   func(path string) []any
		names  []string // of a file that is there; "shadow" is replaced for one that is not
	}{
		{"load_mock_scenario", func(p string) []any { return []any{p} },
			[]string{secret + "/shadow", secret + "/x.yaml", secret + "/x.star", secret, secret + "/../secret/x.yaml", rel("mock-responses") + "x.yaml", b.dir + "/mock-responses/link/x.yaml", b.dir + "/mock-responses/link", b.dir + "/../secret/shadow"}},
		{"start", func(p string) []any { return []any{"replay", false, p} },
			[]string{secret + "/x.bin", "../../secret/x.bin", b.dir + "/flows/link/x.bin", "link/x.bin"}},
		{"restart", func(p string) []any { return []any{"replay", false, p} }, []string{secret + "/x.bin"}},
	} {
		for _, name := range c.names {
			got := b.call(c.method, c.args(name)...)
			if strings.Contains(got, needle) || strings.HasPrefix(got, "Loaded") || strings.HasPrefix(got, "Started") {
				t.Errorf("%s %s: %s", c.method, name, got)
			}
			at := strings.LastIndex(name, "/") + 1
			missing := name[:at] + "nothing" + filepath.Ext(name)
			other := b.call(c.method, c.args(missing)...)
			if a, b := strings.ReplaceAll(got, filepath.Base(name), "P"), strings.ReplaceAll(other, filepath.Base(missing), "P"); a != b && !strings.Contains(got, "must be within") {
				t.Errorf("%s tells a file that is there from one that is not:\n%s\n%s", c.method, got, other)
			}
		}
	}
	for _, name := range []string{secret + "/shadow", "../../secret/shadow", "link/shadow", "spy.bin", b.dir + "/mock-files/link/shadow", b.dir + "/mock-files/../../secret/shadow"} {
		for _, method := range []string{"get_captured_file", "get_flow_file"} {
			if got := b.collect(method, name); strings.Contains(got, needle) || !strings.HasPrefix(got, "INVALID_ARGUMENT") {
				t.Errorf("%s %s: %s", method, name, got)
			}
		}
	}
	if got := b.call("list_flow_files"); strings.Contains(got, "spy.bin") {
		t.Error("a link to elsewhere is listed: ", got)
	}
	if got := b.call("set_mock_addon", "GET", "/a", "link/spy"); !strings.HasPrefix(got, "Addon") || strings.HasPrefix(got, "Addon mock set") {
		t.Error(got)
	}
}

// A client sends or names a document that names directories of somebody else.
func TestForeignDirectoriesInDocuments(t *testing.T) {
	t.Parallel()
	b, secret := outsider(t, nil)
	proxy := b.start()
	served := func(where string) {
		t.Helper()
		for _, path := range []string{"/file", "/read", "/addon", "/dict"} {
			if got := b.get(proxy, "http://nowhere.invalid"+path); strings.Contains(got, needle) {
				t.Errorf("%s: %s: %s", where, path, got)
			}
		}
	}
	yaml := func(dir string) string {
		return "config: {files_dir: " + dir + ", addons_dir: " + dir + "}\nendpoints:\n  GET /file: {file: shadow}\n  GET /addon: {addon: spy}\n"
	}
	star := func(dir string) string {
		return "config = {\"files_dir\": \"" + dir + "\", \"addons_dir\": \"" + dir + "\"}\n" +
			"endpoints = {\"GET /file\": lambda req: response(file = \"shadow\"), \"GET /read\": lambda req: read_file(\"shadow\"),\n" +
			"  \"GET /dict\": lambda req: {\"file\": \"shadow\"}, \"GET /addon\": lambda req: {\"addon\": \"spy\"}}\n"
	}
	dirs := []string{secret, "../../secret", "../secret", "link", b.dir + "/mock-files/link", b.dir + "/addons/link", b.dir + "/../secret", "/"}
	for _, dir := range dirs {
		for name, text := range map[string]string{"sent.yaml": yaml(dir), "sent.star": star(dir)} {
			b.call("load_mock_scenario_content", name, text)
			served("content " + name + " " + dir)
			b.call("upload_mock_file", name, base64.StdEncoding.EncodeToString([]byte(text)))
			if got := b.call("load_mock_scenario", filepath.Join(b.dir, "mock-files", name)); !strings.HasPrefix(got, "Loaded") && !strings.Contains(got, "no addon") {
				t.Errorf("uploaded %s with %s: %s", name, dir, got)
			}
			served("uploaded " + name + " " + dir)
			b.write("mock-responses/"+name, text)
			b.call("load_mock_scenario", name)
			served("placed " + name + " " + dir)
		}
	}
	// Files that documents and calls name one by one.
	for _, name := range []string{"../../secret/shadow", secret + "/shadow", "link/shadow", "spy.bin", "../mock-responses/../../secret/shadow"} {
		b.call("load_mock_scenario_content", "s.yaml", "GET /file: {file: '"+name+"'}\nGET /dict: {sequence: [{file: '"+name+"'}]}\nGET /read: {rules: [{file: '"+name+"'}]}\n")
		served("file: " + name)
		b.call("set_mock_file", "GET", "/file", name)
		b.call("put_mock", "GET /addon", "file: "+name, "")
		b.call("set_mock_sequence", "GET", "/dict", `[{"file": "`+name+`"}]`)
		served("set_mock_file " + name)
	}
	// What scripts load.
	for _, load := range []string{"link/spy.star", "//link/spy.star", "../../secret/spy.star", secret + "/spy.star", "x.star"} {
		if err := os.RemoveAll(filepath.Join(b.dir, "mock-responses", "x.star")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(secret, "spy.star"), filepath.Join(b.dir, "mock-responses", "x.star")); err != nil {
			t.Fatal(err)
		}
		text := "load(\"" + load + "\", \"handle\")\nendpoints = {\"GET /file\": lambda req: handle(req, {})}\n"
		b.write("mock-responses/main.star", text)
		if got := b.call("load_mock_scenario", "main.star"); strings.HasPrefix(got, "Loaded") || strings.Contains(got, needle) {
			t.Errorf("load %s: %s", load, got)
		}
		if got := b.call("load_mock_scenario_content", "main.star", text); strings.HasPrefix(got, "Loaded") || strings.Contains(got, needle) {
			t.Errorf("sent load %s: %s", load, got)
		}
	}
}

// Directories inside of the configuration's stay usable, by whatever spelling.
func TestDirectoriesWithin(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.write("mock-responses/set/files/x", "in set")
	b.write("mock-responses/set/addons/a.star", "def handle(req, config):\n    return response(body = \"addon\")\n")
	b.write("extra/x", "in extra")
	b.write("mock-files/x", "in files")
	b.write("mock-files/sub/x", "in sub")
	for dir, want := range map[string]string{
		"files": "in set", "./files": "in set", "../../extra": "in extra", filepath.Join(b.dir, "extra"): "in extra",
		filepath.Join(b.dir, "mock-files", "sub"): "in sub", filepath.Join(b.dir, "extra", "..", "mock-files"): "in files",
	} {
		b.write("mock-responses/set/scenario.yaml", "config: {files_dir: '"+dir+"', addons_dir: addons}\nendpoints:\n  GET /f: {file: x}\n  GET /a: {addon: a}\n")
		for _, name := range []string{"set", "set/scenario.yaml", filepath.Join(b.dir, "mock-responses", "set"), filepath.Join(b.dir, "mock-responses", "set", "scenario.yaml")} {
			b.want("Loaded 2 endpoint(s) from scenario.yaml", "load_mock_scenario", name)
			if got := b.get(proxy, "http://nowhere.invalid/f"); got != "200 "+want {
				t.Errorf("%s: %s: %s", dir, name, got)
			}
			if got := b.get(proxy, "http://nowhere.invalid/a"); got != "200 addon" {
				t.Errorf("%s: %s: %s", dir, name, got)
			}
		}
	}
}

// What the owner's configuration names may lie anywhere, and no client changes it.
func TestOwnedScenario(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"own/scenario.yaml": "config: {files_dir: ../firmware, addons_dir: " + root + "/addons}\nendpoints:\n  GET /f: {file: x}\n  GET /a: {addon: a}\n",
		"firmware/x":        "owner's",
		"addons/a.star":     "def handle(req, config):\n    return response(body = \"addon\")\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(root, "own")
	b := newBench(t, func(c *Config) { c.MockScenario, c.Directories.Files = own, own }) // as run --scenario does
	proxy := b.start()
	for path, want := range map[string]string{"/f": "200 owner's", "/a": "200 addon"} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	evil := base64.StdEncoding.EncodeToString([]byte("config: {files_dir: /}\nendpoints: {GET /f: {file: etc/passwd}}\n"))
	for _, name := range []string{"scenario.yaml", "./scenario.yaml", "scenario.json", "scenario.star", "lib.star", "sub/../scenario.yaml"} {
		b.want("Invalid file path: "+name, "upload_mock_file", name, evil)
		if got := b.call("upload_mock_file_part", name, "id-"+name, 0.0, evil, true); !strings.HasPrefix(got, "INVALID_ARGUMENT") {
			t.Errorf("%s: %s", name, got)
		}
	}
	b.want("Uploaded: fw.bin (3 bytes)", "upload_mock_file", "fw.bin", "YWJj")
	b.want("Loaded 2 endpoint(s) from scenario.yaml", "load_mock_scenario", own)
}

// The CA's key is served by no way, wherever the directories lie.
func TestCAKeyIsNeverServed(t *testing.T) {
	t.Parallel()
	const key = "PRIVATE KEY"
	for name, change := range map[string]func(*Config){
		"conf in data":  func(c *Config) {},
		"files is data": func(c *Config) { c.Directories.Files = c.Directories.Data },
		"files is conf": func(c *Config) { c.Directories.Files = filepath.Join(c.Directories.Data, "conf") },
		"all are one": func(c *Config) {
			d := &c.Directories
			d.Conf, d.Flows, d.Addons, d.Mocks, d.Files = d.Data, d.Data, d.Data, d.Data, d.Data
		},
		"conf in mock-files": func(c *Config) { c.Directories.Conf = filepath.Join(c.Directories.Data, "mock-files", "conf") },
		"flows is conf":      func(c *Config) { c.Directories.Flows = filepath.Join(c.Directories.Data, "conf") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, change)
			proxy := b.start()
			if got := b.call("get_ca_cert"); !strings.HasPrefix(got, "-----BEGIN CERTIFICATE") {
				t.Fatal(got)
			}
			d := &b.d.cfg.Directories
			ca := filepath.Join(d.Conf, "mitmproxy-ca.pem")
			for i, dir := range []string{d.Files, d.Mocks, d.Flows, d.Addons, d.Data} {
				rel, err := filepath.Rel(dir, ca)
				if err != nil {
					t.Fatal(err)
				}
				os.MkdirAll(dir, 0o755)
				for suffix, link := range map[string]func(string) error{
					"": func(p string) error { return os.Symlink(rel, p) }, "h": func(p string) error { return os.Link(ca, p) },
				} {
					for _, ext := range []string{".bin", ".yaml", ".star"} {
						if err := link(filepath.Join(dir, "k"+string(rune('0'+i))+suffix+ext)); err != nil && !os.IsExist(err) {
							t.Fatal(err)
						}
					}
				}
			}
			names := []string{ca, strings.Replace(ca, ".pem", ".p12", 1), "mitmproxy-ca.pem", "conf/mitmproxy-ca.pem", "../conf/mitmproxy-ca.pem", "mock-files/conf/mitmproxy-ca.p12"}
			for _, n := range "01234" {
				for _, tail := range []string{".bin", "h.bin", ".yaml", "h.yaml", ".star", "h.star"} {
					names = append(names, "k"+string(n)+tail)
				}
			}
			for _, n := range names {
				var got []string
				for _, m := range []string{"get_captured_file", "get_flow_file"} {
					got = append(got, b.collect(m, n))
				}
				got = append(got, b.call("load_mock_scenario", n), b.call("set_mock_addon", "GET", "/a", strings.TrimSuffix(n, ".star")))
				if replay := b.call("restart", "replay", false, n); !strings.HasPrefix(replay, "Replay file not found: ") {
					t.Errorf("%s: %s", n, replay)
				}
				b.call("load_mock_scenario_content", "s.yaml", "config: {files_dir: '"+d.Data+"'}\nendpoints: {GET /d: {file: '"+n+"'}}")
				b.call("set_mock_file", "GET", "/f", n)
				b.call("load_mock_scenario_content", "s.star", "load('"+n+"', 'x')\nendpoints = {}")
				got = append(got, b.get(proxy, "http://nowhere.invalid/d"), b.get(proxy, "http://nowhere.invalid/f"))
				got = append(got, b.call("load_mock_scenario_content", "s.star", "endpoints = {'GET /r': lambda req: read_file('"+n+"', default = b'none')}"), b.get(proxy, "http://nowhere.invalid/r"))
				b.write(strings.TrimPrefix(d.Mocks, d.Data+"/")+"/main.star", "load('"+n+"', 'x')\nendpoints = {}")
				got = append(got, b.call("load_mock_scenario", filepath.Join(d.Mocks, "main.star")))
				for _, g := range got {
					if strings.Contains(g, key) || strings.Contains(g, "BEGIN RSA") {
						t.Errorf("%s: %.80s", n, g)
					}
				}
				b.call("upload_mock_file", n, base64.StdEncoding.EncodeToString([]byte("evil")))
			}
			if now, err := os.ReadFile(ca); err != nil || !strings.Contains(string(now), key) {
				t.Errorf("the key was written over: %.20s %v", now, err)
			}
		})
	}
}

// Recordings are their owner's alone, those that come from elsewhere too.
func TestRecordingsArePrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("upload_flow_file_part", "up.bin", "id", 0.0, "", true)
	_, made, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	for _, name := range []string{filepath.Join(b.dir, "flows", "up.bin"), made} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
