package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
)

// Check reports whether there is a CA in dir. Problem is the reason for which devices
// would refuse it, see [Authority.Problem]. The error is that of Open for a CA that
// can't be used. Check writes nothing.
func Check(dir string) (found bool, problem string, err error) {
	path := filepath.Join(dir, caFile)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	}
	data, err := disk.Read(path, disk.MaxDocument)
	if err != nil {
		return true, "", fmt.Errorf("certificate authority: %w", err)
	}
	a, err := parse(data)
	if err != nil {
		return true, "", fmt.Errorf("certificate authority %s: %w", path, err)
	}
	return true, Problem(a.cert), nil
}
