package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
)

// Check tells whether Open would find a CA in dir that can be used, and why
// devices would refuse it, see [Authority.Problem]. Where there is none, found
// is false and nothing is wrong. It writes nothing.
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
