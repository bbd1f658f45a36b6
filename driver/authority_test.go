package driver

import (
	"os"
	"path/filepath"
	"testing"

	"starproxy/driver/ca"
)

// Drivers of one process with one directory have one CA, as long as one of them
// uses it; then the files are read anew.
func TestOneAuthorityForADirectory(t *testing.T) {
	t.Parallel()
	shared, dir := NewShared(), t.TempDir()
	open := func(conf string) *Driver {
		cfg := DefaultConfig()
		cfg.Listen, cfg.Directories.Data = Listen{Host: "127.0.0.1"}, t.TempDir()
		cfg.Directories.Conf = filepath.Join(dir, conf)
		d, err := New(cfg, Options{Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	a, b, other := open("one"), open("one"), open("two")
	if a.authority != b.authority || a.authority == other.authority {
		t.Error("got another CA for the same directory, or the same for another")
	}
	first, err := a.authority.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if c := open("one"); c.authority != b.authority {
		t.Error("the CA is forgotten while a driver uses it")
	} else {
		c.Close()
	}
	b.Close()
	if err := os.RemoveAll(filepath.Join(dir, "one")); err != nil {
		t.Fatal(err)
	}
	again, err := open("one").authority.get(t.Context())
	if err != nil || again.Cert().Equal(first.Cert()) {
		t.Errorf("after the files were deleted: got the same CA, or %v", err)
	}
	if _, err := os.Stat(ca.CertPath(filepath.Join(dir, "one"))); err != nil {
		t.Error(err)
	}
}
