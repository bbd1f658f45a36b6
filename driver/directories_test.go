package driver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Relative directories of an exporter file begin at the file's directory,
// wherever starproxy is started.
func TestDirectoriesAnchor(t *testing.T) {
	bench, here := t.TempDir(), t.TempDir()
	t.Chdir(here)
	file := filepath.Join(bench, "exporter.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(here, "data"), filepath.Join(here, "both"), filepath.Join(bench, "both")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	relative, err := filepath.Rel(here, file)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ file, path, want, remark string }{
		{file, "data", bench + "/data", "directories.mocks: data is relative to the exporter file: " + bench + "/data is used, and " + here + "/data is not"},
		{relative, "both", bench + "/both", ""},
		{file, "./a/../b", bench + "/b", ""},
		{file, "../x", filepath.Dir(bench) + "/x", ""},
		{file, "/srv/x", "/srv/x", ""},
		{file, "", "", ""},
		{"", "data", here + "/data", ""},
		{"/dev/null", "data", here + "/data", ""},
		{filepath.Join(bench, "gone.yaml"), "data", here + "/data", ""},
	} {
		d := Directories{Mocks: test.path}
		remarks, err := d.Anchor(test.file)
		if err != nil || d.Mocks != test.want || strings.Join(remarks, ";") != test.remark {
			t.Errorf("%s in %q: got %q, %q, %v, want %q, %q", test.path, test.file, d.Mocks, remarks, err, test.want, test.remark)
		}
	}
}

// Without a configured directory data lies outside of the working directory.
func TestUserData(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/starproxy"},
		{"", "/h", "/h/.local/share/starproxy"},
		{"x", "/h", "/h/.local/share/starproxy"}, // XDG: relative paths are ignored
		{"", "", ""},
	} {
		env := map[string]string{"XDG_DATA_HOME": test.xdg, "HOME": test.home}
		got, err := UserData(func(name string) string { return env[name] })
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%+v: got %q, %v", test, got, err)
		}
	}
}
