package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CanMake returns nil if this process may create files in the directory dir, or may create
// dir if it does not exist. Otherwise the error has the reason. CanMake changes nothing,
// so it does not notice a full disk.
func CanMake(dir string) error {
	at := filepath.Clean(dir)
	for {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s: got a file, want a directory", at)
		case err == nil:
			if err := writable(at); err != nil {
				return &fs.PathError{Op: "write in", Path: at, Err: err}
			}
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if _, err := os.Lstat(at); err == nil {
			return fmt.Errorf("%s: got a link to nothing, want a directory", at)
		}
		above := filepath.Dir(at)
		if above == at {
			return err
		}
		at = above
	}
}
