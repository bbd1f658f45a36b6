package exchange

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	open := &fs.PathError{Op: "open", Path: "/srv/my files/a.bin", Err: fs.ErrNotExist}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("no answer"), "no answer"},
		{errors.New("forward: GET /api/v1/x.json: 404"), "forward: GET /api/v1/x.json: 404"},
		{errors.New("https://h.test:8080/a.json refused"), "https://h.test:8080/a.json refused"},
		{open, "open a.bin: file does not exist"},
		{fmt.Errorf("mock file: %w", errors.Join(errors.New("first"), open)), "mock file: first\nopen a.bin: file does not exist"},
		{&os.LinkError{Op: "rename", Old: "/srv/x/a", New: "/srv/x/b", Err: fs.ErrExist}, "rename a b: file already exists"},
		{errors.New("Addon error: /srv/data/addons/deep/x.star:3:5: boom"), "Addon error: x.star:3:5: boom"},
		{errors.New("/srv/a.yaml:1:2: load(\"/srv/lib/b.star:9\")"), "a.yaml:1:2: load(\"b.star:9\")"},
		{fmt.Errorf("script: %w", Naming(errors.New("no such file in /srv/my data/files (x)"), "/srv/my data/files", "relative", "")), "script: no such file in files (x)"},
	} {
		if got := Public(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}
